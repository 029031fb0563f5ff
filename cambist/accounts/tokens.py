"""Random names that prove something to whoever knows them, and the form in which they are kept."""

import hashlib
import hmac
import secrets

CODE_DIGITS = 8


def new_token() -> str:
    """256 bits, in characters that a cookie may hold."""
    return secrets.token_urlsafe(32)


def new_code() -> str:
    """What a person copies from a mail: 26 bits, so the guesses at it are counted."""
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"


def hashed(token: str) -> str:
    """How a token is stored; it has so many bits that its hash is as good as itself kept secret."""
    return hashlib.sha256(token.encode()).hexdigest()


def keyed(key: bytes, *parts: str) -> str:
    """How something with few bits is stored: its plain hash could be tried out by whoever reads the rows."""
    return hmac.new(key, "\0".join(parts).encode(), "sha256").hexdigest()
