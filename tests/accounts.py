"""Users for tests that have no courier: both halves of a creation, with whatever stands for the engine."""

from collections.abc import Callable

from cambist.accounts import users
from cambist.accounts.users import User
from cambist.store.records import Records


def create_user(
    records: Records, email: str, create_account: Callable[[bytes], int], *, now_ns: int = 1
) -> User:
    """`create_account(reference)` gives the account, or raises; the half-made user then stays."""
    with records.write() as db:
        user = users.begin(db, email, now_ns=now_ns, acting_user="test")
    account = create_account(user.account_reference)
    with records.write() as db:
        users.complete(db, user.id, account)
    return users.get(records, email)
