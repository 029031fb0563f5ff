"""The wiring of `cambist run`: which processes there are, and the supervisor that keeps them.

It loads neither engine nor records: what is small starts fast and stays out of the way.
"""

import asyncio
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from cambist.app_watch_all import watched_over
from cambist.demo import anvil
from cambist.errors import Failure
from cambist.log.errors import LogInUse
from cambist.log.lock import DirectoryLock
from cambist.settings import Settings, SettingsError
from cambist.supervisor.child import Child, Program
from cambist.supervisor.control import SupervisorControl
from cambist.supervisor.service import LISTEN_FD, listening_socket
from cambist.supervisor.supervisor import Supervisor

LOCK = "supervisor.lock"
ORPHANS_LOCK = "processes.lock"
ORPHANS_END_WITHIN_S = 30
_LOOK_EVERY_S = 0.05
_SOCKETS_AND_LAST_REQUESTS_S = 30.0

Report = Callable[[int, int], None]


class Listening(NamedTuple):
    """What a newcomer needs to know of an exchange that has started; `pid` is whom to signal.

    `console_link` is the first sign-in of the demo's administrator, `no_chain` why the demo has none.
    """

    url: str
    home: str
    sandbox: bool
    demo_users: str | None
    console_link: str | None
    no_chain: str | None
    pid: int


def run(
    settings: Settings, *, demo: bool, started: Callable[[Listening], None], report: Report
) -> Failure | None:
    """Until SIGINT, SIGTERM, or a process that must not be started again: then says why.

    `started` is called once, when the public port is served; `report` is told how far the log has been read.
    Raises LogInUse, PortTaken, or SettingsError for a demo without the exchange process that makes it.
    """
    if demo and settings.processes.match_apart:
        raise SettingsError("processes.match_apart = true: there is no demo where the match server is apart")
    settings.run_directory.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as held:
        lock = DirectoryLock(settings.home, LOCK)
        held.callback(lock.release)
        orphans = held.enter_context(_without_orphans(settings))
        listener = held.enter_context(listening_socket(settings.server.host, settings.server.port))
        chain = anvil.free_port() if demo and _no_chain(settings) is None else None
        leader, *others = _programs(settings, listener, orphans, demo=demo, chain=chain)
        return asyncio.run(_run(settings, listener, [Child(leader, report), *map(Child, others)], started))


async def _run(
    settings: Settings, listener: socket.socket, children: list[Child], started: Callable[[Listening], None]
) -> Failure | None:
    supervisor = Supervisor(children)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, supervisor.stop)
    control = SupervisorControl(settings.supervisor_file, supervisor)
    await control.start()
    try:
        with watched_over(settings, supervisor):
            return await supervisor.run(
                ready=lambda: started(_listening(settings, children[0].document)),
                stopping=listener.close,  # or clients would wait in its queue for nobody
            )
    finally:
        await control.stop()


def _programs(
    settings: Settings, listener: socket.socket, orphans: int, *, demo: bool, chain: int | None
) -> Iterator[Program]:
    """The first is the one that the others follow. `chain` is the port of the demo's chain, if it has one."""
    processes = settings.processes
    environment = {**os.environ, "CAMBIST_HOME": str(settings.home)}
    if chain is not None:
        environment["CAMBIST_WALLETS_EVM_RPC"] = anvil.url(chain)
        environment["CAMBIST_WALLETS_EVM_CHAIN_ID"] = str(anvil.CHAIN_ID)
    listening = {**environment, LISTEN_FD: str(listener.fileno())}
    if processes.match_apart:
        yield from _match_servers(processes.standby, environment, orphans)
    else:
        yield Program(
            "exchange",
            [*_python("cambist.app_exchange"), *_exchange_options(demo=demo, chain=chain)],
            listening,
            inherits=(listener.fileno(), orphans),
            stops=0,
            is_vital=True,
            end_within_s=_SOCKETS_AND_LAST_REQUESTS_S,
        )
    for number in range(1, processes.gateways + 1):
        name = f"gateway-{number}"
        yield Program(
            name,
            [*_python("cambist.app_gateway"), name],
            listening,
            inherits=(listener.fileno(), orphans),
            stops=-1,  # before the match server that it speaks to
            is_vital=processes.match_apart,
            end_within_s=_SOCKETS_AND_LAST_REQUESTS_S,
        )
    if chain is not None:
        command = [*_python("cambist.app_demo"), str(chain)]
        yield Program("demo", command, environment, inherits=(orphans,), stops=2)
    if processes.office:
        command = _python("cambist.app_office")
        yield Program("office", command, environment, inherits=(orphans,), stops=-1)
    if settings.signer_directory.exists():
        yield Program("signer", _python("cambist.app_signer"), environment, inherits=(orphans,), stops=1)
    if settings.wallets.evm_rpc or chain is not None:
        yield Program("wallets", _python("cambist.app_wallets"), environment, inherits=(orphans,), stops=-1)
    yield Program("data", _python("cambist.app_data"), environment, inherits=(orphans,), stops=1)
    if settings.snapshots.every_commands or settings.snapshots.every_minutes:
        command = _python("cambist.app_snapshotter")
        yield Program("snapshotter", command, environment, inherits=(orphans,), stops=2)


def _exchange_options(*, demo: bool, chain: int | None) -> list[str]:
    return ["--demo"] * demo + ["--on-chain"] * (chain is not None)


def _match_servers(standby: bool, environment: dict[str, str], orphans: int) -> Iterator[Program]:
    """One of them leads; which one may change."""
    for name in ("match", "standby") if standby else ("match",):
        yield Program(
            name,
            [*_python("cambist.app_match"), name, *(["--standby"] if standby else [])],
            environment,
            inherits=(orphans,),
            stops=0,
            is_vital=name == "match",
            has_deputy=standby,
        )


def _python(module: str) -> list[str]:
    return [sys.executable, "-P", "-m", module]


@contextmanager
def _without_orphans(settings: Settings) -> Iterator[int]:
    """A lock that all processes of this supervisor hold, so that it outlives none of them.

    A supervisor that was killed leaves processes that end by themselves; until they have, log and port are
    theirs. Raises LogInUse if they do not.
    """
    descriptor = os.open(settings.run_directory / ORPHANS_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline_s = time.monotonic() + ORPHANS_END_WITHIN_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline_s:
                    raise LogInUse(f"{settings.home} is in use by processes of an earlier start") from None
                time.sleep(_LOOK_EVERY_S)
        yield descriptor
    finally:
        os.close(descriptor)


def _no_chain(settings: Settings) -> str | None:
    """Why a demo has no chain of its own; None if it has one."""
    return anvil.missing() if settings.mode.demo_chain else "mode.demo_chain is false"


def _listening(settings: Settings, said: dict[str, Any]) -> Listening:
    host, port = settings.server.host, settings.server.port
    return Listening(
        url=f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}",
        home=str(settings.home),
        sandbox=settings.mode.sandbox,
        demo_users=said.get("demo_users"),
        console_link=said.get("console_link"),
        no_chain=_no_chain(settings) if said.get("demo_users") else None,
        pid=os.getpid(),
    )
