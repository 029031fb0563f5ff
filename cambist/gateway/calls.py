"""What a handler gets: the parameters, on whose behalf, and the parts of the exchange that it may use."""

import msgspec

from cambist.accounts.api_keys import ApiKey
from cambist.feed.client import FeedClient
from cambist.gateway.core import Core
from cambist.gateway.history import History
from cambist.gateway.markets import Markets
from cambist.gateway.office_calls import OfficeCalls
from cambist.gateway.order_limits import OrderLimits
from cambist.gateway.params import Params
from cambist.settings import Settings
from cambist.store.listen_keys import ListenKeys

NS_PER_MS = 1_000_000
NS_PER_US = 1_000
NS_PER_S = 1_000_000_000


class Services(msgspec.Struct, frozen=True):
    settings: Settings
    core: Core
    markets: Markets
    feed: FeedClient
    listen_keys: ListenKeys
    orders: OrderLimits
    history: History
    office: OfficeCalls


class Call(msgspec.Struct):
    """One request that passed its checks; `account` is 0 where no key is needed.

    `headers` are added to a successful answer.
    """

    services: Services
    params: Params
    account: int
    now_ns: int
    unit_ns: int
    headers: list[tuple[bytes, bytes]] = []
    key: ApiKey | None = None

    def time(self, time_ns: int) -> int:
        """A time in the unit that the client asked for."""
        return time_ns // self.unit_ns
