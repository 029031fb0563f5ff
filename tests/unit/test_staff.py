"""The staff: invited once, one person each, out at once; and a change that two have to want."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cambist.settings import Settings
from cambist.staff import keys, people, proposals, sessions
from cambist.staff.challenges import GOOD_FOR_NS, ChallengeInvalid, Challenges
from cambist.staff.keys import Ed25519Proof, KeyInvalid, ProofWrong, Purpose, Site
from cambist.staff.people import InviteInvalid, Member, StaffInvalid
from cambist.staff.proposals import Change, NotWaiting, SecondPersonNeeded
from cambist.staff.roles import ROLES, Action, Role
from cambist.store.records import Records

SITE = Site("http://localhost:8001")
CHALLENGE = bytes(range(32))


class Approver:
    """Somebody with an Ed25519 key."""

    def __init__(self) -> None:
        self.private = Ed25519PrivateKey.generate()

    def sign(self, purpose: Purpose, challenge: bytes = CHALLENGE) -> Ed25519Proof:
        return Ed25519Proof(
            self.private.public_key().public_bytes_raw(), self.private.sign(purpose.value + challenge)
        )


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("empty")
    Records.create(Settings(home=home)).close()
    return home


@pytest.fixture
def records(empty: Path, tmp_path: Path) -> Iterator[Records]:
    records = Records.open(Settings(home=shutil.copytree(empty, tmp_path / "home")))
    yield records
    records.close()


def hire(records: Records, name: str, *roles: Role, now_ns: int = 1) -> str:
    with records.write() as db:
        return people.invite(
            db, name, f"{name}@example.org", roles or (Role.REVIEWER,), now_ns=now_ns, acting_user="test"
        )


def member(records: Records, name: str) -> Member:
    with records.read() as db:
        return people.named(db, name)


def enrol(records: Records, name: str, approver: Approver) -> keys.StaffKey:
    with records.write() as db:
        return keys.enrol(
            db,
            people.named(db, name),
            approver.sign(Purpose.ENROL),
            CHALLENGE,
            label="key",
            site=SITE,
            now_ns=1,
        )


def test_a_link_is_good_once_and_for_a_day(records):
    code = hire(records, "ann", now_ns=0)
    with records.write() as db:
        assert people.of_invite(db, code, people.INVITE_FOR_NS - 1).name == "ann"
        with pytest.raises(InviteInvalid):
            people.of_invite(db, code, people.INVITE_FOR_NS)
        people.invite_is_used(db, people.named(db, "ann"))
        with pytest.raises(InviteInvalid):
            people.of_invite(db, code, 1)


def test_one_address_is_one_person(records):
    hire(records, "ann")
    with records.write() as db, pytest.raises(StaffInvalid, match="has this address"):
        people.invite(db, "bob", "ANN@example.org", [Role.REVIEWER], now_ns=1, acting_user="test")


def test_one_key_is_one_persons_even_after_it_was_removed(records):
    hire(records, "ann")
    hire(records, "bob")
    approver = Approver()
    enrol(records, "ann", approver)
    with pytest.raises(KeyInvalid, match="enrolled already"):
        enrol(records, "bob", approver)
    with records.write() as db:
        people.disable(db, "ann", 2)
    with pytest.raises(KeyInvalid, match="enrolled already"):
        enrol(records, "bob", approver)


def test_a_signature_for_one_purpose_is_good_for_no_other(records):
    hire(records, "ann")
    approver = Approver()
    enrol(records, "ann", approver)
    for purpose in Purpose:
        for wanted in Purpose:
            with records.write() as db:
                if purpose is wanted:
                    keys.verify(db, approver.sign(purpose), wanted, CHALLENGE, site=SITE, now_ns=2)
                else:
                    with pytest.raises(ProofWrong):
                        keys.verify(db, approver.sign(purpose), wanted, CHALLENGE, site=SITE, now_ns=2)


def test_a_key_that_is_not_enrolled_proves_nothing(records):
    hire(records, "ann")
    with records.write() as db, pytest.raises(ProofWrong):
        keys.verify(db, Approver().sign(Purpose.SIGN_IN), Purpose.SIGN_IN, CHALLENGE, site=SITE, now_ns=1)


def test_the_last_key_stays(records):
    hire(records, "ann")
    first, second = enrol(records, "ann", Approver()), enrol(records, "ann", Approver())
    with records.write() as db:
        ann = people.named(db, "ann")
        keys.remove(db, ann, first.id, 2)
        with pytest.raises(KeyInvalid, match="last key"):
            keys.remove(db, ann, second.id, 2)
        with pytest.raises(KeyInvalid, match="no such key"):
            keys.remove(db, ann, 99, 2)


def test_who_leaves_is_out_at_the_next_request_and_stays_out(records):
    hire(records, "ann")
    key = enrol(records, "ann", Approver())
    with records.write() as db:
        token = sessions.start(db, people.named(db, "ann"), key.id, address="", agent="", now_ns=1)
        assert sessions.find(db, token, 2) is not None
        people.disable(db, "ann", 3)
        assert sessions.find(db, token, 3) is None
    with pytest.raises(StaffInvalid, match="has left"):
        hire(records, "ann")


def test_a_new_link_for_a_lost_key_ends_what_there_was(records):
    hire(records, "ann")
    approver = Approver()
    key = enrol(records, "ann", approver)
    with records.write() as db:
        token = sessions.start(db, people.named(db, "ann"), key.id, address="", agent="", now_ns=1)
    hire(records, "ann", Role.AUDITOR)
    with records.write() as db:
        assert sessions.find(db, token, 2) is None
        with pytest.raises(ProofWrong):
            keys.verify(db, approver.sign(Purpose.SIGN_IN), Purpose.SIGN_IN, CHALLENGE, site=SITE, now_ns=2)
    assert member(records, "ann").roles == (Role.AUDITOR,)


def test_a_session_ends_when_it_is_idle_and_in_any_case_after_its_day(records):
    hire(records, "ann")
    key = enrol(records, "ann", Approver())
    with records.write() as db:
        token = sessions.start(db, people.named(db, "ann"), key.id, address="", agent="", now_ns=0)
        assert sessions.find(db, token, sessions.IDLE_FOR_NS - 1) is not None
        assert sessions.find(db, token, sessions.IDLE_FOR_NS) is None
        session = sessions.find(db, token, 1)
        assert session is not None
        sessions.touch(db, session, sessions.GOOD_FOR_NS - 1)
        assert sessions.find(db, token, sessions.GOOD_FOR_NS - 1) is not None
        assert sessions.find(db, token, sessions.GOOD_FOR_NS) is None


def test_a_challenge_is_good_once_for_its_purpose_and_five_minutes():
    challenges = Challenges()
    first = challenges.new("sign-in", 0)
    challenges.take(first, "sign-in", GOOD_FOR_NS - 1)
    for challenge, purpose, now_ns in (
        (first, "sign-in", 1),
        (challenges.new("sign-in", 0), "sign-in", GOOD_FOR_NS),
        (challenges.new("sign-in", 0), "key", 1),
        (bytes(32), "sign-in", 1),
        (bytes(32), "", 1),
    ):
        with pytest.raises(ChallengeInvalid):
            challenges.take(challenge, purpose, now_ns)


def test_nobody_decides_what_the_same_person_proposed_and_nothing_is_decided_twice(records):
    for name in ("ann", "bob", "cat"):
        hire(records, name)
    ann, bob, cat = (member(records, name) for name in ("ann", "bob", "cat"))
    with records.write() as db:
        proposal = proposals.put(db, ann, Change("market.state", "{}", "why"), 1)
        with pytest.raises(SecondPersonNeeded):
            proposals.require_other(proposal, ann)
        proposals.require_other(proposal, bob)
        proposals.decide(db, proposal, bob, proposals.DECIDING, 2)
        with pytest.raises(NotWaiting):
            proposals.decide(db, proposal, cat, proposals.REJECTED, 3)
        proposals.carried_out(db, proposal, proposals.DONE, "")
        found = proposals.find(db, proposal.id, 4)
    assert found is not None and (found.state, found.decided_by) == (proposals.DONE, bob.id)


def test_a_proposal_that_waits_too_long_is_over(records):
    hire(records, "ann")
    hire(records, "bob")
    with records.write() as db:
        number = proposals.put(db, people.named(db, "ann"), Change("k", "{}", "why"), 0).id
        late = proposals.find(db, number, proposals.GOOD_FOR_NS)
        assert late is not None and late.state == proposals.EXPIRED
        with pytest.raises(NotWaiting):
            proposals.require_other(late, people.named(db, "bob"))
        with pytest.raises(NotWaiting):
            proposals.decide(db, late, people.named(db, "bob"), proposals.DECIDING, proposals.GOOD_FOR_NS)


def test_a_decision_signs_all_of_a_proposal(records):
    hire(records, "ann")
    with records.write() as db:
        first = proposals.put(db, people.named(db, "ann"), Change("k", "{}", "why"), 0)
    digests = {
        proposal.digest()
        for proposal in (
            first,
            *(
                proposals.Proposal(number, change, by, 0, 0, "waiting", None, None, "")
                for number, change, by in (
                    (first.id + 1, first.change, first.proposed_by),
                    (first.id, first.change._replace(kind="l"), first.proposed_by),
                    (first.id, first.change._replace(content="{ }"), first.proposed_by),
                    (first.id, first.change._replace(reason="what"), first.proposed_by),
                    (first.id, first.change, first.proposed_by + 1),
                )
            ),
        )
    }
    assert len(digests) == 6


def test_only_an_administrator_manages_staff_and_an_auditor_changes_nothing():
    assert [role for role in Role if Action.MANAGE_STAFF in ROLES[role]] == [Role.ADMINISTRATOR]
    assert all(action.value.endswith(".read") for action in ROLES[Role.AUDITOR])
    assert Action.REVIEW_WITHDRAWALS not in ROLES[Role.ADMINISTRATOR]
