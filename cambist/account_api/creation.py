"""A new user's account in the engine: asked for with the user's row, and again if that was cut off."""

from collections.abc import Callable

from sqlalchemy import Connection

from cambist.account_api.call import Office
from cambist.accounts import users
from cambist.accounts.users import User
from cambist.engine.events import Status
from cambist.errors import Unavailable
from cambist.match.courier import Post
from cambist.store.audit import Act

ACTOR = "sign-up"


def create_account(office: Office, prepare: Callable[[Connection], User], now_ns: int) -> None:
    """`prepare` gives the user, in the transaction that writes the command down.

    Raises Unavailable if the engine did not answer; the next sign-in asks again.
    """

    def post(db: Connection) -> Post:
        user = prepare(db)
        return Post(users.account_create(user), users.CREATED, str(user.id))

    answer = office.courier.send(Act(ACTOR, "user.create", {}, now_ns), post)
    if answer.status != Status.OK:
        raise Unavailable(f"the account could not be made ({Status(answer.status).name})")
