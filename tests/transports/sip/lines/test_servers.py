"""The lines for Kamailio and Asterisk."""

from __future__ import annotations

from pathlib import Path

import pytest

from transports.sip.config import SipConfig, TrunkConfig
from transports.sip.lines.servers import GATEWAY, server_files

CONF = Path(__file__).parents[4] / "conf"
PBX = TrunkConfig(
    server="sip:pbx.example.org", users=("example.org",), caller_ids=("romeo@example.org 8100",)
)
DESK = TrunkConfig(server="sip:pbx.example.org", username="4711", owner="romeo@example.org")


def files(**values: object):
    return server_files(SipConfig(domain="sip.example.org", **{"trunks": {"pbx": PBX}, **values}))


def test_lines_under_conf_are_those_that_are_written() -> None:
    """Write them anew with: PYTHONPATH=. python conf/generate.py"""
    assert len(files()) == 2
    for name, text in files().items():
        assert (CONF / name).read_text("utf-8") == text


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ({}, f"{GATEWAY}:5060"),
        ({"advertised": "gw.example.org"}, "gw.example.org:5060"),
        ({"listen": ("tcp 10.0.0.1:5070", "udp 10.0.0.1:5080")}, "10.0.0.1:5080"),
        ({"listen": ("tcp [::]:5070",)}, f"{GATEWAY}:5070"),
    ],
)
def test_gateway_is_where_it_says_that_it_is(values: dict[str, object], address: str) -> None:
    """What is advertised, else where it listens."""
    assert all(f"sip:{address}" in text for text in files(**values).values())


def test_kamailio_knows_us_by_an_address() -> None:
    """What a name stands for it does not look up."""
    assert f'$si == "{GATEWAY}"' in files(advertised="gw.example.org")["kamailio.cfg"]
    assert '$si == "9.9.9.9"' in files(advertised="9.9.9.9")["kamailio.cfg"]


def test_users_with_a_number_are_called_by_it() -> None:
    """Those whom the number rings, and not who only shows as it."""
    rules = ("romeo@example.org +4930*1", "juliet@example.org 8101", "*@example.org 8999", "example.org 8998")
    trunk = TrunkConfig(server="sip:pbx.example.org", caller_ids=rules)
    text = files(trunks={"pbx": trunk})["kamailio.cfg"]
    assert '$rU =~ "^([+]4930[*]1|8101)$"' in text and "899" not in text
    assert "$rU =~" not in files(trunks={"pbx": TrunkConfig(server="sip:pbx.example.org")})["kamailio.cfg"]


def test_accounts_need_no_lines() -> None:
    """A server knows them as any telephone."""
    assert files(trunks={"desk": DESK}) == files(trunks={}) == {}
