"""Money that enters, is held, leaves, moves or is put right; each reference counts once."""

from typing import Any

import pytest

from cambist.engine import commands
from cambist.engine.codes import AccountClass, AssetStatus, HoldState, Permission, Status
from cambist.engine.events import AccountEvent, Balance, HoldEvent
from cambist.engine.system_accounts import FEES, HOUSE, LOSS, NETWORK_FEES, SUSPENSE, WITHDRAWAL_FEES

from .script import BASE, FUNDS, QUOTE, BookScript

NOBODY = 999
LARGEST = (1 << 100) - 1


class Bank:
    """One user with FUNDS, and money commands in few words; amounts are quote atoms."""

    def __init__(self, book: BookScript) -> None:
        self.book = book
        self.user, self.mirror = book.account("ann"), book.mirror

    def does(self, kind: type[commands.Money], **changes: Any) -> Status:
        fields: dict[str, Any] = {"account": self.user, "market": QUOTE, "reference": b"one"}
        if kind in (commands.Credit, commands.Reverse, commands.Settle):
            fields["counter_account"] = self.mirror
        if kind is not commands.Release:
            fields["amount_atoms"] = 100
        return self.book.send(kind(**{**fields, **changes}))

    def has(self, account: int) -> tuple[int, int]:
        return self.book.venue.balance(account, QUOTE)

    def told(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.book.events if isinstance(event, kind)]


@pytest.fixture
def bank(book: BookScript) -> Bank:
    return Bank(book)


class TestCredit:
    def test_a_mirror_pays_and_both_postings_are_told(self, bank: Bank):
        before = bank.has(bank.mirror)[0]
        assert bank.does(commands.Credit) == Status.OK
        assert bank.told(Balance)[-2:] == [
            Balance(QUOTE, bank.mirror, before - 100, 0, -100),
            Balance(QUOTE, bank.user, FUNDS + 100, 0, 100),
        ]

    @pytest.mark.parametrize("account", [HOUSE, SUSPENSE])
    def test_the_house_and_suspense_can_be_credited(self, bank: Bank, account):
        assert bank.does(commands.Credit, account=account) == Status.OK
        assert bank.has(account) == (100, 0)

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({"counter_account": HOUSE}, Status.WRONG_ACCOUNT_CLASS),
            ({"account": FEES}, Status.WRONG_ACCOUNT_CLASS),
            ({"account": LOSS}, Status.WRONG_ACCOUNT_CLASS),
            ({"account": NOBODY}, Status.UNKNOWN_ACCOUNT),
            ({"counter_account": NOBODY}, Status.UNKNOWN_ACCOUNT),
            ({"market": 9}, Status.UNKNOWN_ASSET),
            ({"market": 0}, Status.UNKNOWN_ASSET),
            ({"amount_atoms": 0}, Status.BAD_AMOUNT),
            ({"amount_atoms": LARGEST + 1}, Status.BAD_AMOUNT),
            ({"fee_atoms": 1}, Status.BAD_AMOUNT),
            ({"fee_account": WITHDRAWAL_FEES}, Status.MALFORMED),
            ({"reference": b""}, Status.MALFORMED),
            ({"reference": b"r" * 121}, Status.MALFORMED),
            ({"reference": b"a b"}, Status.MALFORMED),
            ({"origin": b"o"}, Status.MALFORMED),
        ],
        ids=repr,
    )
    def test_what_is_wrong_is_refused_and_leaves_the_reference_unused(self, bank: Bank, change, status):
        assert bank.does(commands.Credit, **change) == status
        assert bank.does(commands.Credit) == Status.OK

    def test_the_largest_amount_and_the_longest_reference_pass(self, bank: Bank):
        assert bank.does(commands.Credit, amount_atoms=LARGEST, reference=b"r" * 120) == Status.OK

    def test_frozen_accounts_and_suspended_assets_are_credited(self, bank: Bank):
        bank.book.send(commands.AccountFreeze(account=bank.user, frozen=True))
        bank.book.send(commands.AssetState(market=QUOTE, state=AssetStatus.SUSPENDED))
        assert bank.does(commands.Credit) == Status.OK


class TestReferences:
    def test_the_same_command_counts_once_and_gets_the_first_result(self, bank: Bank):
        bank.does(commands.Credit)
        first = bank.book.last
        assert first is not None and first.value == first.sequence
        assert bank.does(commands.Credit) == Status.OK
        again = bank.book.last
        assert again is not None
        assert (again.value, again.repeat) == (first.value, True)
        assert bank.has(bank.user) == (FUNDS + 100, 0)

    @pytest.mark.parametrize(
        "change", [{"amount_atoms": 101}, {"market": BASE}, {"account": HOUSE}], ids=repr
    )
    def test_other_content_is_a_conflict(self, bank: Bank, change):
        bank.does(commands.Credit)
        assert bank.does(commands.Credit, **change) == Status.REFERENCE_CONFLICT

    def test_another_kind_is_a_conflict(self, bank: Bank):
        bank.does(commands.Credit)
        assert bank.does(commands.Hold) == Status.REFERENCE_CONFLICT

    def test_accounts_share_the_references_of_money(self, bank: Bank):
        bank.does(commands.Credit)
        create = commands.AccountCreate(
            account_class=AccountClass.USER, permissions=Permission.TRADE, reference=b"one"
        )
        assert bank.book.send(create) == Status.REFERENCE_CONFLICT


