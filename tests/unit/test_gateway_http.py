"""The HTTP server is the fast one, or it does not start."""

import sys
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.applications import Starlette

from cambist.gateway.http import BoundedProtocol, server_config
from cambist.settings import Server, Settings

SETTINGS = Settings(home=Path("/nowhere"), server=Server(host="127.0.0.1", port=8123))


def test_the_server_listens_where_the_settings_say_on_the_fast_parts():
    config = server_config(Starlette(), SETTINGS)
    assert (config.host, config.port) == ("127.0.0.1", 8123)
    assert config.loop == "uvloop"
    assert cast(Any, config.http).func is BoundedProtocol


@pytest.mark.parametrize("part", ["uvloop", "httptools"])
def test_a_fast_part_that_is_missing_stops_the_start(monkeypatch, part):
    monkeypatch.setitem(sys.modules, part, None)
    with pytest.raises(ImportError, match=part):
        server_config(Starlette(), SETTINGS)


def test_an_address_in_a_header_is_not_believed():
    assert server_config(Starlette(), SETTINGS).proxy_headers is False
