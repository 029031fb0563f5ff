"""What every run over the engine prints at its end: how the ledger closed, and hashes to compare histories
by."""

from cambist._matching import Engine
from cambist.ledger.trial_balance import is_balanced, trial_balance


def closing(engine: Engine) -> dict[str, object]:
    """Raises EngineBroken if an invariant of the engine's state does not hold."""
    engine.check()
    totals = trial_balance(engine)
    return {
        "sequence": engine.sequence,
        "event_hash": f"{engine.event_hash:016x}",
        "state_hash": engine.state_hash().hex(),
        "trial_balance": {asset.name: asset.sum_atoms for asset in totals},
        "ledger_balanced": is_balanced(totals),
    }