class TestHold:
    def test_available_becomes_held_and_nothing_is_posted(self, bank: Bank):
        assert bank.does(commands.Hold) == Status.OK
        assert bank.told(Balance)[-1] == Balance(QUOTE, bank.user, FUNDS - 100, 100, 0)
        assert bank.told(HoldEvent)[-1][:4] == (QUOTE, HoldState.HELD, bank.user, 100)

    def test_settle_pays_the_mirror_and_the_fee(self, bank: Bank):
        bank.does(commands.Hold, reference=b"w")
        mirror = bank.has(bank.mirror)[0]
        settled = bank.does(
            commands.Settle, origin=b"w", amount_atoms=93, fee_atoms=7, fee_account=WITHDRAWAL_FEES
        )
        assert settled == Status.OK
        assert bank.has(bank.user) == (FUNDS - 100, 0)
        assert bank.has(bank.mirror) == (mirror + 93, 0)
        assert bank.has(WITHDRAWAL_FEES) == (7, 0)
        assert bank.told(HoldEvent)[-1].state == HoldState.SETTLED
        assert bank.told(HoldEvent)[0].digest == bank.told(HoldEvent)[-1].digest

    def test_release_gives_it_back(self, bank: Bank):
        bank.does(commands.Hold, reference=b"w")
        assert bank.does(commands.Release, origin=b"w") == Status.OK
        assert bank.has(bank.user) == (FUNDS, 0)

    @pytest.mark.parametrize("end", [commands.Settle, commands.Release])
    def test_it_ends_once(self, bank: Bank, end):
        bank.does(commands.Hold, reference=b"w")
        assert bank.does(commands.Release, origin=b"w", reference=b"end:1") == Status.OK
        assert bank.does(end, origin=b"w", reference=b"end:2") == Status.ALREADY_ENDED

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({"amount_atoms": 99}, Status.BAD_AMOUNT),
            ({"amount_atoms": 101}, Status.BAD_AMOUNT),
            ({"fee_atoms": 1, "fee_account": WITHDRAWAL_FEES}, Status.BAD_AMOUNT),
            ({"amount_atoms": 99, "fee_atoms": 1, "fee_account": LOSS}, Status.WRONG_ACCOUNT_CLASS),
            ({"amount_atoms": 99, "fee_atoms": 1, "fee_account": NOBODY}, Status.UNKNOWN_ACCOUNT),
            ({"counter_account": HOUSE}, Status.WRONG_ACCOUNT_CLASS),
            ({"origin": b"never"}, Status.UNKNOWN_REFERENCE),
            ({"origin": b""}, Status.MALFORMED),
            ({"account": HOUSE}, Status.UNKNOWN_REFERENCE),
            ({"market": BASE}, Status.UNKNOWN_REFERENCE),
        ],
        ids=repr,
    )
    def test_a_settlement_that_does_not_fit_the_hold_is_refused(self, bank: Bank, change, status):
        bank.does(commands.Hold, reference=b"w")
        assert bank.does(commands.Settle, **{"origin": b"w", **change}) == status
        assert bank.has(bank.user) == (FUNDS - 100, 100)
        assert bank.does(commands.Settle, origin=b"w") == Status.OK

    def test_all_that_is_available_can_be_held_and_not_one_atom_more(self, bank: Bank):
        assert bank.does(commands.Hold, amount_atoms=FUNDS + 1) == Status.INSUFFICIENT_BALANCE
        assert bank.does(commands.Hold, amount_atoms=FUNDS) == Status.OK

    def test_guards_in_order(self, bank: Bank):
        assert bank.does(commands.Hold, account=FEES) == Status.WRONG_ACCOUNT_CLASS
        bank.book.send(commands.AssetState(market=QUOTE, state=AssetStatus.SUSPENDED))
        bank.book.send(commands.AccountSet(account=bank.user, tier=0, permissions=Permission.TRADE))
        bank.book.send(commands.AccountFreeze(account=bank.user, frozen=True))
        assert bank.does(commands.Hold, amount_atoms=2 * FUNDS) == Status.ACCOUNT_FROZEN
        bank.book.send(commands.AccountFreeze(account=bank.user, frozen=False))
        assert bank.does(commands.Hold, amount_atoms=2 * FUNDS) == Status.ACCOUNT_MAY_NOT
        bank.book.send(commands.AccountSet(account=bank.user, tier=0, permissions=Permission.WITHDRAW))
        assert bank.does(commands.Hold, amount_atoms=2 * FUNDS) == Status.ASSET_SUSPENDED
        bank.book.send(commands.AssetState(market=QUOTE, state=AssetStatus.ACTIVE))
        assert bank.does(commands.Hold, amount_atoms=2 * FUNDS) == Status.INSUFFICIENT_BALANCE

    def test_a_freeze_stops_no_withdrawal_that_is_held(self, bank: Bank):
        bank.does(commands.Hold, reference=b"w")
        bank.book.send(commands.AccountFreeze(account=bank.user, frozen=True))
        bank.book.send(commands.AssetState(market=QUOTE, state=AssetStatus.SUSPENDED))
        assert bank.does(commands.Settle, origin=b"w") == Status.OK


