"""Users and what acts for them."""
