"""The account API's document says what it does: the same routes, bodies and answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cambist.account_api import errors
from cambist.account_api.openapi import document
from cambist.account_api.routes import PREFIX, ROUTES, Access
from cambist.errors import ExchangeError
from tests.clients import environments
from tests.integration.browsers import PASSWORD, Browser, Street, secret_of, street
from tests.integration.test_openapi import check

NEW = "another four plain words"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street(tmp_path_factory.mktemp("described")) as town:
        yield town


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document(ROUTES)))
    return made


class Checked:
    """A browser whose every answer is held against the document."""

    def __init__(self, browser: Browser, described: dict[str, Any]) -> None:
        self.browser = browser
        self._described = described
        self.seen: set[tuple[str, str]] = set()

    def __call__(self, method: str, path: str, body: Any = None, subject: str = "") -> Any:
        answer = self.browser.done(method, path.replace("{id}", subject), body)
        operation = self._described["paths"][PREFIX + path][method.lower()]
        check(answer, operation["responses"]["200"]["content"]["application/json"]["schema"], self._described)
        assert (body is not None) == ("requestBody" in operation)
        if body is not None:
            check(body, operation["requestBody"]["content"]["application/json"]["schema"], self._described)
        self.seen.add((method, PREFIX + path))
        return answer


def test_a_persons_whole_life_here_is_as_described(town, described):
    email, new_email = town.visitor(), "another@example.org"
    ann = town.browser()
    ask = Checked(ann, described)
    handle = ask("POST", "/sign-up", {"email": email, "password": PASSWORD})["handle"]
    ask("POST", "/sign-up/verify", {"handle": handle, "code": town.code_for(email)})
    ann.csrf = ask("POST", "/sign-in", {"email": email, "password": PASSWORD})["csrfToken"]
    ask("GET", "/session")
    ask("PUT", "/profile", {"language": "zh", "phrase": "blue heron"})
    ann.secret = secret_of(ask("POST", "/second-factor")["secret"])
    ask("POST", "/second-factor/confirm", {"code": ann.code()})
    ask("POST", "/session/prove", {"password": PASSWORD, "secondFactor": ann.code()})
    ask("POST", "/recovery-codes")
    key = ask("POST", "/api-keys", {"label": "bot", "scopes": ["read"]})["apiKey"]
    ask("GET", "/api-keys")
    ask("DELETE", "/api-keys/{id}", subject=key)
    wanted = {"network": "ethereum", "address": "0xab", "label": "cold"}
    entry = ask("POST", "/addresses", wanted)["id"]
    ask("GET", "/addresses")
    ask("DELETE", "/addresses/{id}", subject=str(entry))
    handles = ask("POST", "/email", {"newEmail": new_email})
    sent = handles | {"oldCode": town.code_for(email), "newCode": town.code_for(new_email)}
    ask("POST", "/email/confirm", sent)
    ann.csrf = ask("POST", "/password", {"newPassword": NEW})["csrfToken"]
    ask("DELETE", "/second-factor")
    ann.secret = b""
    other = town.browser()
    other.sign_in(new_email, NEW)
    ask("DELETE", "/sessions/{id}", subject=ask("GET", "/sessions")[0]["id"])
    ask("DELETE", "/sessions")
    ask("GET", "/sign-ins")
    ask("POST", "/freeze")
    ask("DELETE", "/session")
    handle = ask("POST", "/password/reset", {"email": new_email})["handle"]
    reset = {"handle": handle, "code": town.code_for(new_email), "newPassword": PASSWORD}
    ask("POST", "/password/reset/complete", reset)
    ask("GET", "/openapi")
    own = {key for key, route in ROUTES.items() if route.access is not Access.INTERNAL}
    with_networks = {key for key in own if key[1].startswith(f"{PREFIX}/wallet/")}  # test_rest_capital.py
    of_a_sandbox = {("GET", f"{PREFIX}/inbox"), ("POST", f"{PREFIX}/faucet")}  # test_demo_chain.py
    assert own - ask.seen - with_networks == of_a_sandbox


def test_a_refusal_is_as_described(town, described):
    answer = town.browser().ask("GET", "/session").json()
    check(answer, {"$ref": "#/components/schemas/Problem"}, described)


def test_the_document_keeps_to_openapi(described, tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_bytes(msgspec.json.encode(described))
    checked = environments.run("clients", tmp_path, "-m", "openapi_spec_validator", "openapi.json")
    assert checked.output.strip() == "openapi.json: OK"


def test_every_refusal_of_accounts_has_its_place_and_number():
    codes = {kind.code for kind in _kinds(ExchangeError) if kind.__module__.startswith(OURS)}
    assert codes <= errors.REFUSALS.keys() | IMPOSSIBLE_HERE
    numbers = [refusal.code for refusal in errors.REFUSALS.values()]
    assert len(numbers) == len(set(numbers))


OURS = ("cambist.accounts.", "cambist.account_api.")
# Of commands of an operator, or answered as another reason.
IMPOSSIBLE_HERE = {"email_taken", "user_unknown", "api_key_unknown", "not_allowed"}


def _kinds(kind: type[ExchangeError]) -> Iterator[type[ExchangeError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)
