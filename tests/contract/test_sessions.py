"""Exactly once: numbers, repeats and roles of sessions; the sequencer's own commands."""

import pytest

from cambist.engine import commands
from cambist.engine.codes import AccountClass, Kind, Permission, Role, Status
from cambist.engine.commands import Command
from cambist.engine.events import EpochEvent, RulesEvent, SessionEvent

from .script import BookScript
from .venues import Answer, Venue

WINDOW = 4_096


class Sender:
    """A session that chooses its numbers itself."""

    def __init__(self, venue: Venue, role: Role = Role.ADMIN) -> None:
        self.venue = venue
        self.session = venue.send(commands.SessionOpen(role=role, name=b"sender")).result.value

    def sends(self, number: int, command: Command, session: int | None = None) -> Answer:
        raw = command.encode()
        commands.stamp(raw, self.session if session is None else session, number)
        return self.venue.send_bytes(bytes(raw))


def create(reference: bytes = b"new") -> commands.AccountCreate:
    return commands.AccountCreate(
        account_class=AccountClass.USER, permissions=Permission.TRADE, reference=reference
    )


def test_sessions_are_numbered_from_1(venue: Venue):
    result, events = venue.send(commands.SessionOpen(role=Role.WALLET, name=b"wallet"))
    assert venue.admin == 1
    assert result.value == 2
    assert events == [SessionEvent(2, Role.WALLET, b"wallet")]


def test_a_number_seen_again_gets_the_first_result_and_does_nothing(venue: Venue):
    sender = Sender(venue)
    first = sender.sends(1, create())
    again = sender.sends(1, create(b"something else"))
    assert again.result.repeat and not first.result.repeat
    assert again.result.value == first.result.value == 1001
    assert again.events == []


def test_a_refusal_is_repeated_too(venue: Venue):
    sender = Sender(venue)
    sender.sends(1, commands.CancelAll(account=999))
    again = sender.sends(1, create()).result
    assert (again.status, again.repeat) == (Status.UNKNOWN_ACCOUNT, True)


def test_numbers_may_leave_gaps_which_cannot_be_filled_later(venue: Venue):
    sender = Sender(venue)
    assert sender.sends(5, create(b"a")).result.status == Status.OK
    assert sender.sends(9, create(b"b")).result.status == Status.OK
    assert sender.sends(7, create(b"c")).result.status == Status.STALE_NUMBER
    assert sender.sends(5, create(b"d")).result.repeat


def test_number_0_is_always_stale(venue: Venue):
    assert Sender(venue).sends(0, create()).result.status == Status.STALE_NUMBER


@pytest.mark.parametrize(("later", "status"), [(WINDOW - 1, Status.OK), (WINDOW, Status.STALE_NUMBER)])
def test_a_result_is_kept_until_its_slot_is_needed(venue: Venue, later, status):
    sender = Sender(venue)
    sender.sends(1, create(b"a"))
    sender.sends(1 + later, create(b"b"))
    assert sender.sends(1, create(b"c")).result.status == status


def test_a_session_that_was_never_opened_is_unknown(venue: Venue):
    assert Sender(venue).sends(1, create(), session=77).result.status == Status.UNKNOWN_SESSION


def test_sessions_count_their_numbers_apart(venue: Venue):
    one, two = Sender(venue), Sender(venue)
    one.sends(3, create(b"a"))
    answer = two.sends(3, create(b"b")).result
    assert (answer.status, answer.repeat, answer.value) == (Status.OK, False, 1002)


COMMANDS: dict[Kind, Command] = {
    Kind.CANCEL_ALL: commands.CancelAll(account=999),
    Kind.CREDIT: commands.Credit(account=999, market=1, amount_atoms=1, reference=b"r"),
    Kind.RELEASE: commands.Release(account=999, market=1, reference=b"r", origin=b"o"),
    Kind.MOVE: commands.Move(account=999, market=1, amount_atoms=1, reference=b"r"),
    Kind.CORRECTION: commands.Correction(account=999, market=1, amount_atoms=1, reference=b"r"),
    Kind.ACCOUNT_FREEZE: commands.AccountFreeze(account=999, frozen=True),
    Kind.TIME: commands.Time(),
}


