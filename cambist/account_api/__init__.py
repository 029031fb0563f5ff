"""The account API, /api/account/v1: what a person does with an account, in a browser."""
