"""An engine beside the one that leads: it runs what the log says, as far as the event journal says it counts.

A record at the log's end may never be acknowledged; one whose events are in the journal was. Every batch is
compared: an engine that says anything else than the leader's is broken, or the leader's is.
"""

from cambist._matching import EngineBroken
from cambist.errors import Broken
from cambist.log import journal
from cambist.log.journal import JournalRecord
from cambist.log.tail import LogTail
from cambist.match.recovery import newest_state
from cambist.settings import Settings


class Follower:
    """`engine` stands where `catch_up` has come to; it begins with the newest snapshot.

    Raises LogDamaged, or Broken if the snapshot is not what it says.
    """

    def __init__(self, settings: Settings) -> None:
        self.engine = newest_state(settings, None)
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
                said = self.run(payload)
                if (said.last_sequence, said.event_hash) != (record.last_sequence, record.event_hash):
                    raise Broken(
                        "this engine and the leader's have come apart behind sequence "
                        f"{record.first_sequence - 1}"
                    )
        return bool(records)

    def run(self, payload: bytes) -> JournalRecord:
        """The next batch of the log; what the engine says to it. Raises Broken."""
        engine = self.engine
        first_sequence = engine.sequence + 1
        try:
            events = engine.apply(payload)
        except EngineBroken as problem:
            raise Broken(f"the log does not replay: {problem}") from problem
        return JournalRecord(first_sequence, engine.sequence, engine.event_hash, engine.time_ns, events)

    @property
    def place(self) -> journal.Place | None:
        """In the journal."""
        return self._said.place

    def close(self) -> None:
        self._said.close()
