"""The records schema: what no log can rebuild, and the key that encrypts its secrets."""
