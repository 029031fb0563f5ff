"""What became of commands that were sent before, read from the event journal.

The engine knows which numbers it has seen and what they came to, but not the events any more; the journal has
both. Nothing is logged to find out.
"""

from collections.abc import Iterator, Set
from pathlib import Path
from typing import NamedTuple

from cambist.engine import events
from cambist.engine.commands import Kind
from cambist.log.journal import Follower, JournalDamaged, segments

_COMMAND = 3  # offset in a RESULT
_SESSION = slice(12, 16)


class FirstResults(NamedTuple):
    """Records by number; a number that is `unfinished` has parts of its answer still to come.

    Unless the journal `is_whole`, a number that is in neither may have been executed all the same.
    """

    records: dict[int, bytes]
    unfinished: Set[int]
    is_whole: bool


def first_results(directory: Path, session: int, numbers: Set[int], after: int, until: int) -> FirstResults:
    """What the journal says of these numbers behind sequence `after`, which must go on to `until`.

    A cancel-all's record is followed by those of the CONTINUE commands that went on with it.
    """
    found: dict[int, bytes] = {}
    begun: dict[int, int] = {}  # numbers, by the sequence of their first record
    sender, reached = session.to_bytes(4, "little"), after
    for last_sequence, output in _behind(directory, after):
        reached = last_sequence
        for record in events.split(output):
            if record[_SESSION] == sender:
                result = events.result(record)
                if result.number in numbers and result.number not in found:
                    found[result.number] = record
                    if result.more:
                        begun[result.sequence] = result.number
            elif begun and record[_COMMAND] == Kind.CONTINUE:
                result = events.result(record)
                number = begun.get(result.value)
                if number is not None:
                    found[number] += record
                    if not result.more:
                        del begun[result.value]
    unfinished = frozenset(begun.values())
    for number in unfinished:
        del found[number]
    return FirstResults(found, unfinished, reached >= until)


def _behind(directory: Path, after: int) -> Iterator[tuple[int, bytes]]:
    """Last sequence and events of the batches that are there now and end behind `after`."""
    begins = [first for first, _ in segments(directory) if first <= after + 1]
    if not begins:
        return
    follower = Follower(directory, begins[-1] - 1)
    try:
        while records := follower.poll():
            for record in records:
                if record.last_sequence > after:
                    yield record.last_sequence, record.events
    except (JournalDamaged, FileNotFoundError):
        return  # its writer is at it, or it was pruned or written anew: what follows is not there now
    finally:
        follower.close()
