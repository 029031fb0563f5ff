"""The machine-readable descriptions of the API, made from the tables that also serve it."""
