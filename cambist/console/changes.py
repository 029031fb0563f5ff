"""Dangerous changes: proposed by one, decided by another with a key, then done word for word.

What can be proposed is an operator's request, as `cambist` would send it. Bounds come on top:
what no two people should be able to do from a browser is left to the operator of the machine.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import Connection
from webauthn.helpers import bytes_to_base64url

from cambist.account_api.bodies import Body, Malformed, Shown
from cambist.account_api.errors import Unknown
from cambist.account_api.shown import milliseconds
from cambist.console.call import Call
from cambist.console.errors import NotPermitted
from cambist.console.proofs import ProofBody, proof_of
from cambist.console.shown import REASON_LONGEST, ROWS_MAX, Reason, ms_or_none, number_of
from cambist.control.client import RequestFailed
from cambist.control.house import UnfreezeHouse
from cambist.control.limits import SetMarketLimits
from cambist.control.markets import (
    AddAsset,
    AddMarket,
    SetMarketFees,
    SetMarketFilters,
    SetMarketState,
)
from cambist.control.networks import AddNetwork, ExplainSend, HaltNetwork, SetNetwork
from cambist.control.records import ResumePayouts
from cambist.control.staff import InviteStaff
from cambist.errors import Refused, Unavailable
from cambist.money import RATE_SCALE, AmountInvalid, parse_atoms
from cambist.staff import keys, people, proposals
from cambist.staff.keys import ProofWrong, Purpose
from cambist.staff.proposals import DECIDING, DONE, FAILED, REJECTED, WITHDRAWN, Change, Proposal
from cambist.staff.roles import Action

Proposable = (
    AddAsset
    | AddMarket
    | SetMarketState
    | SetMarketFilters
    | SetMarketLimits
    | SetMarketFees
    | AddNetwork
    | SetNetwork
    | HaltNetwork
    | ResumePayouts
    | ExplainSend
    | UnfreezeHouse
    | InviteStaff
)
# Who may propose it, and who may decide it; everything else: CONFIGURE.
_NEEDS: dict[type, Action] = {
    ResumePayouts: Action.RESUME_PAYOUTS,
    ExplainSend: Action.RESUME_PAYOUTS,
    UnfreezeHouse: Action.RESUME_PAYOUTS,
    InviteStaff: Action.MANAGE_STAFF,
}
FEE_MAX = "0.02"

_read = msgspec.json.Decoder[Proposable](Proposable).decode
_encode = msgspec.json.Encoder(order="sorted").encode


class OutOfBounds(Refused):
    code = "out_of_bounds"


class NewProposal(Reason):
    """`request` is an operator's request: `operation` and what belongs to it."""

    request: dict[str, Any]


class ProposalShown(Shown):
    """`digest` (base64url) is what a decision signs."""

    id: int
    kind: str
    request: dict[str, Any]
    reason: str
    state: str
    proposed_by: str
    proposed_at: int
    expires_at: int
    decided_by: str | None
    decided_at: int | None
    outcome: str
    digest: str


class Decision(Body):
    accept: bool
    proof: ProofBody
    reason: Annotated[str, Meta(max_length=REASON_LONGEST)] = ""


class Decided(Shown):
    """`answer` is what the exchange has said; a link in it is shown here and nowhere else."""

    proposal: ProposalShown
    answer: Any


def list_proposals(call: Call) -> list[ProposalShown]:
    with call.console.records.read() as db:
        names = _names(db)
        return [_shown(each, names) for each in proposals.newest(db, ROWS_MAX, call.now_ns)]


def propose(call: Call, sent: NewProposal) -> ProposalShown:
    request = _request(_encode(sent.request))
    _require_permitted(call, request)
    _require_bounds(request)
    # Encoded from what was read: what nobody has named is not in it, and defaults are.
    change = Change(sent.request["operation"], _encode(request).decode(), sent.reason)
    with call.write("proposal.put", kind=change.kind, content=change.content, reason=change.reason) as db:
        return _shown(proposals.put(db, call.me(), change, call.now_ns), _names(db))


