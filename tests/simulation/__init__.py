"""The exchange as one deterministic process: product code on a simulated disk, clock, links and scheduler.

One seed is one history. Everything that is not product code draws from dice that the seed decides, and every
callback of every process waits in one queue, so a seed gives the same bytes every time: docs/simulation.md.
"""
