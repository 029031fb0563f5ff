"""One machine with its processes, and the operator who starts again what has ended."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from cambist.data.database import open_views
from cambist.log.errors import LogDamaged
from cambist.settings import Log, Settings, Snapshots

from .disk import Machine
from .exchange import Exchange
from .history import History
from .programme import Programme
from .views import Data
from .world import Process, Violation, World

MS = 1_000_000


class Site:
    """What all processes share: the files, the settings, and what has happened."""

    def __init__(self, programme: Programme, home: Path) -> None:
        self.programme = programme
        self.world = World(programme.seed)
        self.settings = Settings(
            home=home,
            log=Log(segment_bytes=programme.segment_bytes, low_disk_bytes=1 << 20),
            snapshots=Snapshots(keep=2),
        )
        settings = self.settings
        self.machine = Machine(
            self.world,
            synced=[settings.log_directory, settings.snapshots_directory],
            unsynced=[settings.journal_directory],
        )
        self.machine.lost_share = programme.lost_share
        self.history = History(self.world)
        self.outside = Process(self.world, "outside")  # clients and operator: never killed
        self.exchange: Exchange | None = None
        self.data: Data | None = None
        self.starts = self.sent = 0
        self.noise: list[tuple[Path, int]] = []  # sectors that a power cut garbled
        self._data_failures = 0
        self._old_views = home / "old.db"
        shutil.copy(empty_views(), settings.views_file)

    # The operator, and the supervisor.

    def start_exchange(self, *, mend: bool = False) -> None:
        if self.exchange is not None and self.exchange.is_alive:
            return
        self.starts += 1
        self.exchange = Exchange(self, f"exchange {self.starts}", mend=mend)
        try:
            self.exchange.start()
        except LogDamaged as problem:
            self.exchange.kill()
            if not self.noise:
                raise Violation(f"15: the log does not start: {problem}") from problem
            self._clean_up()
            self.start_exchange_soon()

    def start_exchange_soon(self, delay_max_ns: int = 300 * MS, *, mend: bool = False) -> None:
        delay_ns = self.world.dice("operator").randrange(1, delay_max_ns)
        self.outside.later(delay_ns, lambda: self.start_exchange(mend=mend))

    def _clean_up(self) -> None:
        """A sector that is neither old nor new is beyond what a start may judge (docs/formats/log.md).

        It was never acknowledged; the operator knows of the power cut and puts zeros there.
        """
        for path, at in self.noise:
            content = bytearray(path.read_bytes())
            content[at : at + 512] = bytes(len(content[at : at + 512]))
            self.machine.put(path, bytes(content))
        self.noise.clear()

    def exchange_ended(self, exchange: Exchange) -> None:
        self.world.note(f"{exchange.name} has ended: {type(exchange.problem).__name__}")
        if exchange.is_alive:
            exchange.kill()
        self.start_exchange_soon()

    def start_data(self) -> None:
        if self.data is not None and self.data.is_alive:
            return
        self.data = Data(self)
        self.data.start()

    def start_data_soon(self, delay_max_ns: int = 200 * MS) -> None:
        self.outside.later(self.world.dice("operator").randrange(1, delay_max_ns), self.start_data)

    def data_ended(self, data: Data, problem: BaseException) -> None:
        """Started again; if that does not help, the journal is mended, as `cambist rebuild` does it."""
        self.world.note(f"data has ended: {type(problem).__name__}")
        data.kill()
        self._data_failures += 1
        if self._data_failures % 4 == 0 and self.exchange is not None and self.exchange.is_alive:
            self.exchange.kill()
            self.start_exchange_soon(mend=True)
        self.start_data_soon()

    def data_is_level(self) -> None:
        self._data_failures = 0

    def processes(self) -> list[Process]:
        return [each for each in (self.exchange, self.data) if each is not None]

    def cut_power(self, *, garbage: bool = False) -> None:
        for process in self.processes():
            process.kill()
        self.noise += self.machine.cut_power(garbage=garbage)
        self._age_views()
        self.start_exchange_soon()
        self.start_data_soon()

    def keep_views(self) -> None:
        """What a power cut may take the views back to: they are not synced with each transaction."""
        views = self.settings.views_file
        for suffix in ("", "-wal"):
            part = views.with_name(views.name + suffix)
            if part.exists():
                shutil.copy(part, self._old_views.with_name(self._old_views.name + suffix))

    def _age_views(self) -> None:
        if not self._old_views.exists() or self.world.dice("views").random() < 0.5:
            return
        views = self.settings.views_file
        views.with_name(views.name + "-shm").unlink(missing_ok=True)
        for suffix in ("", "-wal"):
            old = self._old_views.with_name(self._old_views.name + suffix)
            new = views.with_name(views.name + suffix)
            new.unlink(missing_ok=True)
            if old.exists():
                shutil.copy(old, new)


@cache
def empty_views() -> Path:
    """A database with tables, made once: making them takes most of a second."""
    file = Path(mkdtemp(prefix="cambist-simulation-", dir=memory())) / "views.db"
    database, _ = open_views(file, bytes(16))
    database.dispose()
    return file


def memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
