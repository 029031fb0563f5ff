"""What those who watch over an exchange look at: logs, health, metrics."""
