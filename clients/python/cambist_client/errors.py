"""What a request can come to other than an answer."""


class Refused(Exception):
    """The exchange understood the request and declined it. `code` is stable, the text is for people."""

    def __init__(self, status: int, code: int, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(f"{message} (code {code}, HTTP {status})")
        self.status, self.code, self.message = status, code, message
        self.retry_after_s = retry_after_s


class OutcomeUnknown(Exception):
    """Whether the request took effect is not known: ask for the order by its client id, then decide."""


class ConnectionLost(Exception):
    """A stream has ended. What was sent meanwhile is missed: take a fresh snapshot before going on."""
