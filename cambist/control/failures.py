"""What becomes one sentence for whoever asked, here or in another process; anything else is a bug."""

from sqlalchemy.exc import DBAPIError

from cambist.control.client import RequestFailed
from cambist.errors import Broken, ExchangeError, Failure
from cambist.log.errors import LogError, LogInUse
from cambist.log.journal import JournalDamaged
from cambist.settings import SettingsError

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
