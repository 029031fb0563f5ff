"""New names: references that make a command idempotent, and API keys."""

import secrets
import string
import uuid

API_KEY_LENGTH = 64
_ALPHANUMERIC = string.ascii_letters + string.digits


def new_reference() -> uuid.UUID:
    """Unique for ever. Stored before the command that carries it is sent, so that a repeat is the same."""
    return uuid.uuid4()


def new_api_key() -> str:
    """64 letters and digits (381 bits), the shape that clients expect of keys and of secrets."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(API_KEY_LENGTH))


def is_api_key(text: str) -> bool:
    """Whether `text` has an API key's shape; anything else need not be looked up."""
    return len(text) == API_KEY_LENGTH and text.isascii() and text.isalnum()
