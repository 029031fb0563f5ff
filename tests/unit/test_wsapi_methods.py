"""Every method of the WebSocket API is answered by a REST endpoint: there is no second implementation."""

import pytest

from cambist.gateway.api import find
from cambist.gateway.wsapi.methods import METHODS
from cambist.gateway.wsapi.session import OWN_METHODS


@pytest.mark.parametrize("place", METHODS.values(), ids=METHODS)
def test_a_method_has_its_endpoint(place):
    assert find(*place).weight


def test_methods_of_the_connection_are_no_endpoints_by_another_name():
    assert not METHODS.keys() & OWN_METHODS.keys()
