"""What can go wrong with the log. None of it is a caller's doing, so none of it is an ExchangeError.

LogError
   |- LogInUse     another process has the directory
   |- LogDamaged   what the disk holds, or cannot give back, is no log; nothing was changed, ask a person
   '- LogFailed    writing failed: what was not acknowledged may or may not be durable
        '- Fenced  a newer epoch exists: another process leads now
"""


class LogError(Exception):
    """Nothing may be served from this log by this process."""


class LogInUse(LogError):
    """Two processes would overwrite each other's records."""


class LogDamaged(LogError):
    """The text names segment file, offset and sequence."""


class LogFailed(LogError):
    """The process ends and does not try again: a second sync may report success for bytes that are lost."""


class Fenced(LogFailed):
    """What was in flight may not be acknowledged, although it is on this disk."""
