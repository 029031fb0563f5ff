"""Benchmarks and conformance over the engine's one entry; `cambist bench` is their command line."""
