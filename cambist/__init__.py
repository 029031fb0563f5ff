"""A centralized exchange for digital currencies. The map of the code is docs/architecture.md."""
