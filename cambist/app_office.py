"""The wiring of the office: account API and console, in the process that writes records of users and staff.

`cambist run` starts it as `python -m cambist.app_office`; `cambist serve office` runs it alone. Gateways
reach it over a Unix socket. Its commands go to the match server over the intake.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from subprocess import SubprocessError

import uvloop
from sqlalchemy.exc import SQLAlchemyError

from cambist.account_api.app import AccountApi
from cambist.account_api.call import Office
from cambist.accounts import throttle, users
from cambist.accounts.mail_codes import MailCodes
from cambist.accounts.passwords import Passwords
from cambist.accounts.second_factor import SecondFactors
from cambist.accounts.sending import Sender, Smtp
from cambist.app_console import serve_console
from cambist.app_http import serve_http
from cambist.app_watch import watch_intake
from cambist.control.failures import ANSWERED, failure_of
from cambist.demo.purse import faucet
from cambist.engine.commands import Role
from cambist.intake.desk import IntakeDesk, desk_port
from cambist.log.lock import DirectoryLock
from cambist.match.courier import Courier, results
from cambist.ops.endpoint import unix_listener, watching
from cambist.ops.logs import log_to_stderr
from cambist.ops.watched import Watched
from cambist.settings import Settings
from cambist.signer.client import SignerClient
from cambist.store import anchors
from cambist.store.audit import AuditBroken
from cambist.store.listen_keys import ListenKeys
from cambist.store.records import Records
from cambist.supervisor.messages import Ready
from cambist.supervisor.service import report, stop_event
from cambist.wallets.addresses import Addresses
from cambist.wallets.signing import SignerDoor

NAME = "office"  # also the sender's, stored: never rename
OFFICE_LOCK = "office.lock"
CONNECT_WITHIN_S = 20
_TIDY_EVERY_S = 600
_MAILS_EVERY_S = 0.5

log = logging.getLogger("cambist")


def main() -> None:
    """The child of `cambist run`."""
    try:
        settings = Settings.load()
        log_to_stderr(NAME, settings.logging)
        serve_office(settings, with_parent=True)
    except ANSWERED as refused:
        report(failure_of(refused))
        sys.exit(1)


def serve_office(settings: Settings, *, with_parent: bool) -> None:
    """Until SIGINT or SIGTERM. Raises LogInUse beside another one, Unavailable if nobody leads, LogOlder.

    `with_parent`: also until its standard input ends.
    """
    with ExitStack() as undo:
        settings.run_directory.mkdir(mode=0o700, exist_ok=True)
        lock = DirectoryLock(settings.home, OFFICE_LOCK)
        undo.callback(lock.release)
        records = Records.open(settings, is_shared=True)
        undo.callback(records.close)
        listen_keys = ListenKeys(settings.listen_keys_file, on_end=lambda _: None)
        undo.callback(listen_keys.close)
        uvloop.run(_serve(settings, records, listen_keys, with_parent=with_parent))


async def _serve(settings: Settings, records: Records, listen_keys: ListenKeys, *, with_parent: bool) -> None:
    stop = stop_event(with_parent=with_parent)
    port = desk_port(settings, records, Role.ADMIN, NAME)
    connecting = asyncio.create_task(port.run())
    connecting.add_done_callback(lambda _: stop.set())  # it ends only by a fault, which is raised below
    courier = Courier(
        records,
        IntakeDesk(port),
        NAME,
        Role.ADMIN,
        effects={users.CREATED: users.created},
        results=partial(results, settings),
    )
    office = Office(
        settings=settings,
        records=records,
        courier=courier,
        passwords=Passwords(),
        codes=MailCodes(records.vault),
        factors=SecondFactors(records.vault, settings.accounts),
        end_streams=listen_keys.end_all,
        addresses=Addresses(records, SignerDoor(SignerClient(settings.signer_socket))),
        faucet=partial(faucet, settings) if settings.mode.sandbox else None,
        clock=time.time_ns,
    )
    api = AccountApi(office)
    watched = Watched(NAME)
    watch_intake(watched, port)
    console = asyncio.create_task(serve_console(settings, records, stop))
    console.add_done_callback(lambda _: stop.set())  # by a fault, which is raised below, too
    beside = [asyncio.create_task(_tidy(records)), asyncio.create_task(_anchor(records, settings))]
    if settings.mail.server:
        sender = Sender(records, settings, Smtp(settings), time.time_ns)
        beside.append(asyncio.create_task(_send_mails(sender)))
    try:
        await port.opened(CONNECT_WITHIN_S)
        await asyncio.to_thread(courier.resume)
        with watching(watched, settings.ops_file(NAME)):
            await _answer(api, settings, stop, watched)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.to_thread(api.close)
        connecting.cancel()
        stop.set()
        await asyncio.wait({connecting, console})
    console.result()
    if not connecting.cancelled():
        connecting.result()


async def _answer(api: AccountApi, settings: Settings, stop: asyncio.Event, watched: Watched) -> None:
    """Until `stop`; requests in flight are answered."""
    listener = unix_listener(settings.office_file)
    watched.is_ready = True
    report(Ready())
    await serve_http(api, listener, stop)


async def _tidy(records: Records) -> None:
    """Counters of windows that are over are dropped."""

    def drop() -> None:
        with records.write() as db:
            throttle.drop_ended(db, time.time_ns())

    while True:
        await asyncio.sleep(_TIDY_EVERY_S)
        await _tried(drop)


async def _anchor(records: Records, settings: Settings) -> None:
    """The head of the audit trail goes outside: at the start, and every hour."""

    def anchor() -> None:
        with records.read() as db:
            newest = anchors.head(db, time.time_ns())
            try:
                anchors.compare(db, anchors.read(settings.anchors_file)[-1:])
            except AuditBroken as problem:
                log.error("%s: `cambist verify`", problem)
        if newest is not None:
            anchors.keep(settings, newest)

    while True:
        await _tried(anchor)
        await asyncio.sleep(settings.audit.anchor_every_minutes * 60)


async def _send_mails(sender: Sender) -> None:
    while True:
        await asyncio.sleep(_MAILS_EVERY_S)
        await _tried(sender.step)


async def _tried(what: Callable[[], object]) -> None:
    """In a thread. A database that is busy for long ends nothing here: it is tried again soon."""
    try:
        await asyncio.to_thread(what)
    except (SQLAlchemyError, OSError, SubprocessError) as problem:
        log.warning("put off: %s", type(problem).__name__)


if __name__ == "__main__":
    main()
