"""The second factor: an authenticator app, each of its codes once, and ten recovery codes for its loss.

Guesses are counted before they are looked at, per account, in the transaction that looks: parallel ones too.
An own device has a counter of its own, so that somebody who guesses does not lock the owner out.
"""

import secrets

from sqlalchemy import Connection, delete, insert, update

from cambist.accounts import mail, people, throttle, totp
from cambist.accounts.people import Person
from cambist.accounts.throttle import Rate
from cambist.accounts.tokens import keyed
from cambist.errors import Refused
from cambist.settings import Accounts
from cambist.store.account_tables import recovery_codes
from cambist.store.secrets import Vault

GUESSES = Rate(5, 300)
# Without one that is right in between. It ends when an operator resets the second factor.
IN_A_ROW = Rate(100, 100 * 365 * 86_400)
RECOVERY_CODES = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that look alike
_KEY_PURPOSE = "recovery codes"
NS_PER_HOUR = 3_600 * 1_000_000_000


class SecondFactorNeeded(Refused):
    code = "second_factor_needed"

    def __init__(self) -> None:
        super().__init__("the code of the authenticator app is needed as well")


class SecondFactorWrong(Refused):
    code = "second_factor_wrong"

    def __init__(self) -> None:
        super().__init__("the code of the authenticator app is wrong, or was used before")


class NotBeingSetUp(Refused):
    code = "second_factor_not_begun"

    def __init__(self) -> None:
        super().__init__("begin to set up the authenticator app first")


class SecondFactors:
    def __init__(self, vault: Vault, settings: Accounts) -> None:
        self._vault = vault
        self._key = vault.derive(_KEY_PURPOSE)
        self._settings = settings

    def check(
        self, db: Connection, person: Person, code: str | None, *, device_id: int | None, now_ns: int
    ) -> Refused | None:
        """What is wrong with `code`; None if it is right, or the person has no second factor.

        Returned and not raised, because what it counts has to stay. A recovery code counts as a code.
        """
        if person.sealed_totp is None:
            return None
        if not code:
            return SecondFactorNeeded()
        window, in_a_row = _counters(person.user.id, device_id)
        too_many = throttle.count(db, window, GUESSES, now_ns) or throttle.count(
            db, in_a_row, IN_A_ROW, now_ns
        )
        if too_many is not None:
            return too_many
        code = "".join(code.split()).lower()
        if not (self._is_new_step(db, person, code, now_ns) or self._is_recovery(db, person, code, now_ns)):
            self._tell_of_guesses(db, person, window, now_ns)
            return SecondFactorWrong()
        throttle.forget(db, window)
        throttle.forget(db, in_a_row)
        return None

    def begin(self, db: Connection, person: Person) -> tuple[str, str]:
        """(secret, uri) of a new authenticator, which counts once `confirm` has seen a code of it."""
        secret = totp.new_secret()
        sealed = self._vault.seal(secret, place=_place(person.user.id))
        people.change(db, person.user.id, sealed_totp_new=sealed)
        return totp.text_of(secret), totp.uri(secret, person.user.email)

    def confirm(self, db: Connection, person: Person, code: str, now_ns: int) -> list[str] | Refused:
        """New recovery codes, the only time that they can be shown; or what is wrong."""
        if person.sealed_totp_new is None:
            return NotBeingSetUp()
        too_many = throttle.count(db, f"second factor new:{person.user.id}", GUESSES, now_ns)
        if too_many is not None:
            return too_many
        step = totp.step_of(self._open(person.user.id, person.sealed_totp_new), "".join(code.split()), now_ns)
        if step is None:
            return SecondFactorWrong()
        people.change(
            db,
            person.user.id,
            sealed_totp=person.sealed_totp_new,
            sealed_totp_new=None,
            totp_step=step,
        )
        return self.new_recovery_codes(db, person, now_ns)

    def remove(self, db: Connection, person: Person) -> None:
        """Also what was counted, and the recovery codes."""
        people.change(db, person.user.id, sealed_totp=None, sealed_totp_new=None)
        db.execute(delete(recovery_codes).where(recovery_codes.c.user_id == person.user.id))
        for name in _counters(person.user.id, None):
            throttle.forget(db, name)

    def new_recovery_codes(self, db: Connection, person: Person, now_ns: int) -> list[str]:
        """The older ones are no longer good."""
        db.execute(delete(recovery_codes).where(recovery_codes.c.user_id == person.user.id))
        codes = [_new_recovery_code() for _ in range(RECOVERY_CODES)]
        rows = [
            {"user_id": person.user.id, "code": self._kept(person, code), "created_at_ns": now_ns}
            for code in codes
        ]
        db.execute(insert(recovery_codes), rows)
        return codes

    def _is_new_step(self, db: Connection, person: Person, code: str, now_ns: int) -> bool:
        """A step is used once, and then all before it are over: an overseen code is of no use."""
        assert person.sealed_totp is not None
        step = totp.step_of(self._open(person.user.id, person.sealed_totp), code, now_ns)
        if step is None or step <= people.get(db, person.user.id).totp_step:
            return False
        people.change(db, person.user.id, totp_step=step)
        return True

    def _is_recovery(self, db: Connection, person: Person, code: str, now_ns: int) -> bool:
        used = db.execute(
            update(recovery_codes)
            .where(
                recovery_codes.c.user_id == person.user.id,
                recovery_codes.c.code == self._kept(person, code),
                recovery_codes.c.used_at_ns.is_(None),
            )
            .values(used_at_ns=now_ns)
        )
        if used.rowcount == 0:
            return False
        until_ns = now_ns + self._settings.recovery_wait_hours * NS_PER_HOUR
        people.hold_withdrawals(db, person.user.id, until_ns)
        mail.put(db, person.user.id, mail.Kind.RECOVERY_CODE_USED, {}, now_ns)
        return True

    def _tell_of_guesses(self, db: Connection, person: Person, window: str, now_ns: int) -> None:
        """Whoever gets this far knows the password. Said once for each window of guesses."""
        if throttle.attempts_left(db, window, GUESSES, now_ns) == 0:
            mail.put(db, person.user.id, mail.Kind.GUESSED_SECOND_FACTOR, {}, now_ns)

    def _open(self, user_id: int, sealed: bytes) -> bytes:
        return self._vault.unseal(sealed, place=_place(user_id))

    def _kept(self, person: Person, code: str) -> str:
        return keyed(self._key, str(person.user.id), code.replace("-", ""))


def _counters(user_id: int, device_id: int | None) -> tuple[str, str]:
    whose = f"{user_id}:{device_id or 'elsewhere'}"
    return f"second factor:{whose}", f"second factor in a row:{whose}"


def _place(user_id: int) -> str:
    return f"authenticator of user {user_id}"


def _new_recovery_code() -> str:
    """Two groups of five: 49 bits."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(10))
    return f"{letters[:5]}-{letters[5:]}"
