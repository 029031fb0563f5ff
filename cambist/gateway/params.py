"""A request's parameters: read from query and body alike, whatever the body calls itself.

Both are form-encoded. The query wins over the body, unknown names are nobody's business, and a name twice in
one part is refused, because two readers could take different ones. Reading takes time in proportion to size.
"""

from typing import Self, TypeVar
from urllib.parse import unquote_plus

import msgspec

from cambist.gateway import errors
from cambist.gateway.errors import ApiError

INTEGER_RANGE = "^[0-9]{1,20}$"
INTEGER_MAX = (1 << 63) - 1
# Nothing happens later (the year 2262), and the rest of a millisecond fits behind it in 63 bits.
TIME_MAX_NS = INTEGER_MAX - 1_000_000
# A time below this is in milliseconds, from it on in microseconds: the border is in the year 5138, or 1973.
_MICROSECONDS_FROM = 10**14

T = TypeVar("T")

_names = msgspec.json.Decoder(list[str])


class Params:
    """Text by name; an empty value counts as sent, and is refused where it is read."""

    __slots__ = ("_values",)

    def __init__(self, query: bytes, body: bytes) -> None:
        values = _read(body) if body else {}
        if query:
            values.update(_read(query))
        self._values = values

    @classmethod
    def of(cls, values: dict[str, str]) -> Self:
        """What was read elsewhere."""
        params = cls(b"", b"")
        params._values = values
        return params

    def with_value(self, name: str, value: str) -> Self:
        """The same parameters, but for one."""
        return self.of(self._values | {name: value})

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def any_of(self, names: frozenset[str]) -> bool:
        return not names.isdisjoint(self._values)

    def get(self, name: str) -> str | None:
        """None if it was not sent. Raises ApiError (-1105) if it is empty."""
        value = self._values.get(name)
        if value == "":
            raise ApiError(errors.empty(name))
        return value

    def require(self, name: str) -> str:
        """Raises ApiError (-1102) if it is missing or empty."""
        value = self._values.get(name)
        if not value:
            raise ApiError(errors.missing(name))
        return value

    def integer(self, name: str) -> int | None:
        value = self.get(name)
        return None if value is None else _integer(name, value)

    def time_ns(self, name: str) -> int | None:
        """A time in milliseconds or microseconds, as nanoseconds; one beyond all times is the last."""
        value = self.integer(name)
        return None if value is None else min(nanoseconds(value), TIME_MAX_NS)

    def require_time_ns(self, name: str) -> int:
        return nanoseconds(_integer(name, self.require(name)))

    def limit(self, *, default: int, most: int) -> int:
        """How many items to answer; more than there can be gives the most there can be."""
        value = self.integer("limit")
        if value == 0:
            raise ApiError(errors.invalid("limit"))
        return default if value is None else min(value, most)

    def flag(self, name: str) -> bool:
        match self.get(name):
            case None:
                return False
            case value if value.lower() in ("true", "false"):
                return value.lower() == "true"
        raise ApiError(errors.invalid(name))

    def choice(self, name: str, choices: dict[str, T], default: T) -> T:
        value = self.get(name)
        if value is None:
            return default
        try:
            return choices[value]
        except KeyError:
            raise ApiError(errors.invalid(name)) from None

    def require_choice(self, name: str, choices: dict[str, T]) -> T:
        """Raises ApiError (-1102, -1130)."""
        try:
            return choices[self.require(name)]
        except KeyError:
            raise ApiError(errors.invalid(name)) from None

    def symbols(self) -> list[str] | None:
        """`symbols` as a JSON array of names, each once."""
        names = self._array("symbols")
        if names is not None and len(set(names)) < len(names):
            raise ApiError(errors.DUPLICATE_SYMBOLS)
        return names

    def names(self, name: str) -> list[str] | None:
        """One name, or a JSON array of names."""
        value = self.get(name)
        return [value] if value and not value.startswith("[") else self._array(name)

    def _array(self, name: str) -> list[str] | None:
        value = self.get(name)
        if value is None:
            return None
        try:
            return _names.decode(value)
        except msgspec.DecodeError:
            raise ApiError(errors.invalid(name)) from None


def nanoseconds(time: int) -> int:
    return time * 1_000_000 if time < _MICROSECONDS_FROM else time * 1_000


def _integer(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 20):
        raise ApiError(errors.illegal(name, INTEGER_RANGE))
    number = int(value)
    if number > INTEGER_MAX:
        raise ApiError(errors.overflowed(name))
    return number


def _read(part: bytes) -> dict[str, str]:
    try:
        text = part.decode()
        pairs = [pair.partition("=") for pair in text.split("&")]
        if "%" in text or "+" in text:
            pairs = [(_decoded(name), between, _decoded(value)) for name, between, value in pairs]
    except UnicodeDecodeError:
        raise ApiError(errors.ILLEGAL_CHARACTERS) from None
    values = {name: value for name, _, value in pairs}
    if len(values) < len(pairs) and _has_duplicates(pairs):
        raise ApiError(errors.DUPLICATE_PARAMETER)
    return values


def _decoded(text: str) -> str:
    return unquote_plus(text, errors="strict")


def _has_duplicates(pairs: list[tuple[str, str, str]]) -> bool:
    """Two `&` in a row make a pair without a name, which may come as often as it likes."""
    names = [name for name, _, _ in pairs if name]
    return len(set(names)) < len(names)
