"""A customer with a browser's cookies, from sign-up to the wallet, against a running exchange."""

import base64
import re
import time
from typing import Any

import httpx

from cambist.accounts import totp
from tests.e2e.harness import WAIT_SECONDS

PASSWORD = "four plain words here"
API = "/api/account/v1"
PROVEN_SPARE_S = 60


class Customer:
    """Signed up, verified by mail and signed in."""

    def __init__(self, url: str, email: str) -> None:
        self.email = email
        self._http = httpx.Client(
            base_url=url, timeout=WAIT_SECONDS, headers={"sec-fetch-site": "same-origin"}
        )
        self._secret = b""
        self._step = 0
        handle = self.done("POST", "/sign-up", {"email": email, "password": PASSWORD})["handle"]
        self.done("POST", "/sign-up/verify", {"handle": handle, "code": self._mailed_code()})
        session = self.done("POST", "/sign-in", {"email": email, "password": PASSWORD})
        self._http.headers["x-csrf-token"] = session["csrfToken"]

    def done(self, method: str, path: str, body: Any = None) -> Any:
        return self._asked(method, API + path, **({} if body is None else {"json": body}))

    def trade(self, method: str, path: str, **parameters: str) -> Any:
        """At the trading API, as the page does it: with the session."""
        return self._asked(method, path, params=parameters)

    def free(self, asset: str) -> str:
        balances = self.trade("GET", "/api/v3/account")["balances"]
        return next((str(row["free"]) for row in balances if row["asset"] == asset), "0")

    def locked(self, asset: str) -> str:
        balances = self.trade("GET", "/api/v3/account")["balances"]
        return next((str(row["locked"]) for row in balances if row["asset"] == asset), "0")

    def deposit_address(self, network: str = "ETH") -> str:
        address: str = self.done("POST", "/wallet/deposit-addresses", {"network": network})["address"]
        return address

    def set_up_second_factor(self) -> None:
        begun = self.done("POST", "/second-factor")["secret"]
        self._secret = base64.b32decode(begun + "=" * (-len(begun) % 8))
        self.done("POST", "/second-factor/confirm", {"code": self._code()})

    def prove(self) -> None:
        self.done("POST", "/session/prove", {"password": PASSWORD, "secondFactor": self._code()})

    def withdraw(self, asset: str, address: str, amount: str, network: str = "ETH") -> int:
        """Its id. The address is entered into the book first."""
        if self.done("GET", "/session")["provenUntil"] < (time.time() + PROVEN_SPARE_S) * 1_000:
            self.prove()
        entry = self.done(
            "POST", "/addresses", {"network": network, "address": address, "tag": "", "label": "mine"}
        )
        wanted = {"asset": asset, "network": network, "addressId": entry["id"], "amount": amount}
        number: int = self.done("POST", "/wallet/withdrawals", wanted)["id"]
        return number

    def withdrawal(self, number: int) -> Any:
        return next(each for each in self.done("GET", "/wallet/withdrawals") if each["id"] == number)

    def close(self) -> None:
        self._http.close()

    def _asked(self, method: str, path: str, **content: Any) -> Any:
        answer = self._http.request(method, path, **content)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def _mailed_code(self) -> str:
        mail = next(each for each in self.done("GET", "/inbox") if each["to"] == self.email)
        found = re.search(r"\d{8}", mail["text"])
        assert found, mail
        return found[0]

    def _code(self) -> str:
        """Each step's code counts once, so the next step is waited for."""
        while (step := int(time.time()) // totp.STEP_S) <= self._step:
            time.sleep(0.2)
        self._step = step
        return totp.code_at(self._secret, step)
