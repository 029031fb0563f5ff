"""Coins in the simulated world: a chain with two nodes, the wallets and the signer as they are, and people.

The chain's own state is the truth about coins; an oracle remembers what was promised to whom. See
docs/testing.md for how to run one history again.
"""
