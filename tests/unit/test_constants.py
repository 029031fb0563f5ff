"""The numbers in Python are the numbers in the engine, which exports its own."""

from enum import Enum

import pytest

from cambist import _matching
from cambist.engine import codes

EXPORTED = {
    "Kind": codes.Kind,
    "EventKind": codes.EventKind,
    "Status": codes.Status,
    "Side": codes.Side,
    "OrderType": codes.OrderType,
    "OrderState": codes.OrderState,
    "Contingency": codes.Contingency,
    "ListStatus": codes.ListStatus,
    "TimeInForce": codes.TimeInForce,
    "StpMode": codes.StpMode,
    "Role": codes.Role,
    "AccountClass": codes.AccountClass,
    "Permission": codes.Permission,
    "MarketStatus": codes.MarketStatus,
    "AssetStatus": codes.AssetStatus,
    "FeeComponent": codes.FeeComponent,
    "CloseReason": codes.CloseReason,
    "HoldTag": codes.HoldState,
    "CountdownState": codes.CountdownState,
}


@pytest.mark.parametrize("name", EXPORTED)
def test_python_has_the_engines_numbers(name):
    of_python: type[Enum] = EXPORTED[name]
    assert {each.name: each.value for each in of_python} == _matching.constants()[name]


def test_nothing_that_the_engine_exports_is_left_out():
    assert set(_matching.constants()) == set(EXPORTED)
