"""`cambist status`: which processes run, how far each has come, and what the exchange does."""

from typing import Any

import click

from cambist.cli.output import answers
from cambist.control.client import running
from cambist.control.status import ShowStatus
from cambist.errors import Unavailable
from cambist.ops.client import ask_document
from cambist.settings import Settings
from cambist.supervisor.client import NoSupervisor, supervisor
from cambist.supervisor.messages import ProcessStatus


class NotRunning(Unavailable):
    code = "not_running"


@click.command()
@answers
def status() -> Any:
    """Show what runs: processes and their positions, the exchange, its markets. Status 69: nothing does."""
    return standing(Settings.load())


def standing(settings: Settings) -> dict[str, Any]:
    """Raises NotRunning."""
    processes, problems = kept(settings)
    exchange = _exchange(settings)
    if exchange is None and not processes:
        raise NotRunning(f"no exchange runs in {settings.home}; `cambist run` starts it")
    if exchange is None:
        problems.append("nobody leads: the operator's socket does not answer")
        exchange = {"markets": []}
    elif exchange["is_low_on_disk"]:
        problems.append(f"{exchange['disk_free_mib']} MiB free on the disk: new orders are refused")
    for row in processes:
        is_placed = row["position"] is not None and "sequence" in exchange
        row["lag"] = max(0, exchange["sequence"] - row["position"]) if is_placed else None
    markets = exchange.pop("markets")
    return {
        "home": str(settings.home),
        **exchange,
        "processes": processes,
        "markets": markets,
        "problems": problems,
    }


def kept(settings: Settings) -> tuple[list[dict[str, Any]], list[str]]:
    """A row for each process that the supervisor keeps, and what is wrong with them."""
    try:
        with supervisor(settings.supervisor_file) as keeper:
            found = keeper.status().processes
    except NoSupervisor:
        return [], ["no supervisor: who ends is not started again"]
    rows, problems = [], []
    for process in found:
        shown = ask_document(settings.ops_file(process.name), "/ready")
        rows.append(_row(process, shown.get("position")))
        health = ask_document(settings.ops_file(process.name), "/health")
        problems += [f"{process.name}: {problem}" for problem in _distinct(shown, health)]
        if process.trouble is not None:
            problems.append(f"{process.name} ends again and again: {process.trouble}")
    return rows, problems


def _row(process: ProcessStatus, position: int | None) -> dict[str, Any]:
    return {
        "process": process.name,
        "pid": process.pid,
        "up_s": None if process.up_s is None else round(process.up_s),
        "restarts": process.restarts,
        "ready": process.is_ready,
        "position": position,
    }


def _distinct(*documents: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(problem for document in documents for problem in document["problems"]))


def _exchange(settings: Settings) -> dict[str, Any] | None:
    with running(settings.socket_file) as exchange:
        if exchange is None:
            return None
        found: dict[str, Any] = exchange.perform(ShowStatus(), lambda done, total: None)
        return found
