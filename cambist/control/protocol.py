"""The lines on the control socket: a request up, progress lines and one answer down; all of them JSON."""

from typing import Annotated, Any, TypeAlias

import msgspec

from cambist.control.exchange import Caller, Exchange, Request
from cambist.control.house import UnfreezeHouse
from cambist.control.limits import SetMarketLimits
from cambist.control.markets import (
    AddAsset,
    AddMarket,
    ListAssets,
    ListMarkets,
    SetMarketFees,
    SetMarketFilters,
    SetMarketState,
)
from cambist.control.networks import (
    AddNetwork,
    ExplainSend,
    HaltNetwork,
    ListNetworks,
    ListUnexplained,
    SetNetwork,
)
from cambist.control.orders import CancelUserOrders
from cambist.control.records import ResumePayouts, ShowAudit, ShowRecords
from cambist.control.sandbox import CreditSandbox
from cambist.control.staff import DisableStaff, InviteStaff, ListStaff
from cambist.control.status import ShowStatus
from cambist.control.users import (
    CreateApiKey,
    CreateUser,
    DeleteApiKey,
    FreezeUser,
    ListApiKeys,
    ListUsers,
    ResetSecondFactor,
    SignOutUser,
)
from cambist.control.verify import shown_totals
from cambist.control.views import RebuildViews
from cambist.engine.commands import RULES_NEWEST
from cambist.errors import ExchangeError, Failure
from cambist.ledger.trial_balance import is_balanced, trial_balance
from cambist.money import AmountInvalid
from cambist.store.audit import ACTOR_LONGEST

LINE_MAX = 1 << 20  # of a request; an answer may be longer


class ShowPosition(Request, tag="position"):
    """How far the exchange has come: what an independent replay of the log must arrive at."""

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        return exchange.query(
            lambda engine: {
                "sequence": engine.sequence,
                "event_hash": f"{engine.event_hash:016x}",
            }
        )


class ShowTrialBalance(Request, tag="trial-balance"):
    """What each asset's balances sum to, in atoms: zero, or the ledger is broken; and amounts by class."""

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        totals = exchange.query(lambda engine: trial_balance(engine))
        return {
            "trial_balance": {asset.name: asset.sum_atoms for asset in totals},
            "by_class": {asset.name: shown_totals(asset) for asset in totals},
            "ledger_balanced": is_balanced(totals),
        }


class ShowRules(Request, tag="rules"):
    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        return {"rules": exchange.query(lambda engine: engine.rules), "newest": RULES_NEWEST}


class ActivateRules(Request, tag="rules.activate"):
    """The newest ones, for good."""

    def perform(self, exchange: Exchange, caller: Caller) -> dict[str, Any]:
        with exchange.records.write() as db:
            exchange.records.audit.append(db, caller.act(self))
        exchange.server.activate_rules(RULES_NEWEST)
        return {"rules": RULES_NEWEST, "newest": RULES_NEWEST}


OwnRequest: TypeAlias = (
    ShowPosition
    | ShowStatus
    | ShowTrialBalance
    | CreateUser
    | ListUsers
    | FreezeUser
    | ResetSecondFactor
    | SignOutUser
    | CreateApiKey
    | ListApiKeys
    | DeleteApiKey
    | AddAsset
    | ListAssets
    | AddMarket
    | ListMarkets
    | SetMarketState
    | SetMarketFilters
    | SetMarketFees
    | SetMarketLimits
    | AddNetwork
    | ListNetworks
    | SetNetwork
    | HaltNetwork
    | ListUnexplained
    | ShowRules
    | ActivateRules
    | CreditSandbox
    | RebuildViews
    | ShowAudit
    | ShowRecords
    | CancelUserOrders
    | InviteStaff
    | ListStaff
    | DisableStaff
)


# What two people have decided, and the operator alone cannot ask for.
DecidedRequest: TypeAlias = ResumePayouts | ExplainSend | UnfreezeHouse


class OnBehalf(Request, tag="on-behalf"):
    """What a member of the staff has asked for at the console, and why: the audit trail names that person.

    Payouts and the house's account go on by this only, and what payouts wait for is explained by this only:
    two people have decided it.
    """

    of: Annotated[str, msgspec.Meta(min_length=1, max_length=ACTOR_LONGEST)]
    reason: str
    request: OwnRequest | DecidedRequest

    def perform(self, exchange: Exchange, caller: Caller) -> Any:
        return self.request.perform(exchange, caller._replace(name=self.of, reason=self.reason))


AnyRequest: TypeAlias = OwnRequest | OnBehalf


class Progress(msgspec.Struct, tag="progress", frozen=True):
    done: int
    total: int


class Result(msgspec.Struct, tag="result", frozen=True):
    document: Any


def perform(request: Request, exchange: Exchange, caller: Caller) -> Result | Failure:
    """What every way of asking comes to; only what is broken still raises."""
    try:
        return Result(request.perform(exchange, caller))
    except ExchangeError as problem:
        return Failure.of(problem)
    except AmountInvalid as problem:
        return Failure("amount_invalid", str(problem))


Line: TypeAlias = Progress | Result | Failure

encode = msgspec.json.Encoder().encode
read_request = msgspec.json.Decoder(AnyRequest).decode
read_line = msgspec.json.Decoder(Line).decode
