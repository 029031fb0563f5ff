"""Faults as patches against the product, each with what catches it: proof that the checks can fail."""
