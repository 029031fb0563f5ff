"""What the match server has done, in plain integers that any thread may read."""

from cambist.histogram import Histogram


class MatchStats:
    """Counted once per batch, by the match thread. `sequence` is the engine's after the newest batch."""

    __slots__ = (
        "batch_commands",
        "commands",
        "journal_sequence",
        "last_batch",
        "sequence",
        "shed",
        "sync_us",
    )

    def __init__(self, sequence: int) -> None:
        self.sequence = self.journal_sequence = sequence
        self.commands = 0
        self.last_batch = 0
        self.shed = 0  # turned away: by whichever thread brought them, so a few may be missed
        self.batch_commands = Histogram()
        self.sync_us = Histogram()  # writing and syncing one batch, in microseconds

    def logged(self, commands: int, log_ns: int) -> None:
        self.commands += commands
        self.last_batch = commands
        self.batch_commands.add(commands)
        self.sync_us.add(log_ns // 1_000)
