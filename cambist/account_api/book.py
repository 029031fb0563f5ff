"""An owner's withdrawal address book."""

from cambist.account_api.bodies import Body, Shown
from cambist.account_api.call import Call
from cambist.account_api.entry import Done
from cambist.account_api.shown import milliseconds
from cambist.accounts import address_book
from cambist.accounts.address_book import Entry
from cambist.accounts.policy import SensitiveAct


class NewAddress(Body):
    network: str
    address: str
    label: str
    tag: str = ""


class AddressShown(Shown):
    """Withdrawals may go there from `usableFrom` on."""

    id: int
    network: str
    address: str
    tag: str
    label: str
    created_at: int
    usable_from: int


def list_addresses(call: Call) -> list[AddressShown]:
    with call.read() as (db, person):
        return [_shown(entry) for entry in address_book.list_all(db, person.user.id)]


def add_address(call: Call, wanted: NewAddress) -> AddressShown:
    said = {"network": wanted.network, "address": wanted.address, "tag": wanted.tag}
    with call.sensitive(SensitiveAct.NEW_ADDRESS, "address.add", **said) as (db, person):
        entry = address_book.add(
            db,
            person,
            network=wanted.network,
            address=wanted.address,
            tag=wanted.tag,
            label=wanted.label,
            now_ns=call.now_ns,
            settings=call.office.settings.accounts,
        )
    return _shown(entry)


def remove_address(call: Call) -> Done:
    if not (call.subject.isascii() and call.subject.isdigit()):
        raise address_book.AddressUnknown
    with call.write("address.remove", id=call.subject) as (db, person):
        address_book.remove(db, person.user.id, int(call.subject[:18]), call.now_ns)
    return Done()


def _shown(entry: Entry) -> AddressShown:
    return AddressShown(
        entry.id,
        entry.network,
        entry.address,
        entry.tag,
        entry.label,
        milliseconds(entry.created_at_ns),
        milliseconds(entry.usable_from_ns),
    )
