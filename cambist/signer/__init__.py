"""The signer: alone it has keys to coins, and it trusts nothing that other processes say."""
