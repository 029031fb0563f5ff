"""Users, as the staff finds them: who they are, what they have, and what stops them."""

from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import Meta
from sqlalchemy import ColumnElement, Connection, Row, func, or_, select

from cambist.account_api.bodies import Body, Shown
from cambist.account_api.errors import Unknown
from cambist.account_api.shown import milliseconds
from cambist.accounts import sign_in
from cambist.console.call import Call
from cambist.console.shown import ROWS_MAX, Reason, ms_or_none, number_of
from cambist.control.orders import CancelUserOrders
from cambist.control.users import FreezeUser
from cambist.errors import Unavailable
from cambist.money import format_atoms
from cambist.store.account_tables import addresses
from cambist.store.tables import api_keys, users
from cambist.store.views import accounts, assets, balances, orders
from cambist.store.wallet_tables import deposit_addresses

HISTORY = 50


class Find(Body):
    """A part of an e-mail address, a user's or an account's number, or a deposit address."""

    find: Annotated[str, Meta(max_length=254)] = ""


class User(Shown):
    """`is_frozen` is null while the views are not there."""

    id: int
    email: str
    account: int | None
    is_frozen: bool | None
    created_at: int
    email_verified_at: int | None
    has_second_factor: bool
    withdrawals_held_until: int | None
    self_frozen_at: int | None


class Balance(Shown):
    asset: str
    available: str
    held: str


class SignInShown(Shown):
    time: int
    outcome: str
    address: str
    agent: str
    is_known_device: bool


class ApiKeyShown(Shown):
    """Never the key itself: its first letters tell it from others."""

    begins: str
    label: str
    kind: str
    scopes: int
    ip_allow: list[str]
    created_at: int
    revoked_at: int | None


class BookEntry(Shown):
    network: str
    address: str
    label: str
    usable_from: int
    removed_at: int | None


class UserDetail(Shown):
    user: User
    balances: list[Balance]
    open_orders: int
    sign_ins: list[SignInShown]
    api_keys: list[ApiKeyShown]
    address_book: list[BookEntry]
    deposit_addresses: list[str]


class Cancelled(Shown):
    orders: int


def find_users(call: Call, wanted: Find) -> list[User]:
    with call.console.records.read() as db:
        found = select(users).where(_matches(db, wanted.find.strip())).order_by(users.c.id.desc())
        rows = db.execute(found.limit(ROWS_MAX)).all()
    frozen = _frozen(call, (row.account for row in rows if row.account is not None))
    return [_shown(row, frozen) for row in rows]


def show_user(call: Call) -> UserDetail:
    with call.console.records.read() as db:
        row = _row(db, call.subject)
        keys = db.execute(select(api_keys).where(api_keys.c.user_id == row.id)).all()
        book = db.execute(select(addresses).where(addresses.c.user_id == row.id)).all()
        given = db.scalars(select(deposit_addresses.c.address).where(deposit_addresses.c.user_id == row.id))
        detail = UserDetail(
            user=_shown(row, {}),
            balances=[],
            open_orders=0,
            sign_ins=[
                SignInShown(
                    milliseconds(each.time_ns), each.outcome, each.address, each.agent, each.is_known_device
                )
                for each in sign_in.history(db, row.id, HISTORY)
            ],
            api_keys=[_key(each) for each in keys],
            address_book=[
                BookEntry(
                    each.network,
                    each.address,
                    each.label,
                    milliseconds(each.usable_from_ns),
                    ms_or_none(each.removed_at_ns),
                )
                for each in book
            ],
            deposit_addresses=list(given),
        )
    if row.account is not None:
        detail.user = _shown(row, _frozen(call, [row.account]))
        with call.console.views() as views:
            detail.balances = _balances(views, row.account)
            mine = (orders.c.account == row.account) & (orders.c.reason == 0)
            detail.open_orders = views.execute(select(func.count()).where(mine)).scalar_one()
    return detail


def freeze(call: Call, why: Reason) -> User:
    return _set_frozen(call, why, frozen=True)


def unfreeze(call: Call, why: Reason) -> User:
    """Also what the owner has frozen."""
    return _set_frozen(call, why, frozen=False)


def cancel_orders(call: Call, why: Reason) -> Cancelled:
    with call.console.records.read() as db:
        email = _row(db, call.subject).email
    return Cancelled(call.ask(CancelUserOrders(email=email), why.reason)["orders"])


def _set_frozen(call: Call, why: Reason, *, frozen: bool) -> User:
    with call.console.records.read() as db:
        email = _row(db, call.subject).email
    call.ask(FreezeUser(email=email, frozen=frozen), why.reason)
    with call.console.records.read() as db:
        row = _row(db, call.subject)
    return _shown(row, {row.account: frozen})


def _matches(db: Connection, text: str) -> ColumnElement[bool]:
    either = [users.c.email_canonical.contains(text.casefold(), autoescape=True)]
    if text.isascii() and text.isdigit() and len(text) < 18:
        either += [users.c.id == int(text), users.c.account == int(text)]
    owner = select(deposit_addresses.c.user_id).where(deposit_addresses.c.address == text.lower())
    return or_(*either, users.c.id.in_(owner))


def _row(db: Connection, subject: str) -> Row[Any]:
    row = db.execute(select(users).where(users.c.id == number_of(subject))).one_or_none()
    if row is None:
        raise Unknown("user")
    return row


def _frozen(call: Call, wanted: Iterable[int]) -> dict[int, bool]:
    """By account; empty while nobody can tell."""
    try:
        with call.console.views() as db:
            found = select(accounts.c.account, accounts.c.frozen).where(accounts.c.account.in_(list(wanted)))
            return {account: bool(frozen) for account, frozen in db.execute(found)}
    except Unavailable:
        return {}


def _balances(db: Connection, account: int) -> list[Balance]:
    found = (
        select(assets.c.name, assets.c.scale, balances.c.available_atoms, balances.c.held_atoms)
        .join(assets, assets.c.asset == balances.c.asset)
        .where(balances.c.account == account)
        .order_by(assets.c.name)
    )
    return [
        Balance(name, format_atoms(available, scale), format_atoms(held, scale))
        for name, scale, available, held in db.execute(found)
    ]


def _shown(row: Row[Any], frozen: dict[int, bool]) -> User:
    return User(
        id=row.id,
        email=row.email,
        account=row.account,
        is_frozen=frozen.get(row.account),
        created_at=milliseconds(row.created_at_ns),
        email_verified_at=ms_or_none(row.email_verified_at_ns),
        has_second_factor=row.sealed_totp is not None,
        withdrawals_held_until=milliseconds(row.withdrawals_held_until_ns) or None,
        self_frozen_at=ms_or_none(row.self_frozen_at_ns),
    )


def _key(row: Row[Any]) -> ApiKeyShown:
    return ApiKeyShown(
        begins=row.id[:6],
        label=row.label,
        kind=row.kind,
        scopes=row.scopes,
        ip_allow=list(row.ip_allow),
        created_at=milliseconds(row.created_at_ns),
        revoked_at=ms_or_none(row.revoked_at_ns),
    )
