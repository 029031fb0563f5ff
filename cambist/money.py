"""Decimal strings and the integers they stand for. The only place where an amount is read or written.

An amount is a whole number of atoms, `scale` (0 to 18) decimals below the unit: 0.5 at scale 8 is 50_000_000.
A market's prices and quantities are whole numbers of steps (ticks, lots) of so many atoms each. Everything is
exact, and strings are compared by value: "1.50000000" is fine at scale 1. Nothing but ASCII digits with at
most one dot between them is a number here: no sign, exponent, blank, underscore or digit of another script;
and at most 20 digits on either side, so that reading one takes bounded time.
"""

import re
from functools import lru_cache

DECIMAL_RANGE = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"  # what clients are told
RATE_SCALE = 8  # of fee rates

_decimal = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?").fullmatch
_REMEMBERED = 16_384  # prices and quantities come again and again; a look is cheaper than reading them anew
_POWERS: tuple[int, ...] = tuple(10**n for n in range(19))


class AmountInvalid(ValueError):
    """Text that is no amount of this kind; the message says why and quotes 50 characters at most."""


class TooPrecise(AmountInvalid):
    """More decimals than the scale has, and not only zeros."""


class BetweenSteps(AmountInvalid):
    """Not a whole number of steps."""


def parse_atoms(text: str, scale: int) -> int:
    """The amount in atoms. Raises AmountInvalid or TooPrecise."""
    if _decimal(text) is None:
        raise AmountInvalid(f"{text[:50]!r} is no decimal number like 12 or 0.5")
    whole, _, decimals = text.partition(".")
    if len(decimals) > scale:
        decimals = decimals.rstrip("0")
        if len(decimals) > scale:
            raise TooPrecise(f"{text} has more than {scale} decimals")
    return int(whole + decimals) * _POWERS[scale - len(decimals)]


@lru_cache(_REMEMBERED)
def parse_steps(text: str, scale: int, step_atoms: int) -> int:
    """The price in ticks or the quantity in lots. Raises AmountInvalid, TooPrecise or BetweenSteps."""
    steps, rest = divmod(parse_atoms(text, scale), step_atoms)
    if rest:
        raise BetweenSteps(f"{text} is not a multiple of {format_atoms(step_atoms, scale)}")
    return steps


@lru_cache(_REMEMBERED)
def format_atoms(atoms: int, scale: int) -> str:
    """All `scale` decimals, as in "0.50000000"; without a dot at scale 0."""
    if atoms < 0:
        return "-" + format_atoms(-atoms, scale)
    digits = str(atoms).zfill(scale + 1)
    return f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits
