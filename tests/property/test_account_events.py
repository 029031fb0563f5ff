"""Random histories of all order types, told to every account: orders live and end once, and money adds up."""

import json
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cambist._matching import Engine
from cambist.data.database import open_views
from cambist.data.orders import Orders
from cambist.data.private import PrivateEvents
from cambist.data.projection import Projection
from cambist.feed.messages import Private
from cambist.log.journal_writer import JournalWriter
from tests.journals import LOG_ID, records_of

from .pair import batches
from .test_views import LONGEST_BATCH, REMEMBERED_MAX, history

ENDED = {"FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH", "REJECTED"}


class Told:
    """What a gateway heard, by account."""

    def __init__(self) -> None:
        self.by_account: dict[int, list[Private]] = defaultdict(list)

    def send(self, message: Private) -> None:
        self.by_account[message.account].append(message)


class Played:
    def __init__(self, directory: Path, seed: int) -> None:
        self.engine = Engine()
        records = list(records_of(list(batches(history(seed), LONGEST_BATCH)), self.engine))
        database, _ = open_views(directory / "views.db", LOG_ID)
        self.db = database.connect()
        orders = Orders(REMEMBERED_MAX)
        self.private = PrivateEvents(directory / "journal", orders)
        projection = Projection(orders, [self.private])
        projection.load(self.db, LOG_ID)
        writer = JournalWriter(directory / "journal", LOG_ID, Engine().event_hash)
        self.live = Told()
        for account in range(1, 200):
            self.private.watch_account(self.live, account, 0)  # type: ignore[arg-type]
        dice = Random(seed)
        while records:
            group = [records.pop(0) for _ in range(min(dice.randint(1, 12), len(records)))]
            for record in group:
                writer.append(record)
            projection.take(group)
        writer.close()

    def reports(self) -> dict[int, list[dict[str, Any]]]:
        """Order reports by order."""
        found: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for events in self.live.by_account.values():
            for event in map(json.loads, (each.body for each in events)):
                if event["e"] == "executionReport":
                    found[event["i"]].append(event)
        return found


@pytest.fixture(scope="module", params=range(6))
def played(request, tmp_path_factory):
    played = Played(tmp_path_factory.mktemp("events"), request.param)
    yield played
    played.db.close()
    played.db.engine.dispose()


def test_an_order_begins_once_and_nothing_follows_its_end(played):
    for order, reports in played.reports().items():
        assert (reports[0]["x"], reports[0]["z"]) == ("NEW", reports[0]["l"]), order
        ends = [nth for nth, report in enumerate(reports) if report["X"] in ENDED]
        assert ends in ([], [len(reports) - 1]), (order, [(each["x"], each["X"]) for each in reports])
        is_open = played.engine.order(order) is not None
        assert is_open == (ends == []), order


def test_what_was_executed_is_the_sum_of_the_trades(played):
    for order, reports in played.reports().items():
        trades = [report for report in reports if report["x"] == "TRADE"]
        assert len({report["t"] for report in trades}) == len(trades), order
        for unit, last in (("z", "l"), ("Z", "Y")):
            told = sum(int(report[last].replace(".", "")) for report in trades)
            assert int(reports[-1][unit].replace(".", "")) == told, order


def test_the_last_balances_told_are_the_engines(played):
    for account, events in played.live.by_account.items():
        last: dict[str, tuple[str, str]] = {}
        for event in map(json.loads, (each.body for each in events)):
            if event["e"] == "outboundAccountPosition":
                last |= {each["a"]: (each["f"], each["l"]) for each in event["B"]}
        names = {row[0]: row[1] for row in played.engine.assets()}
        for asset, available, held in played.engine.balances(account):
            told = tuple(int(amount.replace(".", "")) for amount in last.get(names[asset], ("0", "0")))
            assert told == (available, held), (account, names[asset])


def test_told_again_it_is_the_same(played):
    """But of orders that were amended, which are told as they are now."""
    for account, events in played.live.by_account.items():
        again = Told()
        played.private.watch_account(again, account, 0)
        heard = again.by_account[account]
        assert [each[:3] for each in map(_place, heard)] == [each[:3] for each in map(_place, events)]
        amended = {each["i"] for each in map(_event, events) if each.get("x") == "REPLACED"}
        for live, past in zip(map(_event, events), map(_event, heard), strict=True):
            if live.get("i") not in amended and live["e"] != "listStatus":
                assert live == past


def _event(message: Private) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.body)
    return found


def _place(message: Private) -> tuple[int, int, str]:
    return message.sequence, message.ordinal, _event(message)["e"]
