"""The demo: a sandbox with markets and two users that a newcomer can trade with at once."""
