"""What an operator may write."""

from __future__ import annotations

import msgspec
import pytest

from transports.sip.config import SipConfig

GOOD = {"domain": "sip.example.org"}


def read(**more: object) -> SipConfig:
    return msgspec.convert({**GOOD, **more}, SipConfig)


def test_default_is_to_speak_with_nobody() -> None:
    """Neither federation nor trunks nor private addresses."""
    config = read()
    assert (config.federation, config.trunks, config.allowed_peers) == (False, {}, ())
    assert config.listen == ("udp 0.0.0.0:5060", "tcp 0.0.0.0:5060") and "112" in config.emergency


@pytest.mark.parametrize(
    "wrong",
    [
        {"domain": "Sip Example"},
        {"listen": ["udp localhost:5060"]},
        {"listen": []},
        {"listen": ["sctp 127.0.0.1:5060"]},
        {"allowed_peers": ["everybody"]},
        {"nameservers": ["dns.example"]},
        {"trunks": {"pbx": {"server": "pbx.example.org"}}},
        {"trunks": {"pbx": {"server": "sip:bob@pbx.example.org"}}},
        {"trunks": {"pbx": {"server": "sip:pbx.example.org", "expires": 1}}},
        {"trunks": {"pbx": {"server": "sip:pbx.example.org", "colour": "red"}}},
        {"trunks": {"pbx": {"server": "sip:::1"}}},
        {"trunks": {"pbx": {"server": "sip:pbx.example.org", "register": True}}},
        {"trunks": {"pbx": {"server": "sip:pbx.example.org", "owner": "romeo@example.org"}}},
        {
            "trunks": {
                "pbx": {"server": "sip:pbx.example.org", "username": "1", "owner": "Romeo@example.org/a"}
            }
        },
        {"trunks": {"pbx": {"server": "", "domain": "pbx.example.org"}}},
        {"trunks": {"pbx": {"server": "sip:pbx.example.org", "inbound_username": "pbx"}}},
        {"trunks": {"pbx": {"server": "", "inbound_username": "pbx", "inbound_password": "word"}}},
        {"listen": ["tls 127.0.0.1:5061"]},
        {"listen": ["wss 127.0.0.1:443"]},
        {"websocket_proxies": ["127.0.0.1/64"]},
        {"trunks": {"pbx": {"server": "wss://pbx.example.org:0/ws"}}},
        {"allowed_peers": ["10.0.0.0/64"]},
    ],
)
def test_mistake_is_refused_where_it_is(wrong: dict[str, object]) -> None:
    """Before anything is started."""
    with pytest.raises(msgspec.ValidationError):
        read(**wrong)
