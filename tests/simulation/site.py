"""One machine with its processes, and the operator who starts again what has ended."""

import os
import shutil
from functools import cache
from hashlib import blake2b
from pathlib import Path
from tempfile import gettempdir, mkdtemp

from cambist.data.database import open_views
from cambist.engine.codes import Role
from cambist.log.errors import Fenced, LogDamaged, LogInUse
from cambist.log.journal import JournalDamaged
from cambist.log.leadership import newest_epoch
from cambist.settings import Keep, Log, Settings, Snapshots, Standby
from cambist.store import migrate

from .disk import Machine
from .exchange import Exchange
from .gateways import Gateway
from .history import History
from .keeper import Keeper
from .programme import Programme
from .views import Data
from .world import MS, Process, Violation, World

GATEWAYS = 2


class Site:
    """What all processes share: the files, the settings, and what has happened."""

    def __init__(self, programme: Programme, home: Path) -> None:
        self.programme = programme
        self.world = World(programme.seed)
        self.settings = settings = Settings(
            home=home,
            log=Log(segment_bytes=programme.segment_bytes, low_disk_bytes=1 << 20),
            snapshots=Snapshots(keep=2, every_commands=programme.snapshot_every, every_minutes=0),
            keep=Keep(prune=programme.prunes, commands=0),
            standby=Standby(silent_ms=programme.silent_ms),
        )
        self.machine = Machine(
            self.world,
            synced=[settings.log_directory, settings.snapshots_directory],
            unsynced=[settings.journal_directory],
        )
        self.machine.lost_share = programme.lost_share
        for part in self._views_parts(settings.views_file):
            self.machine.when_synced[str(part)] = self.keep_views
        self.history = History(self.world)
        self.outside = Process(self.world, "outside")  # clients and operator: never killed
        self.exchange: Exchange | None = None  # who leads, or was the last to lead
        self.members: list[Exchange] = []
        self.gateways = [Gateway(self, f"gateway-{nth}") for nth in range(GATEWAYS)]
        self.data: Data | None = None
        self.keeper: Keeper | None = None
        self.starts = self.takeovers = self.sent = 0
        self.noise: list[tuple[Path, int]] = []  # sectors that a power cut garbled
        self._complaints = 0  # of a damaged journal
        self._needs_mending = False
        self._old_views = home / "old.db"
        shutil.copy(empty_views(), settings.views_file)

    def secret(self, role: Role) -> bytes:
        return role.name.encode()

    # The operator, and the supervisor.

    def start_exchange(self) -> None:
        """Opens the log; stands by if another process leads, and does nothing if enough of them are there."""
        self.members = [each for each in self.members if each.is_alive]
        wanted = 2 if self.programme.has_standby else 1
        if len(self.members) >= wanted:
            return
        self.starts += 1
        member = Exchange(self, f"exchange {self.starts}")
        has_company = bool(self.members)
        self.members.append(member)
        if len(self.members) < wanted:
            self.start_exchange_soon()
        try:
            if has_company:
                member.stand_by()
            else:
                mend, self._needs_mending = self._needs_mending, False
                member.start(mend=mend)
        except LogInUse:
            member.kill()
            self.start_exchange_soon()
        except LogDamaged as problem:
            member.kill()
            if not self.noise:
                raise Violation(f"15: the log does not start: {problem}") from problem
            self._clean_up()
            self.start_exchange_soon()

    def start_exchange_soon(self) -> None:
        self.outside.later(self.world.dice("operator").randrange(1, 300 * MS), self.start_exchange)

    def leads(self, member: Exchange) -> None:
        self.takeovers += member.epoch > (self.exchange.epoch if self.exchange is not None else 1)
        self.exchange = member

    def _clean_up(self) -> None:
        """A sector that is neither old nor new is beyond what a start may judge (docs/formats/log.md).

        It was never acknowledged; the operator knows of the power cut and puts zeros there.
        """
        for path, at in self.noise:
            content = bytearray(path.read_bytes())
            content[at : at + 512] = bytes(len(content[at : at + 512]))
            self.machine.put(path, bytes(content))
        self.noise.clear()

    def exchange_ended(self, member: Exchange) -> None:
        self.world.note(f"{member.name} has ended: {type(member.problem).__name__}")
        if isinstance(member.problem, Fenced):
            # Whoever began it may have been killed on the way: then the next start makes it whole.
            has_begun = newest_epoch(self.settings.log_directory) > member.epoch
            is_led = self.exchange is not member
            self.history.must(has_begun or is_led, "19: fenced, and nobody has begun an epoch")
        self.end(member)
        if isinstance(member.problem, JournalDamaged):
            self._journal_is_damaged()
        self.start_exchange_soon()

    def end(self, member: Exchange) -> None:
        """Its connections break."""
        if member.is_alive:
            member.kill()
        for gateway in self.gateways:
            for wire in [*gateway.wires.values()]:
                if wire.leads_to(member):
                    wire.far_is_gone()

    def start_data(self) -> None:
        if self.data is not None and self.data.is_alive:
            return
        self.data = Data(self)
        self.data.start()

    def start_data_soon(self) -> None:
        self.outside.later(self.world.dice("operator").randrange(1, 200 * MS), self.start_data)

    def data_ended(self, data: Data, problem: BaseException) -> None:
        self.world.note(f"data has ended: {type(problem).__name__}")
        data.kill()
        self._journal_is_damaged()
        self.start_data_soon()

    def start_keeper(self) -> None:
        if self.keeper is not None and self.keeper.is_alive:
            return
        self.keeper = Keeper(self)
        self.keeper.start()

    def keeper_ended(self, keeper: Keeper) -> None:
        self.world.note("the snapshotter has ended")
        keeper.kill()
        self._journal_is_damaged()
        self.outside.later(self.world.dice("operator").randrange(1, 500 * MS), self.start_keeper)

    def _journal_is_damaged(self) -> None:
        """If starting its readers again does not help, it is mended, as `cambist rebuild` does it."""
        self._complaints += 1
        if self._complaints % 2:
            return
        for member in self.members:
            self.end(member)
        self._needs_mending = True
        self.start_exchange_soon()

    def processes(self) -> list[Process]:
        others = [each for each in (self.data, self.keeper) if each is not None]
        return [*self.members, *self.gateways, *others]

    def gateway(self, nth: int) -> Gateway:
        return self.gateways[nth % GATEWAYS]

    def restart_gateway(self, nth: int) -> None:
        if not self.gateways[nth].is_alive:
            self.gateways[nth] = Gateway(self, f"gateway-{nth}")
            self.gateways[nth].start()

    def cut_power(self, *, garbage: bool = False) -> None:
        """Gateways are other machines: they stay."""
        for member in self.members:
            self.end(member)
        for process in (self.data, self.keeper):
            if process is not None:
                process.kill()
        self.noise += self.machine.cut_power(garbage=garbage)
        self._age_views()
        self.start_exchange_soon()
        self.start_data_soon()
        self.outside.later(500 * MS, self.start_keeper)

    # The views' database is not synced with each transaction.

    def keep_views(self) -> None:
        """What a power cut may take the views back to."""
        for part, old in zip(
            self._views_parts(self.settings.views_file), self._views_parts(self._old_views), strict=True
        ):
            old.unlink(missing_ok=True)
            if part.exists():
                shutil.copy(part, old)

    def _age_views(self) -> None:
        if not self._old_views.exists() or self.world.dice("views").random() < 0.5:
            return
        views = self.settings.views_file
        views.with_name(views.name + "-shm").unlink(missing_ok=True)
        for part, old in zip(self._views_parts(views), self._views_parts(self._old_views), strict=True):
            part.unlink(missing_ok=True)
            if old.exists():
                shutil.copy(old, part)

    def _views_parts(self, views: Path) -> list[Path]:
        return [views, views.with_name(views.name + "-wal")]


@cache
def empty_views() -> Path:
    """A database with tables. Making them takes seconds with all that is imported for it, so it is kept."""
    scripts = sorted(migrate.VIEWS.scripts.rglob("*.py"))
    made_by = blake2b(b"".join(script.read_bytes() for script in scripts), digest_size=8).hexdigest()
    directory = Path(memory() or gettempdir())
    kept = directory / f"cambist-simulation-views-{made_by}-{os.getuid()}.db"
    if not kept.exists():
        file = Path(mkdtemp(prefix="cambist-simulation-", dir=directory)) / "views.db"
        database, _ = open_views(file, bytes(16))
        database.dispose()
        file.replace(kept)
        shutil.rmtree(file.parent)
    return kept


def memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
