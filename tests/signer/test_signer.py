"""The signer, asked by somebody who has everything of the exchange but an approver's key."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_keys.datatypes import PrivateKey
from hexbytes import HexBytes

from cambist.errors import Refused
from cambist.signer import console, ethereum, families, keystore, store
from cambist.signer.approvals import NotApproved
from cambist.signer.calls import Declined, Recall, Recalled, Signed, SignGas, SignSweep, SignWithdrawal, Terms
from cambist.signer.family import AddressRefused, AmountRefused
from cambist.signer.keystore import Keystore, KeystoreUnusable
from cambist.signer.server import SignerServer
from cambist.signer.service import DAY_NS, HOUR_NS, OverLimit, SignedOtherwise, Signer, WrongExchange
from cambist.signer.store import NotSetUp
from tests.signer.bench import (
    CHAIN_ID,
    ETHER,
    GWEI,
    SOMEBODY,
    TERMS,
    TOKEN,
    Bench,
    Person,
    make_bench,
    payment,
)

TOKEN_TERMS = Terms(nonce=0, gas=100_000, max_fee=100 * GWEI, priority_fee=GWEI)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


def read(signed: Signed) -> dict[str, Any]:
    return TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()


def test_an_approved_payment_is_signed_as_asked(bench: Bench) -> None:
    signed = bench.sign(payment(), bench.ann)
    said = read(signed)
    assert (said["nonce"], said["value"], said["chainId"]) == (0, ETHER, CHAIN_ID)
    assert "0x" + bytes(said["to"]).hex() == SOMEBODY and bytes(said["data"]) == b""
    assert Account.recover_transaction(signed.raw).lower() == bench.keys.hot.address


def test_a_token_leaves_by_transfer_and_by_nothing_else(bench: Bench) -> None:
    signed = bench.sign(payment(asset="ETP", contract=TOKEN), bench.ann, terms=TOKEN_TERMS)
    said = read(signed)
    assert "0x" + bytes(said["to"]).hex() == TOKEN and said["value"] == 0
    words = "a9059cbb" + SOMEBODY[2:].rjust(64, "0") + f"{ETHER:064x}"
    assert bytes(said["data"]).hex() == words


def test_without_an_approval_nothing_is_signed(bench: Bench) -> None:
    with pytest.raises(NotApproved):
        bench.sign(payment())


def test_full_write_access_without_an_approvers_key_does_not_make_the_signer_sign(bench: Bench) -> None:
    """Whoever owns database and processes can send any call: forged names, keys of his own, old approvals."""
    thief = Person("ann")
    good = bench.ann.approves(payment())
    paid = bench.sign(payment(), bench.ann)
    assert paid.txid
    for approvals in (
        [],
        [thief.approves(payment(withdrawal=2))],
        [thief.approves_by_passkey(payment(withdrawal=2))],
        [good],  # of another withdrawal
        [good, good],
        [msgspec.structs.replace(good, approver="nobody")],
        [msgspec.structs.replace(good, kind="root")],
        [msgspec.structs.replace(good, signature=bytes(64))],
        [msgspec.structs.replace(good, signature=b"")],
    ):
        call = SignWithdrawal(
            payment=payment(withdrawal=2), approvals=approvals, terms=msgspec.structs.replace(TERMS, nonce=1)
        )
        with pytest.raises(NotApproved):
            bench.signer.answer(call)
    with bench.own.read() as db:
        assert len(db.execute(store.signed.select()).all()) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"withdrawal": 2},
        {"exchange": "ac" * 16},
        {"network": "ETI"},
        {"chain_id": CHAIN_ID + 1},
        {"asset": "ETI"},
        {"contract": TOKEN},
        {"address": SOMEBODY[:-1] + "c"},
        {"tag": "1"},
        {"amount_units": ETHER + 1},
        {"fee_atoms": 100_001},
    ],
    ids=lambda changed: str(next(iter(changed))),
)
def test_W04_one_byte_changed_after_the_approval_is_not_signed(bench: Bench, changed: dict[str, Any]) -> None:
    approval = bench.ann.approves(payment())
    call = SignWithdrawal(payment=payment(**changed), approvals=[approval], terms=TERMS)
    with pytest.raises(Refused) as refused:
        bench.signer.answer(call)
    assert isinstance(refused.value, NotApproved | WrongExchange | NotSetUp)
    assert payment(**changed).digest() != payment().digest()


def test_a_digest_is_of_the_canonical_json_and_stays_what_it_is() -> None:
    said = (
        '{"address":"0x5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b","amount":"1000000000000000000",'
        '"asset":"ETH","chain_id":31337,"contract":"","exchange":"abababababababababababababababab",'
        '"fee_atoms":"100000","network":"ETH","tag":"","version":1,"withdrawal":1}'
    )
    assert payment().digest() == hashlib.sha256(said.encode()).digest()
    assert json.loads(said)["amount"] == str(ETHER)


def test_W07_above_the_threshold_two_different_people_approve(bench: Bench) -> None:
    big = payment(amount_units=2 * ETHER + 1)
    for too_few in ([bench.ann], [bench.ann, bench.ann]):
        with pytest.raises(NotApproved):
            bench.sign(big, *too_few)
    by_both_keys = [bench.ann.approves(big), bench.ann.approves_by_passkey(big)]
    with pytest.raises(NotApproved):
        bench.signer.answer(SignWithdrawal(payment=big, approvals=by_both_keys, terms=TERMS))
    assert bench.sign(big, bench.ann, bench.bob).txid
    assert bench.sign(
        payment(withdrawal=2, amount_units=2 * ETHER),
        bench.ann,
        terms=msgspec.structs.replace(TERMS, nonce=1),
    ).txid


def test_W07_a_key_cannot_be_enrolled_for_two_people(bench: Bench) -> None:
    with bench.own.write() as db, pytest.raises(console.KeyKnown):
        console.add_approver(db, "eve", "ed25519", bench.ann.public_key)


def test_who_was_removed_approves_nothing_any_more(bench: Bench) -> None:
    with bench.own.write() as db:
        console.remove_approver(db, "ann")
    with pytest.raises(NotApproved):
        bench.sign(payment(), bench.ann)
    assert bench.sign(payment(), bench.bob).txid


def test_a_rotated_key_counts_and_the_old_one_does_not(bench: Bench) -> None:
    new = Person("ann")
    with bench.own.write() as db:
        console.rotate_approver(db, "ann", "ed25519", new.public_key)
    with pytest.raises(NotApproved):
        bench.sign(payment(), bench.ann)
    assert bench.sign(payment(), new).txid


def test_a_passkey_approves_with_the_digest_as_its_challenge(bench: Bench) -> None:
    approval = bench.ann.approves_by_passkey(payment())
    call = SignWithdrawal(payment=payment(), approvals=[approval], terms=TERMS)
    assert isinstance(bench.signer.answer(call), Signed)


@pytest.mark.parametrize(
    "how",
    [
        {"origin": "https://evil.example"},
        {"rp_id": "evil.example"},
        {"flags": 0b001},
        {"flags": 0b100},
    ],
    ids=["origin", "rp_id", "not-verified", "not-present"],
)
def test_a_passkey_used_elsewhere_or_without_its_owner_does_not_count(
    bench: Bench, how: dict[str, Any]
) -> None:
    approval = bench.ann.approves_by_passkey(payment(), **how)
    with pytest.raises(NotApproved):
        bench.signer.answer(SignWithdrawal(payment=payment(), approvals=[approval], terms=TERMS))


def test_the_same_request_gives_the_same_bytes(bench: Bench) -> None:
    first = bench.sign(payment(), bench.ann)
    assert bench.sign(payment(), bench.ann) == first
    again = Signer(bench.keys, bench.own, bench.clock)
    assert (
        again.answer(
            SignWithdrawal(payment=payment(), approvals=[bench.ann.approves(payment())], terms=TERMS)
        )
        == first
    )


def test_W02_a_withdrawal_is_never_signed_for_another_nonce(bench: Bench) -> None:
    bench.sign(payment(), bench.ann)
    with pytest.raises(SignedOtherwise):
        bench.sign(payment(), bench.ann, terms=msgspec.structs.replace(TERMS, nonce=1))


def test_W06_a_nonce_never_pays_for_two_things(bench: Bench) -> None:
    bench.sign(payment(), bench.ann)
    with pytest.raises(SignedOtherwise):
        bench.sign(payment(withdrawal=2), bench.ann)
    with pytest.raises(SignedOtherwise):
        bench.signer.answer(SignGas(network="ETH", index=3, amount_units=ETHER // 100, terms=TERMS))


def test_W03_a_raised_fee_keeps_nonce_recipient_and_amount(bench: Bench) -> None:
    first = read(bench.sign(payment(), bench.ann))
    for times in range(2, 7):
        dearer = msgspec.structs.replace(TERMS, max_fee=TERMS.max_fee * times, priority_fee=GWEI * times)
        bumped = read(bench.sign(payment(), bench.ann, terms=dearer))
        assert {name: bumped[name] for name in ("nonce", "to", "value", "data")} == {
            name: first[name] for name in ("nonce", "to", "value", "data")
        }
        assert bumped["maxFeePerGas"] == dearer.max_fee
    with pytest.raises(SignedOtherwise):
        bench.sign(payment(), bench.ann, terms=msgspec.structs.replace(TERMS, max_fee=TERMS.max_fee - 1))


def test_W15_fees_are_capped_for_one_payment_for_a_day_and_by_what_is_paid(bench: Bench) -> None:
    at_most = ETHER // 10 // 21_000
    dear = msgspec.structs.replace(TERMS, max_fee=at_most + 1)
    with pytest.raises(OverLimit):
        bench.sign(payment(), bench.ann, terms=dear)
    small = payment(amount_units=2 * TERMS.fee_max_units - 1)
    with pytest.raises(OverLimit):
        bench.sign(small, bench.ann)
    assert bench.sign(payment(amount_units=2 * TERMS.fee_max_units), bench.ann).txid
    for number in range(2, 12):  # ten of a tenth are the day's ether, of which the first has had a part
        terms = msgspec.structs.replace(TERMS, nonce=number, max_fee=at_most)
        if number < 11:
            bench.sign(payment(withdrawal=number), bench.ann, terms=terms)
        else:
            with pytest.raises(OverLimit):
                bench.sign(payment(withdrawal=number), bench.ann, terms=terms)


@pytest.mark.parametrize(
    "terms", [{"gas": 500_001, "max_fee": 1, "priority_fee": 1}, {"priority_fee": 101 * GWEI}]
)
def test_W15_gas_and_tip_out_of_all_proportion_are_not_signed(bench: Bench, terms: dict[str, int]) -> None:
    with pytest.raises(OverLimit):
        bench.sign(payment(), bench.ann, terms=msgspec.structs.replace(TERMS, **terms))


def test_W09_the_signers_own_caps_hold_whatever_is_approved(bench: Bench) -> None:
    both = (bench.ann, bench.bob)
    with pytest.raises(OverLimit):
        bench.sign(payment(amount_units=10 * ETHER + 1), *both)

    def take(number: int) -> None:
        terms = msgspec.structs.replace(TERMS, nonce=number)
        bench.sign(payment(withdrawal=number, amount_units=10 * ETHER), *both, terms=terms)

    take(0)
    take(1)
    with pytest.raises(OverLimit, match="hour"):
        take(2)
    bench.clock.advance(HOUR_NS)
    take(2)
    take(3)
    bench.clock.advance(HOUR_NS)
    with pytest.raises(OverLimit, match="day"):
        take(4)
    bench.clock.advance(DAY_NS)
    take(4)


def test_W09_a_raised_fee_does_not_count_twice_against_the_cap(bench: Bench) -> None:
    big = payment(amount_units=10 * ETHER)
    for times in range(1, 4):
        terms = msgspec.structs.replace(TERMS, max_fee=TERMS.max_fee * times)
        bench.sign(big, bench.ann, bench.bob, terms=terms)
    terms = msgspec.structs.replace(TERMS, nonce=1)
    assert bench.sign(payment(withdrawal=2, amount_units=10 * ETHER), bench.ann, bench.bob, terms=terms).txid


def test_W05_a_call_has_no_place_for_calldata(bench: Bench) -> None:
    """delegatecall, setOwner, approve, upgrade, multisend: none can be asked for, nor hidden in a field."""
    server = SignerServer(bench.signer, frozenset())
    plain = msgspec.json.encode(
        SignWithdrawal(payment=payment(), approvals=[bench.ann.approves(payment())], terms=TERMS)
    )
    corpus = [b"095ea7b3", b"13af4035", b"3659cfe6", b"8d80ff0a", b"f2fde38b"]
    for selector in corpus:
        data = b'"data":"0x' + selector + b"00" * 64 + b'",'
        for place in (b'"payment":{', b'"terms":{', b"{"):
            forged = plain.replace(place, place + data, 1)
            answer = server.answer(forged)
            assert isinstance(answer, Declined) and answer.code == "malformed"
    for field in ("address", "contract"):
        odd = payment(**{field: "0x" + "095ea7b3" + "00" * 64})
        call = SignWithdrawal(payment=odd, approvals=[bench.ann.approves(odd)], terms=TERMS)
        answer = server.answer(msgspec.json.encode(call))
        assert isinstance(answer, Declined) and answer.code in ("address_refused", "signer_not_set_up")
    with bench.own.read() as db:
        assert not db.execute(store.signed.select()).all()


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"call":"sign"}',
        b'{"call":"describe","more":1}',
        b"\xff\xfe",
        b"[" * 10_000,
    ],
    ids=range(8),
)
def test_what_is_no_call_is_declined(bench: Bench, frame: bytes) -> None:
    answer = SignerServer(bench.signer, frozenset()).answer(frame)
    assert isinstance(answer, Declined) and answer.code == "malformed"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "0x",
        "0x" + "00" * 20,
        "0x" + "00" * 19 + "01",
        "0x" + "00" * 18 + "ffff",
        "5b" * 20,
        "0X" + "5b" * 20,
        "0x" + "5B" * 20,
        "0x" + "5b" * 19,
        "0x" + "5b" * 21,
        "0x" + "5g" * 20,
        "0x" + "5b" * 19 + "5\n",
        TOKEN,
    ],
)
def test_W16_nothing_is_sent_where_nobody_can_move_it(bench: Bench, address: str) -> None:
    odd = payment(address=address, contract=TOKEN)
    with pytest.raises(AddressRefused):
        bench.sign(odd, bench.ann, terms=TOKEN_TERMS)


def test_W16_nothing_is_sent_to_the_hot_address_itself(bench: Bench) -> None:
    with pytest.raises(AddressRefused):
        bench.sign(payment(address=bench.keys.hot.address), bench.ann)


def test_D31_a_sweep_goes_to_the_hot_address_and_from_no_unknown_token(bench: Bench) -> None:
    swept = bench.signer.answer(
        SignSweep(network="ETH", index=7, contract="", amount_units=ETHER, terms=TERMS)
    )
    assert isinstance(swept, Signed)
    assert "0x" + bytes(read(swept)["to"]).hex() == bench.keys.hot.address
    assert Account.recover_transaction(swept.raw).lower() == bench.keys.deposit(7).address
    token = SignSweep(
        network="ETH", index=7, contract="0x" + "66" * 20, amount_units=ETHER, terms=TOKEN_TERMS
    )
    with pytest.raises(NotSetUp):
        bench.signer.answer(token)


def test_D31_what_was_signed_is_read_again_before_it_leaves(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that loses the recipient, as one did with 67,317 ether."""
    sign = Account.sign_transaction

    def faulty(transaction: dict[str, Any], key: object) -> object:
        return sign(transaction | {"to": b""}, key)

    monkeypatch.setattr(Account, "sign_transaction", faulty)
    with pytest.raises(BaseException, match="another to"):
        bench.sign(payment(), bench.ann)


