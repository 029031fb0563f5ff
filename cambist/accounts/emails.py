"""When two e-mail addresses are one: the form to store and write to, and the form that must be unique.

Only ASCII is accepted, after compatibility forms (full-width letters of an East Asian keyboard) have become
plain. So no address can look like, or be folded by some later step into, somebody else's: the dotless i that
turns into I in upper case is refused. Mail always goes to the stored address, never to one typed later.
Known limit: mailboxes with letters outside ASCII; an international domain is typed in its xn-- form.
"""

import re
import unicodedata

from cambist.errors import Refused

_LONGEST = 254
_LOCAL_LONGEST = 64
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")


class EmailInvalid(Refused):
    """Not an address that this exchange accepts; the text says why."""

    code = "email_invalid"


def typed(email: str) -> str:
    """The address to store and write to: as typed, but for surrounding space and compatibility forms."""
    address = unicodedata.normalize("NFKC", email).strip()
    for letter in address:
        if not letter.isascii():
            name = unicodedata.name(letter, "unnamed")
            raise EmailInvalid(f"the e-mail address contains {letter!r} ({name}); only ASCII is accepted")
    if len(address) > _LONGEST or len(address.partition("@")[0]) > _LOCAL_LONGEST:
        raise EmailInvalid(
            f"the e-mail address is too long; {_LOCAL_LONGEST} before @ and {_LONGEST} in all are accepted"
        )
    if not _ADDRESS.fullmatch(address):
        raise EmailInvalid(f"{address!r} is not an e-mail address like name@example.org")
    return address


def canonical(email: str) -> str:
    """What must be unique among users: the address in small letters."""
    return typed(email).casefold()
