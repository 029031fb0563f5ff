"""WebSockets on the public port: connections, and the market and account streams that they carry."""