def test_gas_goes_to_a_deposit_address_and_no_more_than_it_takes(bench: Bench) -> None:
    call = SignGas(network="ETH", index=7, amount_units=ETHER // 100, terms=TERMS)
    signed = bench.signer.answer(call)
    assert isinstance(signed, Signed)
    assert "0x" + bytes(read(signed)["to"]).hex() == bench.keys.deposit(7).address
    with pytest.raises(OverLimit):
        bench.signer.answer(msgspec.structs.replace(call, amount_units=ETHER // 100 + 1))


@pytest.mark.parametrize("amount", [0, -1, 1 << 256])
def test_an_amount_that_no_transaction_can_carry_is_not_signed(bench: Bench, amount: int) -> None:
    bench.set_limits(per_payment=1 << 300, per_hour=1 << 300, per_day=1 << 300)
    with pytest.raises((AmountRefused, OverLimit)):
        bench.sign(payment(amount_units=amount), bench.ann, bench.bob)
    with pytest.raises(AmountRefused):
        ethereum.pay(bench.keys.hot, CHAIN_ID, "", SOMEBODY, amount, TERMS)


def test_it_recalls_what_it_signed_for_the_hot_address(bench: Bench) -> None:
    first = bench.sign(payment(), bench.ann)
    second = bench.sign(payment(withdrawal=2), bench.bob, terms=msgspec.structs.replace(TERMS, nonce=1))
    bench.signer.answer(SignSweep(network="ETH", index=7, contract="", amount_units=ETHER, terms=TERMS))
    for from_nonce, expected in ((0, [first, second]), (1, [second]), (2, [])):
        recalled = bench.signer.answer(Recall(network="ETH", from_nonce=from_nonce))
        assert isinstance(recalled, Recalled)
        assert [each.txid for each in recalled.signed] == [each.txid for each in expected]


def test_keys_are_the_standard_derivation_of_the_words(tmp_path: Path) -> None:
    file = tmp_path / "keystore.key"
    keys = Keystore.create(tmp_path, file)
    words = keystore.words(tmp_path, file)
    Account.enable_unaudited_hdwallet_features()
    hot, deposit = (
        Account.from_mnemonic(words, account_path=path).address.lower()
        for path in ("m/44'/60'/0'/0/0", "m/44'/60'/1'/0/7")
    )
    assert (keys.hot.address, keys.deposit(7).address) == (hot, deposit)


def test_keys_are_never_overwritten_and_open_with_their_own_key_file_only(tmp_path: Path) -> None:
    file = tmp_path / "keystore.key"
    made = Keystore.create(tmp_path, file)
    assert Keystore.open(tmp_path, file).hot.address == made.hot.address
    with pytest.raises(KeystoreUnusable):
        Keystore.create(tmp_path, file)
    other = tmp_path / "other.key"
    other.write_text("another")
    with pytest.raises(KeystoreUnusable, match="sealed with another"):
        Keystore.open(tmp_path, other)


def test_W23_no_secret_is_readable_on_disk_or_shown(bench: Bench, tmp_path: Path) -> None:
    bench.signer = Signer(Keystore.create(tmp_path, tmp_path / "keystore.key"), bench.own, bench.clock)
    bench.keys = Keystore.open(tmp_path, tmp_path / "keystore.key")
    secrets = [bench.keys.hot.private.to_bytes(), bench.keys.deposit(0).private.to_bytes()]
    words = keystore.words(tmp_path, tmp_path / "keystore.key")
    bench.sign(payment(), bench.ann)
    said = repr(bench.keys.hot) + repr(bench.keys.deposit(0))
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file()) + said.encode()
    for secret in secrets:
        assert secret not in content and secret.hex().encode() not in content
    assert words.encode() not in content
    assert (tmp_path / "keystore.json").stat().st_mode & 0o077 == 0
    assert (tmp_path / "keystore.key").stat().st_mode & 0o077 == 0


def test_W23_a_process_with_keys_leaves_no_core_and_lets_nobody_attach(tmp_path: Path) -> None:
    (tmp_path / "signer").mkdir()
    asked = """
import ctypes, resource, sys
from pathlib import Path
from cambist.settings import Settings
from cambist.signer.setup import become_owner
become_owner(Settings(home=Path(sys.argv[1])))
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE
"""
    command = [sys.executable, "-P", "-c", asked, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert said == "(0, 0) 0\n"


# Half of the group's order (SEC 2, secp256k1): the larger of both values of s is refused by nodes (EIP-2).
HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2


@pytest.mark.parametrize("count", [3_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_W22_no_two_payments_share_their_r_and_s_is_low(bench: Bench, count: int) -> None:
    """Of all that one key signs: with one r twice, anybody could compute the key."""
    seen: set[int] = set()
    for nonce in range(count):
        terms = msgspec.structs.replace(TERMS, nonce=nonce)
        said = read(ethereum.pay(bench.keys.hot, CHAIN_ID, "", SOMEBODY, ETHER, terms))
        assert 0 < int(said["s"]) <= HALF_ORDER
        seen.add(int(said["r"]))
    assert len(seen) == count


def test_W22_the_same_payment_has_the_same_signature(bench: Bench) -> None:
    """RFC 6979: what is signed decides the nonce, no random number does."""
    one, again = (ethereum.pay(bench.keys.hot, CHAIN_ID, "", SOMEBODY, ETHER, TERMS) for _ in range(2))
    assert one == again


def test_W22_the_signature_of_a_known_vector(bench: Bench) -> None:
    """Secret key 1, message 'Satoshi Nakamoto': a well-known RFC 6979 vector for secp256k1."""
    key = PrivateKey((1).to_bytes(32, "big"))
    signature = key.sign_msg_hash(hashlib.sha256(b"Satoshi Nakamoto").digest())
    assert f"{signature.r:064x}" == "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
    assert f"{signature.s:064x}" == "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"


def test_W22_there_is_no_nonce_code_of_our_own() -> None:
    source = "".join(file.read_text() for file in Path("cambist/signer").glob("*.py"))
    assert not re.search(r"\bgenerate_k\b|rfc6979|ecdsa_raw|import random|from random", source)


def test_a_network_keeps_its_chain_and_what_has_no_limits_is_not_signed(bench: Bench) -> None:
    with bench.own.write() as db, pytest.raises(console.ValueRefused):
        console.set_network(db, store.network(db, "ETH")._replace(chain_id=1))
    with pytest.raises(NotSetUp):
        bench.sign(payment(contract="0x" + "66" * 20), bench.ann)


def test_a_network_of_which_nothing_is_known_is_not_entered(bench: Bench) -> None:
    with bench.own.write() as db, pytest.raises(families.NoFamily):
        console.set_network(db, store.network(db, "ETH")._replace(name="OTHER"))
