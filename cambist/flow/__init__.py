"""Order flow: recorded files, their replay against a market, and the demo's house accounts."""