class TestReverse:
    def test_it_takes_back_and_freezes(self, bank: Bank):
        bank.does(commands.Credit, reference=b"deposit")
        assert bank.does(commands.Reverse, origin=b"deposit") == Status.OK
        assert bank.has(bank.user) == (FUNDS, 0)
        assert bank.told(AccountEvent)[-1].frozen

    @pytest.mark.parametrize(("left", "lost"), [(100, 0), (99, 1), (0, 100)])
    def test_the_loss_account_pays_what_is_gone(self, bank: Bank, left, lost):
        bank.does(commands.Credit, reference=b"deposit")
        gone = FUNDS + 100 - left
        assert bank.does(commands.Hold, amount_atoms=gone, reference=b"spent") == Status.OK
        assert bank.does(commands.Reverse, origin=b"deposit") == Status.OK
        assert bank.has(bank.user) == (0, gone)
        assert bank.has(LOSS) == (-lost, 0)

    def test_a_credit_is_reversed_once(self, bank: Bank):
        bank.does(commands.Credit, reference=b"deposit")
        bank.does(commands.Reverse, origin=b"deposit")
        assert bank.does(commands.Reverse, origin=b"deposit", reference=b"two") == Status.ALREADY_ENDED

    @pytest.mark.parametrize(
        "change",
        [{"origin": b"never"}, {"amount_atoms": 99}, {"market": BASE}, {"account": HOUSE}],
        ids=repr,
    )
    def test_it_must_say_what_the_credit_said(self, bank: Bank, change):
        bank.does(commands.Credit, reference=b"deposit")
        change = {"origin": b"deposit", **change}
        assert bank.does(commands.Reverse, **change) == Status.UNKNOWN_REFERENCE

    def test_only_credits_are_reversed(self, bank: Bank):
        bank.does(commands.Hold, reference=b"w")
        assert bank.does(commands.Reverse, origin=b"w") == Status.UNKNOWN_REFERENCE


class TestMoveAndCorrection:
    @pytest.mark.parametrize("kind", [commands.Move, commands.Correction])
    def test_money_goes_from_account_to_counter_account(self, bank: Bank, kind):
        assert bank.does(kind, counter_account=HOUSE) == Status.OK
        assert (bank.has(bank.user), bank.has(HOUSE)) == ((FUNDS - 100, 0), (100, 0))

    @pytest.mark.parametrize("kind", [commands.Move, commands.Correction])
    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({"amount_atoms": FUNDS + 1}, Status.INSUFFICIENT_BALANCE),
            ({"account": HOUSE, "counter_account": NETWORK_FEES}, Status.INSUFFICIENT_BALANCE),
            ({"account": HOUSE, "counter_account": HOUSE}, Status.WRONG_ACCOUNT_CLASS),
            ({"counter_account": NOBODY}, Status.UNKNOWN_ACCOUNT),
            ({"origin": b"o"}, Status.MALFORMED),
        ],
        ids=repr,
    )
    def test_what_is_wrong_is_refused(self, bank: Bank, kind, change, status):
        assert bank.does(kind, **{"counter_account": HOUSE, **change}) == status

    def test_only_a_correction_touches_a_mirror(self, bank: Bank):
        assert bank.does(commands.Move, counter_account=bank.mirror) == Status.WRONG_ACCOUNT_CLASS
        assert bank.does(commands.Move, account=bank.mirror, counter_account=HOUSE) == (
            Status.WRONG_ACCOUNT_CLASS
        )
        assert bank.does(commands.Correction, counter_account=bank.mirror) == Status.OK
        assert bank.does(
            commands.Correction, account=bank.mirror, counter_account=HOUSE, reference=b"two"
        ) == (Status.OK)

    def test_a_frozen_account_pays_by_correction_only(self, bank: Bank):
        bank.book.send(commands.AccountFreeze(account=bank.user, frozen=True))
        assert bank.does(commands.Move, counter_account=HOUSE) == Status.ACCOUNT_FROZEN
        assert bank.does(commands.Correction, counter_account=HOUSE) == Status.OK

    def test_a_frozen_account_receives(self, bank: Bank):
        bank.does(commands.Credit, account=HOUSE, reference=b"funds")
        bank.book.send(commands.AccountFreeze(account=bank.user, frozen=True))
        assert bank.does(commands.Move, account=HOUSE, counter_account=bank.user) == Status.OK

    def test_the_loss_account_may_owe(self, bank: Bank):
        assert bank.does(commands.Move, account=LOSS, counter_account=bank.user) == Status.OK
        assert bank.has(LOSS) == (-100, 0)
