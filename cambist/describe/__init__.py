"""What the exchange says of itself that no single part knows."""
