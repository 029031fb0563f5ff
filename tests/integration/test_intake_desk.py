"""Commands that records ask for, handed in from a process apart: each is executed once, whatever is cut."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection

from cambist.engine.commands import AssetList, Role
from cambist.engine.events import Status
from cambist.errors import OutcomeUnknown, Unavailable
from cambist.intake.client import Client
from cambist.intake.desk import IntakeDesk
from cambist.intake.port import IntakePort, addresses
from cambist.match.courier import Courier, Post
from cambist.settings import Settings
from cambist.store import outbox
from cambist.store.audit import Act
from cambist.store.outbox import Answer
from cambist.store.records import Records
from tests.integration.test_intake_sockets import Site, play
from tests.wires import secret_of

NAME = "office"


class Sender:
    """One life of the process: it begins with what the records have of it."""

    def __init__(self, site: Site, records: Records, *, give_up_s: float = 30) -> None:
        with records.read() as db:
            known = outbox.sender(db, NAME)
        session, reached = (0, 0) if known is None else (known.session, known.sequence)
        client = Client(
            Role.ADMIN,
            NAME,
            secret_of(Role.ADMIN),
            give_up_s=give_up_s,
            silent_s=10,
            session=session,
            reached=reached,
        )
        self.made: list[str] = []
        self.port = IntakePort(client, lambda: addresses(site.run, []))
        self.connecting = asyncio.create_task(self.port.run())
        self.courier = Courier(
            records,
            IntakeDesk(self.port),
            NAME,
            Role.ADMIN,
            effects={"listed": self._listed},
            results=lambda session, after: [],
        )

    async def list(self, asset: str) -> Answer:
        post = Post(AssetList(scale=8, name=asset.encode()), "listed", asset)
        act = Act("ann", "list", {}, 1)
        return await asyncio.to_thread(self.courier.send, act, lambda db: post)

    async def end(self) -> None:
        self.connecting.cancel()
        await asyncio.wait({self.connecting})

    def _listed(self, db: Connection, subject: str, answer: Answer) -> None:
        self.made.append(f"{subject} {Status(answer.status).name}")


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    records = Records.create(Settings(home=tmp_path))
    yield records
    records.close()


def assets(site: Site) -> list[str]:
    assert site.leader is not None
    return [name for _, name, _, _ in site.leader.engine.assets()]


def test_a_command_is_executed_and_its_answer_taken_in(records):
    async def story(site: Site) -> None:
        await site.lead(1)
        sender = Sender(site, records)
        assert (await sender.list("XRP")).status == Status.OK
        assert (await sender.list("XRP")).status == Status.ALREADY_LISTED
        assert sender.made == ["XRP OK", "XRP ALREADY_LISTED"]
        await sender.end()

    play(story)


def test_a_sender_that_starts_again_goes_on_in_its_session(records):
    async def story(site: Site) -> None:
        await site.lead(1)
        first = Sender(site, records)
        await first.list("XRP")
        session = first.port.session
        await first.end()
        again = Sender(site, records)
        await asyncio.to_thread(again.courier.resume)
        assert (await again.list("ADA")).status == Status.OK
        assert again.port.session == session
        await again.end()

    play(story)


def test_what_was_executed_before_its_answer_was_written_down_is_not_executed_again(records, monkeypatch):
    async def story(site: Site) -> None:
        await site.lead(1)
        first = Sender(site, records)
        await first.list("XRP")
        call = first.courier._desk.call

        def cut(command: bytearray) -> bytes:
            call(command)
            raise OutcomeUnknown("the process ends here")

        monkeypatch.setattr(first.courier._desk, "call", cut)
        with pytest.raises(OutcomeUnknown):
            await first.list("ADA")
        await first.end()
        again = Sender(site, records)
        await asyncio.to_thread(again.courier.resume)
        assert again.made == ["ADA OK"]  # listed twice it would be refused
        await again.end()

    play(story)


def test_a_sender_that_was_told_nothing_asks_again_before_it_sends_more(records, monkeypatch):
    async def story(site: Site) -> None:
        await site.lead(1)
        sender = Sender(site, records, give_up_s=0.3)
        await sender.list("XRP")
        assert site.leader is not None
        append, disk = site.leader.log.append, threading.Event()

        def slow(payload: bytes) -> None:
            disk.wait()
            append(payload)

        monkeypatch.setattr(site.leader.log, "append", slow)
        with pytest.raises(OutcomeUnknown):
            await sender.list("ADA")
        disk.set()
        while sender.made[-1] != "SOL OK":
            with suppress(Unavailable):  # while the disk is still at it
                await sender.list("SOL")
        assert sender.made == ["XRP OK", "ADA OK", "SOL OK"]
        await sender.end()

    play(story)


def test_while_nobody_leads_nothing_is_sent_and_the_next_leader_gets_the_next(records):
    async def story(site: Site) -> None:
        await site.lead(1)
        sender = Sender(site, records, give_up_s=0.5)
        await sender.list("XRP")
        await site.end()
        with pytest.raises(Unavailable):
            await sender.list("ADA")
        await site.lead(2)
        await sender.port.opened(30)
        while not sender.port.is_open:
            await asyncio.sleep(0.01)
        assert (await sender.list("SOL")).status == Status.OK
        assert "SOL" in assets(site) and sender.made[-1] == "SOL OK"
        await sender.end()

    play(story)
