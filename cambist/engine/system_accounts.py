"""Numbers of the accounts that every engine has from the start: docs/formats/commands.md, "Accounts"."""

FEES = 1
HOUSE = 2
LOSS = 3
SUSPENSE = 4
NETWORK_FEES = 5
WITHDRAWAL_FEES = 6
