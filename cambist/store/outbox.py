"""Commands that records ask of the engine, and its answers: written with the change that needs them.

A change, its audit row and its command are one transaction; so nothing is asked that was not written down,
and nothing written down is forgotten. A command's number in the outbox is its number in the sender's session
with the engine, which answers a repeat with the first result. An answer and what follows from it are one
transaction again. Functions here take that transaction; cambist/match/courier.py does the sending.
"""

from typing import NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from cambist.store.tables import inbox, outbox, senders


class Sender(NamedTuple):
    """`answered` and `sequence`: the newest answer's number, and where in the log that command is."""

    session: int
    answered: int
    sequence: int


class Waiting(NamedTuple):
    """A command without an answer. `purpose` and `subject` say what follows from the answer, and for whom."""

    number: int
    purpose: str
    subject: str
    command: bytes


class Answer(NamedTuple):
    """What the engine said to a command: docs/formats/events.md, RESULT."""

    sequence: int
    status: int
    value: int


# Of a command that was turned away before it reached the log, and is not tried again.
NOT_SENT = Answer(0, -1, 0)
# Of a command that the log has, while the event journal no longer says what came of it.
LOST = Answer(0, -2, 0)


def sender(db: Connection, name: str) -> Sender | None:
    row = db.execute(select(senders).where(senders.c.name == name)).one_or_none()
    return None if row is None else Sender(row.session, row.answered, row.sequence)


def set_session(db: Connection, name: str, session: int) -> None:
    """The engine's session in which the sender's commands go from now on."""
    changed = db.execute(update(senders).where(senders.c.name == name).values(session=session))
    if changed.rowcount == 0:
        db.execute(insert(senders).values(name=name, session=session, answered=0, sequence=0))


def put(db: Connection, name: str, audit_id: int, purpose: str, subject: str, command: bytes) -> int:
    """The command's number."""
    number = (db.scalar(select(func.max(outbox.c.number))) or 0) + 1
    _insert(db, name, audit_id, number, purpose, subject, command)
    return number


def recover(db: Connection, name: str, audit_id: int, number: int, answer: Answer) -> None:
    """A command that the log has, and of which nothing else is known here."""
    _insert(db, name, audit_id, number, "recovered", "", b"")
    take_in(db, name, number, answer)


def last_number(db: Connection, name: str) -> int:
    """0 before the first."""
    return db.scalar(select(func.max(outbox.c.number)).where(outbox.c.sender == name)) or 0


def waiting(db: Connection, name: str) -> list[Waiting]:
    """What has no answer yet, oldest first."""
    unanswered = (
        select(outbox)
        .outerjoin(inbox, inbox.c.number == outbox.c.number)
        .where(outbox.c.sender == name, inbox.c.number.is_(None))
        .order_by(outbox.c.number)
    )
    return [Waiting(row.number, row.purpose, row.subject, row.command) for row in db.execute(unanswered)]


def take_in(db: Connection, name: str, number: int, answer: Answer) -> None:
    """Once for each number: a second answer to it raises IntegrityError."""
    db.execute(insert(inbox).values(number=number, **answer._asdict()))
    if answer.sequence:
        db.execute(
            update(senders).where(senders.c.name == name).values(answered=number, sequence=answer.sequence)
        )


def _insert(
    db: Connection, name: str, audit_id: int, number: int, purpose: str, subject: str, command: bytes
) -> None:
    row = {
        "number": number,
        "sender": name,
        "audit_id": audit_id,
        "purpose": purpose,
        "subject": subject,
        "command": command,
    }
    db.execute(insert(outbox).values(row))
