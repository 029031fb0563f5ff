"""kill -9 of the data server at any moment: the views are what one undisturbed pass makes of the journal."""

import time
from pathlib import Path
from random import Random

import pytest

from cambist.data.server import GROUP_BYTES
from tests.data_child import DataChild, data_server
from tests.journals import busy_batches, records_of, write_journal
from tests.views import contents

SEED = 20
ORDERS_PER_LIFE = 90
TRANSACTIONS_MAX = 8  # of a life, on an average half as many
MOMENT_S = 0.004  # about as long as one takes


def rebuilt(journal: Path, views: Path) -> None:
    """In one pass, in groups of another size."""
    server = data_server(journal, views, GROUP_BYTES)
    while server.catch_up():
        pass
    server.close()


@pytest.mark.parametrize("kills", [100, pytest.param(1_000, marks=pytest.mark.long)])
def test_views_equal_a_rebuild_after_any_number_of_kills(tmp_path, kills):
    journal, views = tmp_path / "journal", tmp_path / "views.db"
    records = list(records_of(busy_batches(SEED, ORDERS_PER_LIFE * kills)))
    write_journal(journal, records, segment_bytes=1 << 20)
    data_server(journal, views).close()
    dice, reached = Random(SEED), 0
    for _ in range(kills):
        child = DataChild(journal, views)
        began = child.next_position()
        assert began >= reached, "what was committed is gone"
        for _ in range(dice.randrange(TRANSACTIONS_MAX)):
            reached = child.next_position()
        time.sleep(dice.random() * MOMENT_S)
        child.kill()
    assert 0 < reached < records[-1].last_sequence, f"all was done before the last of {kills} kills"
    last = data_server(journal, views)
    while last.catch_up():
        pass
    last.close()
    rebuilt(journal, tmp_path / "rebuilt.db")
    assert contents(views) == contents(tmp_path / "rebuilt.db")
