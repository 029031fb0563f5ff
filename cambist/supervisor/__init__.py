"""Keeps the exchange's processes: started, started again, stopped in order. No engine, no money."""
