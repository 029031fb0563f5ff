"""What an operator can ask of an exchange, and the socket through which a running one is asked."""
