"""The signer as a process: set up at its console, asked over its socket, killed, and another user's."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from cambist.errors import Unavailable
from cambist.frames import LENGTH
from cambist.match import recovery
from cambist.settings import Settings
from cambist.signer import calls
from cambist.signer.client import SignerAway, SignerClient, SignerDeclined
from cambist.signer.payment import Payment
from tests.integration.operator import CAMBIST, Operator
from tests.integration.other_user import only_root, open_place
from tests.signer.bench import CHAIN_ID, ETHER, TERMS, Person, payment

WITHIN_S = 120
ANN = Person("ann")


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Operator:
    operator = Operator(tmp_path_factory.mktemp("signer") / "home")
    operator.ask("init", "--sandbox")
    set_up(operator)
    return operator


def set_up(operator: Operator) -> None:
    """As an operator does at the signer's console."""
    operator.ask("signer", "init")
    fees = ["--fee-max", str(ETHER // 10), "--fee-day-max", str(ETHER)]
    operator.ask("signer", "network", "ETH", "--chain-id", str(CHAIN_ID), *fees)
    caps = ["--per-payment", str(ETHER), "--per-hour", str(ETHER), "--per-day", str(ETHER)]
    operator.ask("signer", "limits", "ETH", *caps, "--two-above", str(ETHER))
    operator.ask("signer", "approver", "add", "ann", "--key", ANN.public_key.hex())


@contextmanager
def serving(operator: Operator, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [CAMBIST, "serve", "signer"],
        env=os.environ | operator.environment | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def client_of(operator: Operator) -> SignerClient:
    """When it answers."""
    client = SignerClient(Settings.load(operator.home).signer_socket)
    deadline_s = time.monotonic() + WITHIN_S
    while True:
        try:
            client.describe()
            return client
        except Unavailable:
            assert time.monotonic() < deadline_s, "the signer does not answer"
            time.sleep(0.05)


def ours(operator: Operator, **changed: object) -> Payment:
    exchange = recovery.log_id(Settings.load(operator.home).log_directory).hex()
    return payment(exchange=exchange, **changed)


def test_what_the_console_sets_up_is_what_is_signed_by(operator: Operator) -> None:
    shown = operator.ask("signer", "verify")
    with serving(operator):
        client = client_of(operator)
        (network,) = client.describe().networks.values()
        assert (network.hot_address, network.xpub) == (shown["hot_address"], shown["deposits_xpub"])
        assert client.derive("ETH", [0, 1]) == [*client.derive("ETH", [0]), *client.derive("ETH", [1])]
        wanted = ours(operator, withdrawal=1)
        with pytest.raises(SignerDeclined) as declined:
            client.sign_withdrawal(wanted, [], TERMS)
        assert declined.value.reason == "not_approved"
        assert client.sign_withdrawal(wanted, [ANN.approves(wanted)], TERMS).txid


def test_killed_at_any_time_it_gives_the_same_bytes_again(operator: Operator) -> None:
    wanted = ours(operator, withdrawal=1)
    approval = ANN.approves(wanted)
    with serving(operator):
        first = client_of(operator).sign_withdrawal(wanted, [approval], TERMS)
    client = SignerClient(Settings.load(operator.home).signer_socket)
    with pytest.raises(SignerAway):
        client.sign_withdrawal(wanted, [approval], TERMS)
    with serving(operator):
        client = client_of(operator)
        assert client.sign_withdrawal(wanted, [approval], TERMS) == first
        assert [each.txid for each in client.recall("ETH", 0)] == [first.txid]


def test_a_call_that_is_cut_off_or_nonsense_harms_nobody_else(operator: Operator) -> None:
    with serving(operator):
        client = client_of(operator)
        path = str(Settings.load(operator.home).signer_socket)
        whole = msgspec.json.encode(calls.Describe())
        cut_off = LENGTH.pack(len(whole)) + whole[:-1]
        for sent in (b"", b"\x01", LENGTH.pack(1 << 30), cut_off, LENGTH.pack(3) + b"{}}"):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)
                connection.sendall(sent)
        assert client.describe().networks


def test_a_second_signer_on_the_same_keys_does_not_start(operator: Operator) -> None:
    with serving(operator):
        client_of(operator)
        with serving(operator) as second:
            assert second.wait(WITHIN_S) != 0
        assert client_of(operator).describe().networks


@only_root
def test_the_signer_of_root_is_another_user_and_so_are_its_files() -> None:
    with open_place(0o711) as place:
        operator = Operator(place / "home")
        operator.ask("init", "--sandbox")
        directory = place / "signer"
        as_nobody = {"CAMBIST_SIGNER_USER": "nobody", "CAMBIST_SIGNER_DIRECTORY": str(directory)}
        made = subprocess.run(
            [CAMBIST, "signer", "init", "--json"],
            env=os.environ | operator.environment | as_nobody,
            capture_output=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        owners = {file.stat().st_uid for file in [directory, *directory.iterdir()]}
        assert owners == {directory.stat().st_uid} and 0 not in owners
        assert all(file.stat().st_mode & 0o077 == 0 for file in directory.iterdir())
        with serving(operator, **as_nobody) as process:
            client = SignerClient(directory / "signer.sock")
            deadline_s = time.monotonic() + WITHIN_S
            while True:
                try:
                    assert client.describe().exchange
                    break
                except Unavailable:
                    assert process.poll() is None and time.monotonic() < deadline_s
                    time.sleep(0.05)
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert f"Uid:\t{directory.stat().st_uid}\t" in status
