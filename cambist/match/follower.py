"""An engine beside the one that leads: it runs what the log says, as far as the event journal says it counts.

A record at the log's end may never be acknowledged; one whose events are in the journal was. Every batch is
compared: an engine that says anything else than the leader's is broken, or the leader's is.
"""

import logging

from cambist._matching import Engine, EngineBroken
from cambist.errors import Broken
from cambist.log import journal, snapshots
from cambist.log.journal import JournalRecord
from cambist.log.tail import LogTail
from cambist.match.recovery import log_id, restored
from cambist.settings import Settings

log = logging.getLogger(__name__)


class Follower:
    """`engine` stands where `catch_up` has come to; it begins with the newest snapshot.

    Raises LogDamaged, or Broken if the snapshot is not what it says.
    """

    def __init__(self, settings: Settings) -> None:
        self.engine = _newest_state(settings)
        self.tail = LogTail(settings.log_directory, self.engine.sequence, self.engine.time_ns)
        self._said = journal.Follower(
            settings.journal_directory, self.engine.sequence, self.engine.event_hash
        )

    def catch_up(self) -> bool:
        """One bounded step, which never waits; False if there was nothing to do.

        Raises LogDamaged, JournalDamaged, or Broken. After JournalForeign (the journal was pruned beyond this
        place, or written anew) a new follower finds its place.
        """
        records = self._said.poll()
        if records:
            batches = self.tail.read(records[-1].last_sequence)
            for record, payload in zip(records, batches, strict=True):
                self._apply(record, payload)
        return bool(records)

    def close(self) -> None:
        self._said.close()

    def _apply(self, record: JournalRecord, payload: bytes) -> None:
        engine = self.engine
        try:
            engine.apply(payload)
        except EngineBroken as problem:
            raise Broken(f"the log does not replay: {problem}") from problem
        if (engine.sequence, engine.event_hash) != (record.last_sequence, record.event_hash):
            raise Broken(
                f"this engine and the leader's have come apart behind sequence {record.first_sequence - 1}"
            )


def _newest_state(settings: Settings) -> Engine:
    snapshot, damaged = snapshots.newest(settings.snapshots_directory)
    for problem in damaged:
        log.warning("passed over a snapshot: %s", problem)
    return Engine() if snapshot is None else restored(snapshot, log_id(settings.log_directory))
