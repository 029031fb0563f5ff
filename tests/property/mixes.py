"""Strategies for commands of every kind: small numbers that collide often, rarely one that fits nowhere."""

from hypothesis import strategies as st

from cambist.engine import commands
from cambist.engine.codes import (
    AccountClass,
    AssetStatus,
    FeeComponent,
    MarketStatus,
    OrderType,
    Permission,
    ReplaceMode,
    Role,
    Side,
    StpMode,
    TimeInForce,
)
from cambist.engine.commands import Command, Filters

USERS = [1001, 1002, 1003, 1004, 1005]
MIRROR = 1006
HOUSE, SUSPENSE, WITHDRAWAL_FEES = 2, 4, 6
ASSETS = [1, 2, 3]
MARKETS = [1, 2, 3]

FILTERS = Filters(
    price_min_ticks=80,
    price_max_ticks=120,
    lot_min=1,
    lot_max=60,
    market_lot_min=2,
    market_lot_max=50,
    notional_min_atoms=90,
    notional_max_atoms=20_000,
    max_orders=75,
    notional_flags=3,
)

rarely = st.integers(0, 19).map(lambda chance: chance == 0)


def mostly(usual: st.SearchStrategy[int], *odd: int) -> st.SearchStrategy[int]:
    return rarely.flatmap(lambda is_odd: st.sampled_from(odd) if is_odd else usual)


traders = mostly(st.sampled_from([*USERS[:3], *USERS]), 1, HOUSE, MIRROR, 0, 999)
accounts = mostly(st.sampled_from([*USERS, HOUSE]), 1, 3, SUSPENSE, MIRROR, 0, 999)
counters = mostly(st.sampled_from([MIRROR, MIRROR, *USERS]), HOUSE, SUSPENSE, 3, 999)
assets = mostly(st.sampled_from(ASSETS), 0, 4, 9)
markets = mostly(st.sampled_from(MARKETS), 0, 4, 9)
prices = mostly(st.integers(96, 104), 79, 80, 120, 121, 1 << 63)
lots = mostly(st.integers(1, 20), 60, 61, (1 << 52) - 1, 1 << 63)
budgets = mostly(st.integers(90, 5_000), 1, 89, 20_000, 20_001, (1 << 100) - 1, 1 << 100)
client_ids = st.sampled_from([b"", b"", b"", b"a", b"b", b"c", b"a/b:c-d_e.f", b"x" * 36])
odd_client_ids = st.one_of(client_ids, client_ids, st.sampled_from([b"x" * 37, b"sp ace", b"\xff", b"nul\0"]))
order_ids = mostly(st.integers(1, 40), 0, 1 << 53)
references = st.integers(0, 12).map(lambda nth: b"ref:%d" % nth)
odd_references = st.one_of(
    *[references] * 10, st.sampled_from([b"", b"r" * 120, b"r" * 121, b"with space", b"\x7f"])
)
amounts = mostly(st.integers(1, 3_000), 0, (1 << 100) - 1, 1 << 100, (1 << 128) - 1)
stp_modes = st.sampled_from(StpMode)
sides = st.sampled_from(Side)


def _limits(**fixed: st.SearchStrategy[object]) -> dict[str, st.SearchStrategy[object]]:
    fields: dict[str, st.SearchStrategy[object]] = {
        "order_type": st.just(OrderType.LIMIT),
        "time_in_force": st.sampled_from([TimeInForce.GTC] * 4 + [TimeInForce.IOC, TimeInForce.FOK]),
        "price_ticks": prices,
        "quantity_lots": lots,
    }
    return {**fields, **fixed}


SHAPES: list[dict[str, st.SearchStrategy[object]]] = [
    _limits(),
    _limits(),
    _limits(order_type=st.just(OrderType.LIMIT_MAKER), time_in_force=st.just(TimeInForce.GTC)),
    {
        "order_type": st.just(OrderType.MARKET),
        "time_in_force": st.just(TimeInForce.IOC),
        "quantity_lots": lots,
    },
    {
        "order_type": st.just(OrderType.MARKET),
        "time_in_force": st.just(TimeInForce.IOC),
        "quote_budget_atoms": budgets,
    },
    {  # combinations that mean nothing, most of the time
        "order_type": st.sampled_from(OrderType),
        "time_in_force": st.sampled_from(TimeInForce),
        "price_ticks": mostly(prices, 0),
        "quantity_lots": mostly(lots, 0),
        "quote_budget_atoms": mostly(st.just(0), 500),
    },
]