def withdraw(call: Call, why: Reason) -> ProposalShown:
    """By whoever has proposed it."""
    number = number_of(call.subject)
    with call.write("proposal.withdraw", proposal=number, reason=why.reason) as db:
        proposal = _find(db, number, call.now_ns)
        if proposal.proposed_by != call.me().id:
            raise NotPermitted("withdraw what somebody else has proposed")
        proposals.decide(db, proposal, call.me(), WITHDRAWN, call.now_ns)
        return _shown(_find(db, number, call.now_ns), _names(db))


def decide(call: Call, sent: Decision) -> Decided:
    """Accepted, it is done at once. Raises SecondPersonNeeded for whoever has proposed it."""
    number, me = number_of(call.subject), call.me()
    action = "proposal.accept" if sent.accept else "proposal.reject"
    with call.write(action, proposal=number, reason=sent.reason) as db:
        proposal = _find(db, number, call.now_ns)
        request = _request(proposal.change.content.encode())
        _require_permitted(call, request)
        proposals.require_other(proposal, me)
        key = keys.verify(
            db,
            proof_of(sent.proof),
            Purpose.DECIDE,
            proposal.digest(),
            site=call.console.site,
            now_ns=call.now_ns,
        )
        if key.staff_id != me.id:
            raise ProofWrong
        proposals.decide(db, proposal, me, DECIDING if sent.accept else REJECTED, call.now_ns)
    answer = _carry_out(call, proposal, request) if sent.accept else None
    with call.console.records.read() as db:
        return Decided(_shown(_find(db, number, call.now_ns), _names(db)), answer)


def _carry_out(call: Call, proposal: Proposal, request: Proposable) -> Any:
    reason = f"proposal {proposal.id}: {proposal.change.reason}"
    try:
        answer, state, outcome = call.ask(request, reason), DONE, ""
    except RequestFailed as refused:
        answer, state, outcome = None, FAILED, refused.failure.message
    except Unavailable as away:
        answer, state, outcome = None, FAILED, str(away)
    with call.console.records.write() as db:
        proposals.carried_out(db, proposal, state, outcome)
    return answer


def _request(content: bytes) -> Proposable:
    try:
        request: Proposable = _read(content)
    except msgspec.DecodeError as problem:
        raise Malformed(f"this cannot be proposed: {problem}") from None
    return request


def _require_permitted(call: Call, request: Proposable) -> None:
    needed = _NEEDS.get(type(request), Action.CONFIGURE)
    if needed not in call.me().actions:
        raise NotPermitted(needed.value)


def _require_bounds(request: Proposable) -> None:
    """Raises OutOfBounds."""
    rates: list[str | None] = []
    match request:
        case AddMarket():
            rates = [request.maker_fee, request.taker_fee]
        case SetMarketFees():
            rates = [request.maker, request.taker, request.buyer, request.seller]
    try:
        given = [parse_atoms(rate, RATE_SCALE) for rate in rates if rate is not None]
    except AmountInvalid as problem:
        raise OutOfBounds(f"a fee cannot be read: {problem}") from None
    if any(rate > parse_atoms(FEE_MAX, RATE_SCALE) for rate in given):
        raise OutOfBounds(f"the console sets no fee above {FEE_MAX}")
    daily = request.terms.withdrawal_daily_max if isinstance(request, AddNetwork | SetNetwork) else None
    if daily is not None and not daily.strip("0."):
        raise OutOfBounds("the console takes no daily limit away")


def _find(db: Connection, number: int, now_ns: int) -> Proposal:
    found = proposals.find(db, number, now_ns)
    if found is None:
        raise Unknown("proposal")
    return found


def _names(db: Connection) -> dict[int, str]:
    return {member.id: member.name for member in people.list_all(db)}


def _shown(proposal: Proposal, names: dict[int, str]) -> ProposalShown:
    return ProposalShown(
        id=proposal.id,
        kind=proposal.change.kind,
        request=msgspec.json.decode(proposal.change.content),
        reason=proposal.change.reason,
        state=proposal.state,
        proposed_by=names[proposal.proposed_by],
        proposed_at=milliseconds(proposal.proposed_at_ns),
        expires_at=milliseconds(proposal.expires_at_ns),
        decided_by=None if proposal.decided_by is None else names[proposal.decided_by],
        decided_at=ms_or_none(proposal.decided_at_ns),
        outcome=proposal.outcome,
        digest=bytes_to_base64url(proposal.digest()),
    )
