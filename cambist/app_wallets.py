"""The wiring of the wallets: the one process that speaks with nodes of chains, a thread for each network.

`cambist run` starts it as `python -m cambist.app_wallets` where a node is set; `cambist serve wallets` runs
it alone. Its commands go to the match server over the intake, what is to be signed to the signer.
"""

import asyncio
import logging
import sys
import threading
import time
from contextlib import ExitStack
from functools import partial

from cambist.app_watch import watch_intake, watch_wallets
from cambist.control.failures import ANSWERED, failure_of
from cambist.engine.commands import Role
from cambist.intake.desk import IntakeDesk, desk_port
from cambist.intake.port import IntakePort
from cambist.log.lock import DirectoryLock
from cambist.match.courier import Courier, results
from cambist.match.queries import Balances
from cambist.ops.endpoint import watching
from cambist.ops.logs import log_to_stderr
from cambist.ops.watched import Watched
from cambist.settings import Settings
from cambist.signer.client import SignerClient
from cambist.store.records import Records
from cambist.supervisor.messages import Ready
from cambist.supervisor.service import report, stop_event
from cambist.wallets import chains, deposits, fees, withdrawals
from cambist.wallets.payouts import Payouts
from cambist.wallets.service import NetworkService
from cambist.wallets.signing import SignerDoor
from cambist.wallets.withdrawals import Withdrawals

NAME = "wallets"  # also the sender's, stored: never rename
WALLETS_LOCK = "wallets.lock"
CONNECT_WITHIN_S = 20
_LOOK_EVERY_S = 0.1

log = logging.getLogger("cambist")


def main() -> None:
    """The child of `cambist run`."""
    try:
        settings = Settings.load()
        log_to_stderr(NAME, settings.logging)
        serve_wallets(settings, with_parent=True)
    except ANSWERED as refused:
        report(failure_of(refused))
        sys.exit(1)


def serve_wallets(settings: Settings, *, with_parent: bool) -> None:
    """Until SIGINT or SIGTERM. Raises LogInUse beside another one, Unavailable if nobody leads, LogOlder.

    `with_parent`: also until its standard input ends.
    """
    with ExitStack() as undo:
        settings.run_directory.mkdir(mode=0o700, exist_ok=True)
        lock = DirectoryLock(settings.home, WALLETS_LOCK)
        undo.callback(lock.release)
        records = Records.open(settings, is_shared=True)
        undo.callback(records.close)
        asyncio.run(_serve(settings, records, with_parent=with_parent))


async def _serve(settings: Settings, records: Records, *, with_parent: bool) -> None:
    stop = stop_event(with_parent=with_parent)
    stopped = threading.Event()
    port = desk_port(settings, records, Role.WALLET, NAME)
    connecting = asyncio.create_task(port.run())
    courier = Courier(
        records,
        IntakeDesk(port),
        NAME,
        Role.WALLET,
        effects={**deposits.effects(), **withdrawals.effects(records), fees.BOOKED: fees.booked},
        results=partial(results, settings),
    )
    ledger = _PortLedger(port)
    watched = Watched(NAME)
    watch_intake(watched, port)
    try:
        await port.opened(CONNECT_WITHIN_S)
        await asyncio.to_thread(courier.resume)
        with ExitStack() as held:
            working = [connecting]
            for network in chains.configured(settings):
                chain = held.enter_context(chains.opened(settings, network))
                signer = SignerClient(settings.signer_socket)
                service = NetworkService(
                    records,
                    courier,
                    chain,
                    SignerDoor(signer),
                    ledger,
                    settings.wallets,
                    ledger_parts=[Withdrawals(records, courier, network).step],
                    payouts=[Payouts(records, chain, signer).step],
                )
                watch_wallets(watched, service)
                working.append(
                    asyncio.create_task(asyncio.to_thread(_work, service, records, settings, stopped))
                )
            held.enter_context(watching(watched, settings.ops_file(NAME)))
            watched.is_ready = True
            report(Ready())
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({*working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            stopped.set()
            await asyncio.gather(*working[1:])  # a fault of one ends all, and is raised here
    finally:
        stopped.set()
        connecting.cancel()
        await asyncio.wait({connecting})
    if not connecting.cancelled():
        connecting.result()


def _work(service: NetworkService, records: Records, settings: Settings, stopped: threading.Event) -> None:
    """Steps while there is something to do; then looks for a new block, or for what others have written."""
    while not stopped.is_set():
        if service.step():
            continue
        written, until_s = records.version(), time.monotonic() + settings.wallets.poll_ms / 1_000
        while time.monotonic() < until_s and records.version() == written:
            if stopped.wait(_LOOK_EVERY_S):
                return


class _PortLedger:
    """What the engine says, asked from a network's thread."""

    def __init__(self, port: IntakePort) -> None:
        self._port = port
        self._loop = asyncio.get_running_loop()

    def owed_atoms(self, mirror: int, asset: int) -> int:
        return asyncio.run_coroutine_threadsafe(self._owed_atoms(mirror, asset), self._loop).result()

    async def _owed_atoms(self, mirror: int, asset: int) -> int:
        balances = await self._port.query(Balances(mirror))
        return -sum(each.available_atoms + each.held_atoms for each in balances if each.asset.asset == asset)


if __name__ == "__main__":
    main()
