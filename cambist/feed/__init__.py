"""The feed: what the data process tells the gateways, over a Unix socket. Neither side imports the other."""
