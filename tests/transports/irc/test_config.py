"""The operator's options."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from msgspec.structs import fields

from bridge.config import network_module
from transports.irc.config import IrcConfig, ServerConfig


@pytest.mark.parametrize("declaration", [IrcConfig, ServerConfig])
def test_every_option_is_documented_and_has_a_default(declaration):
    """The sample file is written from here."""
    for option in fields(declaration):
        metas = [meta for meta in get_args(option.type)[1:] if isinstance(meta, msgspec.Meta)]
        assert any(meta.description for meta in metas), option.name
        assert not option.required, option.name


def test_irc_is_found_by_name():
    """A gateway's ``network = "irc"`` leads here."""
    assert network_module("irc").CONFIG is IrcConfig


@pytest.mark.parametrize(
    "written",
    [
        {"ports": [0]},
        {"ports": [70000]},
        {"connect_rate": 0},
        {"max_servers": 0},
        {"portz": []},
        {"throttle_rate": -1},
    ],
)
def test_impossible_option_is_refused(written):
    """A mistake is found before anything is started."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(written, IrcConfig)
