"""The audit trail rewritten by somebody who has the key to its chain: what was anchored before finds it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from cambist.control.records import audit_rows
from cambist.settings import Audit, Settings
from cambist.store import anchors
from cambist.store.anchors import Anchor
from cambist.store.audit import Act, AuditBroken
from cambist.store.records import Records
from cambist.store.tables import audit

ACTS = [Act("ann", "market.state", {"symbol": f"A{number}"}, number) for number in range(1, 7)]
ANCHORED = (2, 4, 5)
COLUMNS = ("time_ns", "actor", "action", "details", "hash")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def records(settings: Settings) -> Iterator[Records]:
    """Six rows, and an anchor at each of three times."""
    records = Records.create(settings)
    for row, act in enumerate(ACTS, start=1):
        with records.write() as db:
            records.audit.append(db, act)
        if row in ANCHORED:
            anchor(records, settings)
    yield records
    records.close()


def anchor(records: Records, settings: Settings) -> Anchor:
    with records.read() as db:
        newest = anchors.head(db, 7)
    assert newest is not None
    anchors.keep(settings, newest)
    return newest


def rewrite(records: Records, acts: list[Act]) -> None:
    """As the exchange itself would have written these."""
    with records.write() as db:
        db.execute(delete(audit))
        for act in acts:
            records.audit.append(db, act)
    with records.read() as db:
        assert [entry.act for entry in records.audit.read(db)] == acts  # the chain alone tells nothing


def test_a_trail_that_goes_on_agrees_with_its_anchors(records, settings):
    assert audit_rows(settings) == len(ACTS)
    assert [each.row for each in anchors.read(settings.anchors_file)] == list(ANCHORED)


@pytest.mark.parametrize("row", range(1, max(ANCHORED) + 1))
def test_B04_a_row_that_was_changed_and_the_chain_with_it_shows(records, settings, row):
    rewrite(records, [act._replace(actor="bob") if act.time_ns == row else act for act in ACTS])
    with pytest.raises(AuditBroken, match="not the one that was anchored"):
        audit_rows(settings)


def test_B04_rows_that_were_removed_or_moved_and_the_chain_with_them_show(records, settings):
    for acts in (ACTS[1:], [*ACTS[:3], *ACTS[4:]], [ACTS[1], ACTS[0], *ACTS[2:]], [*ACTS[:2], *ACTS]):
        rewrite(records, acts)
        with pytest.raises(AuditBroken, match="anchored"):
            audit_rows(settings)


@pytest.mark.parametrize("left", range(max(ANCHORED)))
def test_B04_a_tail_that_was_cut_off_shows(records, settings, left):
    rewrite(records, ACTS[:left])
    with pytest.raises(AuditBroken, match=r"anchored, is missing"):
        audit_rows(settings)


def test_B04_each_byte_of_each_row_counts(records, settings):
    with records.read() as db:
        rows = [row._asdict() for row in db.execute(select(audit))]
    for row in rows:
        for column in COLUMNS:
            for value in altered(row[column]):
                with records.write() as db:
                    db.execute(update(audit).where(audit.c.id == row["id"]).values({column: value}))
                with pytest.raises(AuditBroken):
                    audit_rows(settings)
            with records.write() as db:
                db.execute(update(audit).where(audit.c.id == row["id"]).values(row))
    assert audit_rows(settings) == len(ACTS)


def altered(value: Any) -> Iterator[Any]:
    """With each byte another one."""
    if isinstance(value, int):
        yield from (value ^ 1 << 8 * place for place in range(7))
        return
    raw = value if isinstance(value, bytes) else value.encode()
    for place in range(len(raw)):
        other = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        yield other if isinstance(value, bytes) else other.decode()


def test_B04_each_byte_of_the_anchors_counts(records, settings):
    file = settings.anchors_file
    raw = file.read_bytes()
    of_times = {place for place in range(len(raw)) if raw[place : place + 2] == b"7}"}
    for place in range(len(raw) - 1):
        file.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        if place not in of_times:  # when it was is nobody's to compare
            with pytest.raises(AuditBroken):
                audit_rows(settings)


def test_what_a_crash_has_cut_off_is_no_anchor_and_the_next_one_is_whole(records, settings):
    file = settings.anchors_file
    file.write_bytes(file.read_bytes()[:-9])
    assert audit_rows(settings) == len(ACTS)
    anchor(records, settings)
    assert [each.row for each in anchors.read(file)] == [2, 4, 6]


def test_an_anchor_goes_to_the_operators_file_and_command(records, tmp_path):
    taken = tmp_path / "elsewhere.txt"
    file = tmp_path / "mounted" / "anchors"
    kept = Settings(home=tmp_path, audit=Audit(anchor_file=str(file), anchor_command=f"tee -a {taken}"))
    anchor(records, kept)
    anchor(records, kept)
    assert taken.read_bytes() == file.read_bytes()
    assert len(anchors.read(file)) == 2
