"""Nobody of the staff approves what goes to himself, under whichever name he has asked for it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import insert

from cambist.accounts import people
from cambist.staff.people import StaffInvalid
from cambist.staff.roles import Role
from cambist.store.account_tables import addresses
from tests.integration.backoffice import ADDRESS, COIN, TWO_ABOVE_ATOMS, BackOffice, back_office, refusal
from tests.integration.rest_market import Trader, ok


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackOffice]:
    with back_office(tmp_path_factory.mktemp("own")) as office:
        yield office


def email(office: BackOffice, trader: Trader) -> str:
    with office.market.records.read() as db:
        return people.get(db, office.user_of(trader)).user.email


def note(office: BackOffice, trader: Trader, address: str) -> None:
    """Into the trader's address book."""
    row = {"user_id": office.user_of(trader), "network": "ETH", "address": address, "tag": "", "label": ""}
    with office.market.records.write() as db:
        db.execute(insert(addresses).values(row | {"created_at_ns": 1, "usable_from_ns": 1}))


@pytest.mark.parametrize("amount_atoms", [COIN, TWO_ABOVE_ATOMS + 1])
def test_W07_who_asks_for_a_withdrawal_does_not_approve_it(office: BackOffice, amount_atoms: int) -> None:
    trader = office.market.trader()
    name = f"insider{amount_atoms}"
    code = office.invite(name, Role.REVIEWER, email=email(office, trader).upper())
    insider, other = office.colleague(name).first(code), office.one(Role.REVIEWER)
    number = office.withdrawal(trader, amount_atoms)
    assert refusal(insider.approve(number)) == (403, "own_withdrawal")
    assert ok(other.approve(number))["state"] == ("held" if amount_atoms > TWO_ABOVE_ATOMS else "approved")
    if amount_atoms > TWO_ABOVE_ATOMS:
        assert refusal(insider.approve(number)) == (403, "own_withdrawal")


def test_W07_a_second_account_of_the_approver_with_the_same_address_does_not_help(office: BackOffice) -> None:
    own, second = office.market.trader(), office.market.trader()
    code = office.invite("twofold", Role.REVIEWER, email=email(office, own))
    insider = office.colleague("twofold").first(code)
    note(office, own, ADDRESS)
    number = office.withdrawal(second, COIN)
    assert refusal(insider.approve(number)) == (403, "own_withdrawal")
    elsewhere = office.withdrawal(second, COIN, address="0x" + "2d" * 20)
    assert ok(insider.approve(elsewhere))["state"] == "approved"


def test_W07_two_members_of_the_staff_are_never_one_mailbox(office: BackOffice) -> None:
    first = office.market.trader()
    office.invite("mailbox", Role.REVIEWER, email=email(office, first))
    with pytest.raises(StaffInvalid):
        office.invite("mailbox2", Role.REVIEWER, email=email(office, first).upper())
