"""Each fault once; and a program that is lied to says so."""

import pytest

from tests.chaos import program
from tests.chaos.faults import faults_of
from tests.chaos.load import Load
from tests.chaos.program import COMMON, FORMS, Form, run
from tests.e2e.load import Kind, Reply, Request


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(1, marks=pytest.mark.timeout(1_800)),
        pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(14_400)]),
    ],
)
@pytest.mark.parametrize("form", FORMS, ids=["together", "apart"])
def test_whatever_happens_to_a_process_nothing_acknowledged_is_lost_or_doubled(
    form: Form, times: int
) -> None:
    lines: list[str] = []
    assert run(form, lines.append, times=times), "\n".join(lines)
    assert sum(" acknowledged " in line for line in lines) > len(faults_of(form.processes)) * times
    print("\n".join(lines))


ONE = Form("all in one process", ["exchange"], COMMON)


class ToldTooMuch(Load):
    """Was told of an order that no log has."""

    def __enter__(self) -> "ToldTooMuch":
        super().__enter__()
        lost = Request(Kind.PLACE, "lost", {})
        self.record.sent["lost"] = lost
        self.record.replies.insert(0, Reply(lost, 200, {"orderId": 1, "clientOrderId": "lost"}))
        return self


class Forgotten(dict[str, Request]):
    """Keeps nothing."""

    def __setitem__(self, name: str, request: Request) -> None:
        pass


class Forgetful(Load):
    """Knows of no order that it has sent, so they look like orders that the exchange made up."""

    def __enter__(self) -> "Forgetful":
        self.record.sent = Forgotten()
        super().__enter__()
        return self


@pytest.mark.parametrize(
    ("load", "said"),
    [(ToldTooMuch, "lost 1  duplicated 0"), (Forgetful, "nobody has sent order")],
)
def test_a_promise_that_was_not_kept_is_seen(monkeypatch, load, said):
    monkeypatch.setattr(program, "Load", load)
    lines: list[str] = []
    assert not run(ONE, lines.append, faults=faults_of(["data"])[:1])
    assert any(said in line for line in lines), "\n".join(lines)
