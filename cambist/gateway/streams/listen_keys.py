"""Listen keys: names of an account's stream for clients of the older kind. Valid for an hour, and renewed.

Known limit: they live in this process; after a restart a client has to ask for a new one, as after an hour.
"""

from collections.abc import Callable

from cambist import ids

VALID_NS = 3_600 * 10**9


class _Key:
    __slots__ = ("account", "expires_ns", "name")

    def __init__(self, name: str, account: int, expires_ns: int) -> None:
        self.name = name
        self.account = account
        self.expires_ns = expires_ns


class ListenKeys:
    """`on_end` is told of each key that was closed or has expired."""

    def __init__(self, on_end: Callable[[str], None]) -> None:
        self._on_end = on_end
        self._by_account: dict[int, _Key] = {}
        self._by_name: dict[str, _Key] = {}

    def start(self, account: int, now_ns: int) -> str:
        """The account's key, a new one if it has none; valid for an hour from now."""
        key = self._by_account.get(account)
        if key is not None and key.expires_ns <= now_ns:
            self._drop(key)
            key = None
        if key is None:
            key = _Key(ids.new_api_key(), account, 0)
            self._by_account[account] = self._by_name[key.name] = key
        key.expires_ns = now_ns + VALID_NS
        return key.name

    def renew(self, name: str, account: int, now_ns: int) -> bool:
        """False if the account has no such key."""
        if self.account_of(name, now_ns) != account:
            return False
        self._by_name[name].expires_ns = now_ns + VALID_NS
        return True

    def end(self, name: str, account: int, now_ns: int) -> bool:
        if self.account_of(name, now_ns) != account:
            return False
        self._drop(self._by_name[name])
        return True

    def account_of(self, name: str, now_ns: int) -> int | None:
        key = self._by_name.get(name)
        return key.account if key is not None and now_ns < key.expires_ns else None

    def expire(self, now_ns: int) -> None:
        """Drops what is not valid any more; to be called now and then."""
        for key in [key for key in self._by_name.values() if key.expires_ns <= now_ns]:
            self._drop(key)

    def _drop(self, key: _Key) -> None:
        del self._by_account[key.account], self._by_name[key.name]
        self._on_end(key.name)
