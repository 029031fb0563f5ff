"""What becomes one sentence for whoever asked, here or in another process; and how a process ends by it.

Anything else is a bug and shows itself.
"""

from sqlalchemy.exc import DBAPIError

from cambist.control.client import RequestFailed
from cambist.errors import Broken, ExchangeError, Failure
from cambist.log.errors import Fenced, LogError, LogFailed, LogInUse
from cambist.log.journal import JournalDamaged
from cambist.settings import SettingsError
from cambist.supervisor.messages import DISK_FAILED, FENCED, STOPPED_BY_ITSELF

REFUSED = 1  # status of a process

ANSWERED = (
    RequestFailed,
    ExchangeError,
    SettingsError,
    LogError,
    JournalDamaged,
    Broken,
    OSError,
    DBAPIError,
)


def failure_of(problem: BaseException) -> Failure:
    match problem:
        case RequestFailed():
            return problem.failure
        case ExchangeError():
            return Failure.of(problem)
        case SettingsError():
            return Failure("settings_invalid", str(problem))
        case LogInUse():
            hint = "an exchange that runs there answers no operator, or another `cambist` is at work"
            return Failure("log_in_use", f"{problem}: {hint}", may_retry=True)
        case LogError():
            return Failure("log_error", str(problem))
        case JournalDamaged():
            hint = "stop the exchange and run `cambist rebuild`; the log says it all again"
            return Failure("journal_damaged", f"{problem}: {hint}")
        case Broken():
            return Failure("broken", str(problem))
        case DBAPIError():
            return Failure("records_error", f"the records database cannot be used: {problem.orig}")
    return Failure("system_error", str(problem))


def stopped_by_itself(who: str, problem: BaseException) -> Failure:
    """For a process that had been at work."""
    return Failure(
        STOPPED_BY_ITSELF,
        f"{who} has stopped by itself: {problem}. Nothing was tried again. "
        "If the disk has failed, look at that, run `cambist doctor` and `cambist verify`, then start it.",
    )


def status_of(problem: BaseException) -> int:
    """With which a process ends, which tells the supervisor whether to start it again."""
    match problem:
        case Fenced():
            return FENCED
        case LogFailed() | Broken():
            return DISK_FAILED
    return REFUSED
