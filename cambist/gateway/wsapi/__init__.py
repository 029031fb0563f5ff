"""The WebSocket API: requests over one connection, answered by the same endpoints as REST."""
