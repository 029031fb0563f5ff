"""Time-based one-time passwords: RFC 6238 with SHA-1, six digits and steps of 30 s, as all apps make them."""

import base64
import hmac
import secrets
from struct import pack, unpack
from urllib.parse import quote, urlencode

STEP_S = 30
DIGITS = 6
SECRET_BYTES = 20
ISSUER = "Cambist"


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def code_at(secret: bytes, step: int) -> str:
    digest = hmac.digest(secret, pack(">Q", step), "sha1")
    place = digest[-1] & 15
    (number,) = unpack(">I", digest[place : place + 4])
    return f"{(number & 0x7FFF_FFFF) % 10**DIGITS:0{DIGITS}}"


def step_of(secret: bytes, code: str, now_ns: int) -> int | None:
    """The step whose code it is: the present one or its neighbours, for clocks that differ a little."""
    now = now_ns // (STEP_S * 1_000_000_000)
    if not code.isascii():
        return None
    found = [step for step in (now - 1, now, now + 1) if hmac.compare_digest(code_at(secret, step), code)]
    return max(found, default=None)


def text_of(secret: bytes) -> str:
    """As a person types it into an app."""
    return base64.b32encode(secret).decode().rstrip("=")


def uri(secret: bytes, email: str) -> str:
    """What the QR code of an authenticator app says."""
    named = quote(f"{ISSUER}:{email}")
    return f"otpauth://totp/{named}?{urlencode({'secret': text_of(secret), 'issuer': ISSUER})}"
