"""Which deposit address is whose, and that nobody else's is ever shown."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert, select, update

from cambist.store.records import Records
from cambist.store.tables import users
from cambist.store.wallet_tables import deposit_addresses, networks
from cambist.wallets.addresses import AddressDoubted, Addresses, NoAccount, NoNetwork
from cambist.wallets.evm import xpub
from tests.wallets.settled import ANN, BOB, NETWORK, XPUB, open_records

# What every node for development unlocks: made by other people's code from the same phrase.
FIRST, SECOND = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"
# From BIP-32, test vector 1.
OTHER_KEY = (
    "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1"
    "EGMcet8"
)
USERS = 200


class Signer:
    def __init__(self, key: str = XPUB) -> None:
        self.key = key
        self.asked: list[int] = []

    def derive(self, network: str, indexes: list[int]) -> list[str]:
        self.asked += indexes
        return [xpub.address(self.key, index) for index in indexes]


@pytest.fixture
def records(tmp_path):
    records = open_records(tmp_path)
    yield records
    records.close()


def given(records: Records) -> list[tuple[str, int]]:
    with records.read() as db:
        rows = db.execute(select(deposit_addresses.c.address, deposit_addresses.c.user_id))
        return [tuple(row) for row in rows]


def test_addresses_are_those_of_other_peoples_wallets():
    assert [xpub.address(XPUB, 0), xpub.address(XPUB, 1)] == [FIRST, SECOND]


@pytest.mark.parametrize("key, index", [("xpub", 0), ("", 0), (XPUB[:-1] + "5", 0), (XPUB, 2**31)])
def test_no_address_comes_of_a_damaged_key_or_beyond_the_last_child(key, index):
    with pytest.raises(xpub.XpubInvalid):
        xpub.address(key, index)


def test_each_user_keeps_the_address_that_was_given_first(records):
    addresses = Addresses(records, Signer())
    assert addresses.of(NETWORK, ANN) == FIRST
    assert addresses.of(NETWORK, BOB) == SECOND
    assert Addresses(records, Signer()).of(NETWORK, ANN) == FIRST
    assert given(records) == [(FIRST, ANN), (SECOND, BOB)]


def test_D32_no_address_is_given_to_two_users_however_many_ask_at_once(records):
    with records.write() as db:
        for number in range(10, 10 + USERS):
            row = {"id": number, "email": f"{number}@example.org", "email_canonical": f"{number}@example.org"}
            row |= {"account": 2_000 + number, "reference": str(number), "created_at_ns": 0, "created_by": ""}
            db.execute(insert(users).values(row))
    doors = [Addresses(records, Signer()) for _ in range(4)]
    asked = [(door, number) for number in range(10, 10 + USERS) for door in doors]
    with ThreadPoolExecutor(8) as pool:
        shown = list(pool.map(lambda each: (each[1], each[0].of(NETWORK, each[1])), asked))
    assert len(set(shown)) == USERS
    assert len({address for _, address in shown}) == USERS
    assert sorted(given(records)) == sorted((address, user) for user, address in set(shown))


def test_D32_an_address_that_the_signer_derives_otherwise_is_never_shown(records):
    other = Signer(OTHER_KEY)
    for _ in range(2):
        with pytest.raises(AddressDoubted):
            Addresses(records, other).of(NETWORK, ANN)


def test_D32_who_changes_the_key_or_an_address_in_the_database_misleads_nobody(records):
    Addresses(records, Signer()).of(NETWORK, ANN)
    with records.write() as db:
        db.execute(update(deposit_addresses).values(address="0x" + "66" * 20))
        db.execute(update(networks).values(xpub=OTHER_KEY))
    for user in (ANN, BOB):
        with pytest.raises(AddressDoubted):
            Addresses(records, Signer()).of(NETWORK, user)


def test_the_signer_is_asked_once_for_each_address_and_start(records):
    signer = Signer()
    addresses = Addresses(records, signer)
    assert [addresses.of(NETWORK, ANN) for _ in range(3)] == [FIRST] * 3
    assert signer.asked == [0]


def test_a_network_that_is_not_set_up_and_a_user_without_an_account_get_none(records):
    with records.write() as db:
        db.execute(update(users).where(users.c.id == BOB).values(account=None))
    addresses = Addresses(records, Signer())
    with pytest.raises(NoNetwork):
        addresses.of("BTC", ANN)
    with pytest.raises(NoAccount):
        addresses.of(NETWORK, BOB)
    assert given(records) == []
