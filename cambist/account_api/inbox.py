"""The mails of a sandbox, for everybody to read: there is no mailbox behind its users' addresses."""

from cambist.account_api.bodies import Shown
from cambist.account_api.call import Call
from cambist.account_api.errors import NoSuchRoute
from cambist.account_api.shown import milliseconds
from cambist.accounts import mail, mail_words

NEWEST = 100


class MailShown(Shown):
    id: int
    to: str
    kind: str
    subject: str
    text: str
    sent_at: int


def newest(call: Call) -> list[MailShown]:
    """Where money is real there is nothing here."""
    if not call.office.settings.mode.sandbox:
        raise NoSuchRoute
    with call.office.records.read() as db:
        found = mail.newest(db, NEWEST)
    return [
        MailShown(each.id, each.to, each.kind.value, *mail_words.of(each), milliseconds(each.created_at_ns))
        for each in found
    ]
