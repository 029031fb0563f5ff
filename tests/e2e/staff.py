"""A member of the staff with an Ed25519 key of his own, at the console of a running exchange."""

from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from cambist.console.routes import PREFIX
from cambist.staff.keys import Purpose
from tests.e2e.harness import WAIT_SECONDS


class Colleague:
    """`link` is the one for the first sign-in; it is used up."""

    def __init__(self, name: str, link: str) -> None:
        self.name = name
        origin, _, code = link.partition("/#first=")
        self._key = Ed25519PrivateKey.generate()
        self._http = httpx.Client(
            base_url=origin + PREFIX,
            timeout=WAIT_SECONDS,
            headers={"origin": origin, "sec-fetch-site": "same-origin"},
        )
        wanted = self.done("POST", "/first/begin", {"code": code})
        proof = self._proof(Purpose.ENROL, wanted["challenge"])
        first = {"code": code, "challenge": wanted["challenge"], "label": f"{name}'s key", "proof": proof}
        self._http.headers["x-csrf-token"] = self.done("POST", "/first", first)["csrfToken"]

    @property
    def public_key(self) -> str:
        """As `cambist signer approver add` takes it."""
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self._http.request(method, path, **({} if body is None else {"json": body}))

    def done(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.ask(method, path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def approve(self, withdrawal: int) -> str:
        """Its state afterwards. What is signed is the digest that the console shows."""
        shown = self.done("GET", f"/withdrawals/{withdrawal}")
        assert shown["isUnchanged"]
        proof = self._proof(Purpose.APPROVE, shown["digest"])
        state: str = self.done("POST", f"/withdrawals/{withdrawal}/approve", {"proof": proof})["state"]
        return state

    def close(self) -> None:
        self._http.close()

    def _proof(self, purpose: Purpose, challenge: str) -> dict[str, str]:
        signature = self._key.sign(purpose.value + base64url_to_bytes(challenge))
        public_key = bytes_to_base64url(bytes.fromhex(self.public_key))
        return {"kind": "ed25519", "publicKey": public_key, "signature": bytes_to_base64url(signature)}