@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.parametrize("role", Role)
def test_a_role_may_send_its_own_kinds_only(venue: Venue, role, kind):
    allowed = {
        Role.TRADE: {Kind.CANCEL_ALL},
        Role.WALLET: {Kind.CREDIT, Kind.RELEASE},
        Role.FIAT: {Kind.CREDIT, Kind.RELEASE},
        Role.ADMIN: set(COMMANDS) - {Kind.TIME},
    }
    status = Sender(venue, role).sends(1, COMMANDS[kind]).result.status
    assert status == (Status.UNKNOWN_ACCOUNT if kind in allowed[role] else Status.NOT_PERMITTED)


@pytest.mark.parametrize("kind", [0, 6, 9, 17, 23, 36, 41, 46, 255])
def test_a_kind_that_nobody_knows_is_refused(venue: Venue, kind):
    raw = bytearray(venue.stamped(commands.Time(), venue.admin))
    raw[2] = kind
    expected = Status.UNKNOWN_KIND if kind < 40 else Status.NOT_PERMITTED
    assert venue.send_bytes(bytes(raw)).result.status == expected


def test_only_the_sequencers_kinds_need_no_session(venue: Venue):
    assert Sender(venue).sends(1, create(), session=0).result.status == Status.UNKNOWN_SESSION


def test_the_session_unused_longest_makes_room(venue: Venue):
    senders = [Sender(venue) for _ in range(1_023)]
    senders[0].sends(1, create(b"in use"))
    venue.send(commands.AccountFreeze(account=1001, frozen=True))
    Sender(venue)
    assert senders[1].sends(1, create(b"gone")).result.status == Status.UNKNOWN_SESSION
    assert senders[0].sends(1, create(b"here")).result.repeat
    assert senders[2].sends(1, create(b"there")).result.status == Status.OK


def test_a_take_over_begins_the_next_epoch(venue: Venue):
    assert venue.send(commands.TakeOver(epoch=1)).result.status == Status.WRONG_EPOCH
    assert venue.send(commands.TakeOver(epoch=3)).result.status == Status.WRONG_EPOCH
    result, events = venue.send(commands.TakeOver(epoch=2))
    assert (result.status, result.value, events) == (Status.OK, 2, [EpochEvent(2)])
    assert venue.epoch == 2
    assert venue.send(commands.Time()).result.status == Status.OK


def test_rules_begin_with_version_1_and_never_go_back(venue: Venue):
    assert venue.send(commands.Rules(version=0)).result.status == Status.UNKNOWN_RULES
    assert venue.send(commands.Rules(version=1)).events == [RulesEvent(1)]
    assert venue.send(commands.Rules(version=3)).result.status == Status.UNKNOWN_RULES
    assert venue.send(commands.Rules(version=2)).events == [RulesEvent(2)]
    assert venue.send(commands.Rules(version=2)).result.status == Status.OK
    assert venue.send(commands.Rules(version=1)).result.status == Status.UNKNOWN_RULES


def test_time_passes_without_events(venue: Venue):
    venue.time_ns += 1
    result, events = venue.send(commands.Time())
    assert (result.time_ns, result.status, events) == (venue.time_ns, Status.OK, [])


@pytest.mark.parametrize("at", [33, 47], ids=["name", "padding"])
def test_a_session_name_is_printable_and_padded_with_zeros(venue: Venue, at):
    raw = commands.SessionOpen(role=Role.TRADE, name=b"12345678").encode()
    raw[at] = 0x20
    assert venue.send_bytes(bytes(raw)).result.status == Status.MALFORMED


def test_an_orders_time_is_its_commands_time(book: BookScript):
    book.venue.time_ns += 5
    book.run("ann sell 5 @ 100")
    (order,) = book.venue.picture().orders
    assert order.accepted_ns == order.updated_ns == book.venue.time_ns
    book.venue.time_ns += 5
    book.run("bob buy 2 @ 100")
    (order,) = book.venue.picture().orders
    assert (order.accepted_ns, order.updated_ns) == (book.venue.time_ns - 5, book.venue.time_ns)
