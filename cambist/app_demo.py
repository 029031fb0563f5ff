"""The wiring of the demo's chain: a node of its own, and what is on it. `cambist run --demo` starts it.

`python -m cambist.app_demo PORT`: the node listens there. It ends with this process.
"""

import asyncio
import logging
import sys
import threading

from cambist.control.client import RequestFailed
from cambist.control.failures import ANSWERED, failure_of
from cambist.demo import funds
from cambist.demo.node import DemoNode
from cambist.errors import Unavailable
from cambist.ops.endpoint import watching
from cambist.ops.logs import log_to_stderr
from cambist.ops.watched import Watched
from cambist.settings import Settings
from cambist.supervisor.messages import Ready
from cambist.supervisor.service import report, stop_event

NAME = "demo"
_LOOK_EVERY_S = 1.0

log = logging.getLogger("cambist")


def main() -> None:
    """The child of `cambist run`."""
    try:
        settings = Settings.load()
        log_to_stderr(NAME, settings.logging)
        asyncio.run(_serve(settings, int(sys.argv[1])))
    except (*ANSWERED, RequestFailed) as refused:
        if isinstance(refused, RequestFailed):
            report(refused.failure)
        else:
            report(failure_of(refused))
        sys.exit(1)


async def _serve(settings: Settings, port: int) -> None:
    stop = stop_event(with_parent=True)
    stopped = threading.Event()
    (settings.home / "demo").mkdir(mode=0o700, exist_ok=True)
    node = await asyncio.to_thread(DemoNode.start, port, settings.home / "demo" / "chain.json")
    try:
        funds.write_nodes(settings, node)
        watched = Watched(NAME)
        with watching(watched, settings.ops_file(NAME)):
            preparing = asyncio.create_task(asyncio.to_thread(funds.prepare, settings, node, stopped.is_set))
            report(Ready())
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({preparing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if preparing.done():
                preparing.result()
                watched.is_ready = True
            while not stop.is_set():
                if not node.is_running:
                    raise Unavailable("the demo's chain has ended")
                await asyncio.wait({stopping}, timeout=_LOOK_EVERY_S)
            stopped.set()
            await asyncio.wait({preparing})
    finally:
        stopped.set()
        await asyncio.to_thread(node.stop)


if __name__ == "__main__":
    main()
