"""Which family of chains a network is of."""

from cambist.errors import Refused
from cambist.signer import ethereum
from cambist.signer.family import Family

FAMILIES: dict[str, Family] = {"ETH": ethereum}


class NoFamily(Refused):
    code = "network_unknown"


def of(network: str) -> Family:
    """Raises NoFamily."""
    if network not in FAMILIES:
        raise NoFamily(f"nothing is known of a network {network[:16]!r}")
    return FAMILIES[network]
