"""What is durable, and in which order: the command log and the snapshots beside it."""
