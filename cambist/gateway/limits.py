"""How much one client may ask for: request weight and requests per address.

Windows are aligned to the clock, as clients expect, and forgotten when they end. An IPv6 client is its /64
network, because one customer has all of its addresses. Whoever goes on after being told to stop is banned,
each time twice as long. All gateways of a machine count together (cambist/gateway/neighbours.py).
Known limit: a gateway's counts live in its process and start at zero with it.
"""

from collections import Counter
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from cambist.gateway import errors
from cambist.gateway.errors import ApiError
from cambist.gateway.neighbours import Neighbours
from cambist.settings import Limits

MINUTE_S = 60
DAY_S = 86_400
RAW_INTERVAL_S = 300
REFUSED_BEFORE_BAN = 100  # in one minute
BAN_SHORTEST_S = 120
BAN_LONGEST_S = 3 * DAY_S
BAN_FORGOTTEN_AFTER_S = DAY_S


class Window:
    """What each client used since the last full interval, of what has the name `purpose` at all gateways."""

    def __init__(self, seconds: int, purpose: str = "", neighbours: Neighbours | None = None) -> None:
        self.seconds = seconds
        self._purpose = purpose
        self._neighbours = neighbours
        self._nth = -1
        self._used: Counter[str] = Counter()

    def add(self, client: str, amount: int, now_s: int) -> int:
        """Returns what it now comes to. What belongs to the interval just over is not counted any more."""
        nth = now_s // self.seconds
        if nth == self._nth - 1:  # an answer that came late; anything earlier is a clock put back
            return self._used[client]
        if nth != self._nth:
            self._nth = nth
            self._used.clear()
        used = self._used[client] + amount
        self._used[client] = used
        neighbours = self._neighbours
        if neighbours is None or neighbours.is_alone:
            return used
        key, until_s = neighbours.key(self._purpose, client), (nth + 1) * self.seconds
        if amount:
            neighbours.publish(key, until_s, used, now_s)
        return used + neighbours.others(key, until_s)

    def ends_in_s(self, now_s: int) -> int:
        return self.seconds - now_s % self.seconds


class _Ban(NamedTuple):
    until_s: int
    length_s: int


class RequestLimits:
    """Weight and number of requests per address. A limit of 0 is none."""

    def __init__(self, limits: Limits, neighbours: Neighbours | None = None) -> None:
        self._weight_max = limits.request_weight_1m
        self._requests_max = limits.raw_requests_5m
        self._weights = Window(MINUTE_S, "weight", neighbours)
        self._requests = Window(RAW_INTERVAL_S, "requests", neighbours)
        self._refused = Window(MINUTE_S, "refused", neighbours)
        self._neighbours = neighbours
        self._bans: dict[str, _Ban] = {}

    def take(self, client: str, weight: int, now_s: int) -> bool:
        """Counts a request and its weight if `admit` and `charge` let it pass; else nothing has happened."""
        if self._has_bans(now_s):
            ban = self._last_ban(client)
            if ban is not None and now_s < ban.until_s:
                return False
        if self._requests_max and self._requests.add(client, 1, now_s) > self._requests_max:
            self._requests.add(client, -1, now_s)
            return False
        if self._weights.add(client, weight, now_s) > self._weight_max > 0:
            self.untake(client, weight, now_s)
            return False
        return True

    def untake(self, client: str, weight: int, now_s: int) -> None:
        """Of a request that goes another way, where it is counted."""
        if self._requests_max:
            self._requests.add(client, -1, now_s)
        self._weights.add(client, -weight, now_s)

    def admit(self, client: str, now_s: int) -> None:
        """Counts one request. Raises ApiError (418 or 429)."""
        if self._has_bans(now_s):
            self._require_not_banned(client, now_s)
        if self._requests_max and self._requests.add(client, 1, now_s) > self._requests_max:
            raise self._refusal(client, errors.TOO_MANY_REQUESTS, self._requests, now_s)

    def charge(self, client: str, weight: int, now_s: int) -> int:
        """Counts weight and returns what was used in this minute. Raises ApiError (429)."""
        used = self._weights.add(client, weight, now_s)
        if self._weight_max and used > self._weight_max:
            raise self._refusal(client, errors.too_much_weight(self._weight_max), self._weights, now_s)
        return used

    def give_back(self, client: str, weight: int, now_s: int) -> int:
        """For a request that succeeded and is free then, whatever others use. What is left."""
        return self._weights.add(client, -weight, now_s)

    def used_weight(self, client: str, now_s: int) -> int:
        return self._weights.add(client, 0, now_s)

    def _require_not_banned(self, client: str, now_s: int) -> None:
        ban = self._last_ban(client)
        if ban and now_s < ban.until_s:
            raise ApiError(errors.banned(ban.until_s * 1_000), ban.until_s - now_s)

    def _refusal(self, client: str, refusal: errors.Refusal, window: Window, now_s: int) -> ApiError:
        if self._refused.add(client, 1, now_s) > REFUSED_BEFORE_BAN:
            ban = self._ban(client, now_s)
            return ApiError(errors.banned(ban.until_s * 1_000), ban.length_s)
        return ApiError(refusal, window.ends_in_s(now_s))

    def _ban(self, client: str, now_s: int) -> _Ban:
        self._bans = {
            known: ban for known, ban in self._bans.items() if ban.until_s + BAN_FORGOTTEN_AFTER_S > now_s
        }
        before = self._last_ban(client)
        length_s = BAN_SHORTEST_S if before is None else min(2 * before.length_s, BAN_LONGEST_S)
        ban = self._bans[client] = _Ban(now_s + length_s, length_s)
        if self._neighbours is not None:
            self._neighbours.ban(self._neighbours.key("ban", client), ban.until_s, ban.length_s, now_s)
        return ban

    def _has_bans(self, now_s: int) -> bool:
        """Whether anybody is banned, as nobody is nearly always."""
        if self._bans:
            return True
        neighbours = self._neighbours
        return neighbours is not None and not neighbours.is_alone and neighbours.bans(now_s)

    def _last_ban(self, client: str) -> _Ban | None:
        """Its last one, whichever gateway imposed it."""
        own = self._bans.get(client)
        if self._neighbours is None or self._neighbours.is_alone:
            return own
        elsewhere = _Ban(*self._neighbours.longest_ban(self._neighbours.key("ban", client)))
        return max(own or elsewhere, elsewhere) if elsewhere.length_s else own


def client_of(ip: str) -> str:
    """Whom an address counts for."""
    if ":" not in ip:
        return ip
    address = IPv6Address(ip.partition("%")[0])
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_address(int(address) >> 64 << 64))
