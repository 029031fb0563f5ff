"""The wiring of the signer: a process that has keys and a store of its own, and nothing of the exchange.

`cambist run` starts it as `python -m cambist.app_signer` where there is one; `cambist serve signer` runs it
alone, as the user whose its directory is.
"""

import asyncio
import logging
import sys
import time
from contextlib import ExitStack

from cambist.errors import Broken, ExchangeError
from cambist.log.errors import LogError
from cambist.log.lock import DirectoryLock
from cambist.ops.endpoint import watching
from cambist.ops.logs import log_to_stderr
from cambist.ops.watched import Watched
from cambist.settings import Settings, SettingsError
from cambist.signer import setup
from cambist.signer.keystore import Keystore
from cambist.signer.server import SignerServer
from cambist.signer.service import Signer
from cambist.signer.store import Store
from cambist.supervisor.messages import Ready
from cambist.supervisor.service import report, stop_event

NAME = "signer"
LOCK = "signer.lock"

log = logging.getLogger("cambist")


def main() -> None:
    """The child of `cambist run`. What it cannot go on with is one line of its log, and its status."""
    try:
        settings = Settings.load()
        log_to_stderr(NAME, settings.logging)
        serve_signer(settings, with_parent=True)
    except (ExchangeError, SettingsError, LogError, Broken, OSError) as problem:
        log.error("the signer cannot go on: %s", problem)
        sys.exit(1)


def serve_signer(settings: Settings, *, with_parent: bool) -> None:
    """Until SIGINT or SIGTERM. Raises SetupRefused, KeystoreUnusable, LogInUse beside another one.

    `with_parent`: also until its standard input ends.
    """
    asyncio.run(_serve(settings, with_parent=with_parent))


async def _serve(settings: Settings, *, with_parent: bool) -> None:
    stop = stop_event(with_parent=with_parent)
    watched = Watched(NAME)
    # Its socket lies where only the exchange's user may write, so it is opened before that is given up.
    with watching(watched, settings.ops_file(NAME)), ExitStack() as undo:
        allowed = setup.allowed_users(settings)
        setup.become_owner(settings)
        lock = DirectoryLock(settings.signer_directory, LOCK)
        undo.callback(lock.release)
        keys = Keystore.open(settings.signer_directory, setup.key_file(settings))
        own = Store(settings.signer_directory)
        undo.callback(own.close)
        server = SignerServer(Signer(keys, own, time.time_ns), allowed)
        serving = asyncio.create_task(server.serve(settings.signer_socket, stop))
        watched.is_ready = True
        report(Ready())
        await serving


if __name__ == "__main__":
    main()
