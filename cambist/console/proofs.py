"""How a request proves that its sender holds a key, now."""

from typing import Any

import webauthn
from webauthn.helpers import base64url_to_bytes, options_to_json_dict
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from cambist.account_api.bodies import Body, Malformed
from cambist.staff.keys import Ed25519Proof, PasskeyProof, Proof, Site, StaffKey
from cambist.staff.people import Member

NAME = "Cambist console"


class PasskeyBody(Body, tag_field="kind", tag="webauthn"):
    """`credential` as the browser's toJSON gives it."""

    credential: dict[str, Any]


class Ed25519Body(Body, tag_field="kind", tag="ed25519"):
    """Both base64url, as `cambist staff sign` prints them."""

    public_key: str
    signature: str


ProofBody = PasskeyBody | Ed25519Body


def proof_of(body: ProofBody) -> Proof:
    if isinstance(body, PasskeyBody):
        return PasskeyProof(body.credential)
    return Ed25519Proof(bytes_of(body.public_key), bytes_of(body.signature))


def bytes_of(text: str) -> bytes:
    """Of base64url. Raises Malformed."""
    try:
        return base64url_to_bytes(text)
    except ValueError:
        raise Malformed("this is not base64url") from None


def creation_options(
    member: Member, challenge: bytes, site: Site, enrolled: list[StaffKey]
) -> dict[str, Any]:
    """What a browser makes a passkey with: one that asks its owner, and that is found without a name."""
    options = webauthn.generate_registration_options(
        rp_id=site.rp_id,
        rp_name=NAME,
        user_name=member.name,
        user_id=f"staff:{member.id}".encode(),
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=base64url_to_bytes(key.credential))
            for key in enrolled
            if key.kind == "webauthn"
        ],
    )
    made: dict[str, Any] = options_to_json_dict(options)
    return made
