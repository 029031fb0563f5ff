"""ccxt pointed at one exchange: every URL that it knows, or a key could go elsewhere."""

import re
from typing import Any

import ccxt

from tests.clients.environments import Place


def urls(place: Place, known: Any = None) -> Any:
    """ccxt's own URLs with another host. Whatever ccxt adds in a later version is covered too."""
    known = ccxt.binance().urls["api"] if known is None else known
    if isinstance(known, dict):
        return {name: urls(place, each) for name, each in known.items()}
    base = place.ws if known.startswith("ws") else place.http
    return re.sub("^[a-z]+://[^/]+", base, known)
