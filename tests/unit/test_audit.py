"""The audit trail: what was written stays readable, and every way of bending it shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update

from cambist.settings import Settings
from cambist.store.audit import Act, AuditBroken
from cambist.store.records import Records
from cambist.store.tables import audit

ACTS = [Act("ann", "market.state", {"symbol": f"A{number}"}, number) for number in range(1, 6)]


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    records = Records.create(Settings(home=tmp_path))
    with records.write() as db:
        for act in ACTS:
            records.audit.append(db, act)
    yield records
    records.close()


def acts(records: Records, after: int = 0) -> list[Act]:
    with records.read() as db:
        return [entry.act for entry in records.audit.read(db, after)]


def test_acts_are_read_as_they_were_written(records):
    assert acts(records) == ACTS
    assert acts(records, after=3) == ACTS[3:]


@pytest.mark.parametrize(
    ("column", "value"),
    [("time_ns", 7), ("actor", "bob"), ("action", "nothing"), ("details", "{}"), ("hash", bytes(32))],
)
def test_a_row_that_was_changed_shows(records, column, value):
    with records.write() as db:
        db.execute(update(audit).where(audit.c.id == 3).values({column: value}))
    with pytest.raises(AuditBroken, match="row 3"):
        acts(records)


def test_a_row_that_was_removed_shows(records):
    with records.write() as db:
        db.execute(delete(audit).where(audit.c.id == 3))
    with pytest.raises(AuditBroken, match="row 3"):
        acts(records)


def test_rows_that_changed_places_show(records):
    with records.write() as db:
        rows = [row._asdict() for row in db.execute(select(audit).where(audit.c.id.in_([2, 3])))]
        db.execute(delete(audit).where(audit.c.id.in_([2, 3])))
        for row, number in zip(rows, (3, 2), strict=True):
            db.execute(insert(audit).values(row | {"id": number}))
    with pytest.raises(AuditBroken, match="row 2"):
        acts(records)


def test_a_row_of_another_exchange_does_not_fit(records, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = Records.create(Settings(home=elsewhere))
    with other.write() as db:
        for act in ACTS:
            other.audit.append(db, act)
    with other.read() as db:
        row = db.execute(select(audit).where(audit.c.id == 5)).one()._asdict()
    with records.write() as db:
        db.execute(delete(audit).where(audit.c.id == 5))
        db.execute(insert(audit).values(row))
    with pytest.raises(AuditBroken, match="row 5"):
        acts(records)


def test_an_act_that_is_undone_leaves_no_row(records):
    with pytest.raises(ZeroDivisionError), records.write() as db:
        records.audit.append(db, ACTS[0])
        raise ZeroDivisionError
    assert acts(records) == ACTS
