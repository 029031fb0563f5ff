"""The back office: its HTTP API and pages, for members of the staff only."""
