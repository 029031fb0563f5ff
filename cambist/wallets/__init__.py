"""Coins on chains: what comes in is found and credited, what goes out is built, sent and followed."""