places: st.SearchStrategy[Command] = st.one_of(
    [
        st.builds(
            commands.Place,
            account=traders,
            market=markets,
            side=sides,
            stp_mode=stp_modes,
            client_id=odd_client_ids,
            **shape,
        )
        for shape in SHAPES
    ]
)
cancels: st.SearchStrategy[Command] = st.builds(
    commands.Cancel,
    account=traders,
    market=markets,
    order_id=order_ids,
    client_id=client_ids,
    request_id=odd_client_ids,
)
replaces: st.SearchStrategy[Command] = st.one_of(
    [
        st.builds(
            commands.CancelReplace,
            account=traders,
            market=markets,
            side=sides,
            stp_mode=stp_modes,
            client_id=odd_client_ids,
            mode=st.sampled_from(ReplaceMode),
            target_order_id=order_ids,
            target_client_id=client_ids,
            request_id=client_ids,
            **shape,
        )
        for shape in [*SHAPES, _limits(quantity_lots=st.just(0))]
    ]
)
amends: st.SearchStrategy[Command] = st.builds(
    commands.Amend,
    account=traders,
    market=markets,
    order_id=order_ids,
    quantity_lots=mostly(st.integers(1, 15), 0, 1 << 63),
    target_client_id=client_ids,
    client_id=odd_client_ids,
)
cancel_alls: st.SearchStrategy[Command] = st.builds(commands.CancelAll, account=traders, market=markets)


def _money(kind: type[commands.Money], **fixed: st.SearchStrategy[object]) -> st.SearchStrategy[Command]:
    fields: dict[str, st.SearchStrategy[object]] = {
        "account": accounts,
        "market": assets,
        "counter_account": counters,
        "fee_account": st.just(0),
        "amount_atoms": amounts,
        "fee_atoms": st.just(0),
        "reference": odd_references,
        "origin": st.just(b""),
    }
    return st.builds(kind, **{**fields, **fixed})


moneys: st.SearchStrategy[Command] = st.one_of(
    _money(commands.Credit),
    _money(commands.Reverse, origin=references),
    _money(commands.Hold),
    _money(
        commands.Settle,
        origin=references,
        fee_account=mostly(st.just(WITHDRAWAL_FEES), 1, 2, 3, 999),
        fee_atoms=mostly(st.integers(0, 20), 1 << 100),
    ),
    _money(commands.Release, origin=references, amount_atoms=mostly(st.just(0), 1)),
    _money(commands.Move),
    _money(commands.Correction),
    _money(commands.Move, origin=references, fee_atoms=mostly(st.just(0), 1)),
)

permissions = mostly(st.just(7), 0, 1, 2, 4, 8, 255).map(Permission)
stp_groups = st.sampled_from([0, 0, 1001, 7])
rates = mostly(st.integers(0, 200_000), 30_000_000, 60_000_000)

operations: st.SearchStrategy[Command] = st.one_of(
    st.builds(
        commands.AccountCreate,
        account_class=mostly(st.just(1), 2, 3).map(AccountClass),
        tier=mostly(st.integers(0, 15), 16),
        permissions=permissions,
        stp_group=stp_groups,
        owner=st.integers(0, 3),
        reference=odd_references,
    ),
    st.builds(
        commands.AccountSet,
        account=accounts,
        tier=mostly(st.integers(0, 2), 15, 16),
        permissions=permissions,
        stp_group=stp_groups,
    ),
    st.builds(commands.AccountFreeze, account=accounts, frozen=st.booleans()),
    st.builds(commands.AccountFreeze, account=accounts, frozen=st.just(False)),
    st.builds(
        commands.AssetList,
        scale=mostly(st.integers(0, 18), 19),
        name=st.sampled_from([b"NEW", b"BTC", b"lower", b"", b"A" * 16, b"A" * 17]),
    ),
    st.builds(commands.AssetState, market=assets, state=st.sampled_from(AssetStatus)),
    st.builds(
        commands.MarketList,
        base=assets,
        quote=assets,
        tick_atoms=st.sampled_from([1, 50, 100, 0]),
        lot_atoms=st.sampled_from([1, 4, 0]),
        filters=st.just(FILTERS),
        state=st.sampled_from(MarketStatus),
        symbol=st.sampled_from([b"NEWONE", b"BTCUSD", b"bad", b"", b"A" * 32, b"A" * 33]),
    ),
    st.builds(
        commands.MarketState,
        market=markets,
        state=st.sampled_from([MarketStatus.TRADING] * 4 + list(MarketStatus)),
    ),
    st.builds(
        commands.MarketFilters,
        market=markets,
        filters=st.builds(
            FILTERS._replace,
            price_min_ticks=mostly(st.integers(80, 99), 0, 200),
            lot_min=mostly(st.integers(1, 4), 0, 61),
            market_lot_max=mostly(st.integers(10, 50), 1),
            notional_max_atoms=mostly(st.integers(1_000, 20_000), 0, 1 << 110),
            max_orders=mostly(st.sampled_from([3, 75]), 0),
            notional_flags=mostly(st.integers(0, 3), 4),
        ),
    ),
    st.builds(
        commands.MarketFees,
        market=markets,
        component=st.sampled_from(FeeComponent),
        tier=mostly(st.integers(0, 2), 15, 16),
        maker=rates,
        taker=rates,
        buyer=rates,
        seller=rates,
    ),
)

of_the_sequencer: st.SearchStrategy[Command] = st.one_of(
    st.just(commands.Continue()),
    st.just(commands.Time()),
    st.builds(
        commands.SessionOpen, role=st.sampled_from(Role), name=st.sampled_from([b"", b"gateway", b"a b"])
    ),
    st.builds(commands.Rules, version=mostly(st.just(1), 0, 2)),
    st.builds(commands.TakeOver, epoch=st.integers(1, 4)),
)
