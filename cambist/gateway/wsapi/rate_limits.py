"""The `rateLimits` of an answer: what its headers would say to a REST client."""

from cambist.gateway.api import Answer
from cambist.settings import Limits


class RateLimits:
    """A limit that is switched off is not shown."""

    def __init__(self, limits: Limits) -> None:
        self._kinds = [
            (header, _limit(*interval, limit))
            for header, interval, limit in (
                (b"x-mbx-order-count-10s", ("ORDERS", "SECOND", 10), limits.orders_10s),
                (b"x-mbx-order-count-1d", ("ORDERS", "DAY", 1), limits.orders_1d),
                (b"x-mbx-used-weight-1m", ("REQUEST_WEIGHT", "MINUTE", 1), limits.request_weight_1m),
            )
            if limit
        ]

    def show(self, answer: Answer) -> bytes:
        counts = dict(answer.headers)
        shown = [b"%b%b}" % (limit, counts[header]) for header, limit in self._kinds if header in counts]
        return b"[%b]" % b",".join(shown)


def _limit(kind: str, interval: str, number: int, limit: int) -> bytes:
    return (
        f'{{"rateLimitType":"{kind}","interval":"{interval}","intervalNum":{number},"limit":{limit},"count":'
    ).encode()
