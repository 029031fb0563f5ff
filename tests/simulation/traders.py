"""Those who send commands, and the links between them and the exchange.

A trader sends bursts, waits for the answers or until it has waited long enough, and goes on. What it was told
is compared with what happened; what it was not told it must be able to find out.
"""

from dataclasses import dataclass
from functools import partial
from itertools import islice
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from cambist.engine import commands, events
from cambist.engine.codes import OrderType, Role, Side, Status, TimeInForce
from cambist.engine.commands import Command
from cambist.errors import ExchangeError, OutcomeUnknown
from tests.model.state import State
from tests.property.mixes import MIRROR, USERS, Mix

from .fold import Fold
from .world import MS

if TYPE_CHECKING:
    from .site import Site

PATIENCE_NS = 400_000_000
SIDES = (Side.BUY, Side.SELL)
CROWD = 70  # more than one step of a cancel-all closes


@dataclass(eq=False)
class Request:
    role: Role
    command: bytearray
    meant: Command


class Link:
    """Carries requests to a gateway and answers back, in order or not, while it is up."""

    def __init__(self, site: "Site", name: str, nth: int) -> None:
        self._site = site
        self._nth = nth % len(site.gateways)
        self._dice = site.world.dice(f"link {name}")
        self.is_cut = self.is_clogged = False
        self._held: list[Any] = []  # what waits for a clogged link

    def send(self, trader: "Trader", requests: list[Request]) -> None:
        if self.is_cut:
            return
        if self.is_clogged:
            self._held.append((self.send, trader, requests))
            return
        gateway = self._site.gateways[self._nth]
        if not gateway.is_alive:
            self._site.outside.later(self._delay_ns(), trader.nobody_there, requests)
            return

        def arrive() -> None:
            for request in requests:
                gateway.submit(request.role, request.command, partial(self._back, trader, request))

        gateway.later(self._delay_ns(), arrive)

    def _back(self, trader: "Trader", request: Request, told: bytes | ExchangeError) -> None:
        if self.is_cut:
            return
        if self.is_clogged:
            self._held.append((self._back, trader, request, told))
            return
        self._site.outside.later(self._delay_ns(), trader.told, request, told)

    def heal(self) -> None:
        self.is_cut = self.is_clogged = False
        held, self._held = self._held, []
        for resend, *arguments in held:
            resend(*arguments)

    def _delay_ns(self) -> int:
        return self._dice.randrange(1, self._site.programme.delay_max_ns)


class Aim:
    """What a Mix looks at to hit orders, lists, holds and credits that exist."""

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self.references: dict[bytes, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fold, name)

    @property
    def markets(self) -> list[Any]:
        fold = self._fold
        return [
            SimpleNamespace(state=each.state, last_price_ticks=fold.last_price_ticks[at])
            for at, each in sorted(fold.markets.items())
        ]

    @property
    def holds(self) -> dict[bytes, Any]:
        return self.references

    def remember(self, command: Command) -> None:
        if isinstance(command, commands.Hold | commands.Credit):
            self.references[command.reference] = SimpleNamespace(command=command)


class Trader:
    def __init__(self, site: "Site", nth: int) -> None:
        self.name = f"trader {nth}"
        self.site = site
        self.link = Link(site, self.name, nth)
        self.waiting: dict[Request, None] = {}
        self.unknown: list[Request] = []
        self.refused: list[Request] = []
        self.answered = 0
        self._asked_at_ns = 0
        self._dice: Random = site.world.dice(self.name)
        self.aim = Aim(site.history.fold)
        funded = commands.Credit(
            account=USERS[0],
            market=1,
            counter_account=MIRROR,
            amount_atoms=1_000_000,
            reference=b"funds:1001:1",
        )
        self.aim.remember(funded)
        self._mix = Mix(self._dice.getrandbits(32), cast(State, self.aim))
        self._placed = 0
        self._is_resting = False
        self._burst_max = site.programme.burst_max
        self._pauses_ns: tuple[int, ...] = (MS // 10, MS, MS, 20 * MS)

    def begin(self) -> None:
        self.site.outside.later(1 + self._dice.randrange(5_000_000), self._act)

    def rest(self) -> None:
        """Sends nothing new."""
        self._is_resting = True

    def calm_down(self) -> None:
        """Sends little."""
        self._burst_max, self._pauses_ns = 2, (50 * MS,)

    def _act(self) -> None:
        now_ns = self.site.world.now_ns
        if self.waiting and now_ns - self._asked_at_ns > PATIENCE_NS:
            self.unknown += self.waiting
            self.waiting.clear()
        if not self.waiting and not self._is_resting:
            self._send()
        pause_ns = self._dice.choice(self._pauses_ns)
        self.site.outside.later(1 + self._dice.randrange(pause_ns), self._act)

    def _send(self) -> None:
        requests = [Request(role, command.encode(), command) for role, command in self._burst()]
        self.waiting = dict.fromkeys(requests)
        self._asked_at_ns = self.site.world.now_ns
        self.link.send(self, requests)
        self.site.sent += len(requests)

    def _burst(self) -> list[tuple[Role, Command]]:
        dice, mix = self._dice, self._mix
        count = dice.randint(1, self._burst_max)
        match dice.choices(["plain", "order", "any", "money", "crowd"], weights=[60, 30, 8, 8, 1])[0]:
            case "plain":
                return [(Role.TRADE, self._plain()) for _ in range(count)]
            case "order":
                return [(Role.TRADE, mix.order()) for _ in range(count)]
            case "any":
                return [(Role.ADMIN, mix.any()) for _ in range(min(count, 4))]
            case "money":
                return [(Role.WALLET, mix.money()) for _ in range(min(count, 8))]
        account = dice.choice(USERS[:3])
        crowd: list[Command] = [self._limit(account, Side.SELL, 110 + nth % 3, 1) for nth in range(CROWD)]
        return [(Role.TRADE, each) for each in [*crowd, commands.CancelAll(account=account)]]

    def _plain(self) -> Command:
        dice = self._dice
        orders = self.site.history.fold.orders
        if orders and dice.random() < 0.3:
            order = next(islice(orders.values(), dice.randrange(len(orders)), None))
            return commands.Cancel(account=order.account, market=order.market, order_id=order.order_id)
        side = dice.choice(SIDES)
        price = dice.randint(96, 101) if side == Side.BUY else dice.randint(99, 104)
        return self._limit(dice.choice(USERS[:3]), side, price, dice.randint(1, 20))

    def _limit(self, account: int, side: Side, price: int, lots: int) -> Command:
        self._placed += 1
        return commands.Place(
            account=account,
            market=self._dice.choice([1, 1, 1, 2, 3]),
            side=side,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            price_ticks=price,
            quantity_lots=lots,
            client_id=b"%s-%d" % (self.name[-1:].encode(), self._placed),
        )

    # What comes back.

    def nobody_there(self, requests: list[Request]) -> None:
        for request in requests:
            self.waiting.pop(request, None)

    def told(self, request: Request, told: bytes | ExchangeError) -> None:
        history = self.site.history
        command = bytes(request.command)
        if isinstance(told, bytes):
            history.answered(command, told)
            self.answered += 1
            if events.result(told).status == Status.OK:
                self.aim.remember(request.meant)
        elif isinstance(told, OutcomeUnknown):
            self.unknown.append(request)
        else:
            self.refused.append(request)
        self.waiting.pop(request, None)
