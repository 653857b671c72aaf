"""What an operator may write of media."""

from __future__ import annotations

import msgspec
import pytest

from transports.sip.media.config import MediaConfig


def test_interfaces_and_addresses_are_taken():
    """As rtpengine is started with them."""
    config = msgspec.convert(
        {
            "rtpengine": ["127.0.0.1:22222", "[::1]:22222"],
            "sip_interface": "int",
            "xmpp_interface": "pub",
            "dtmf_listen": "127.0.0.1:22444",
        },
        MediaConfig,
    )
    assert (config.rtpengine[1], config.sip_interface) == ("[::1]:22222", "int")


@pytest.mark.parametrize(
    "wrong",
    [
        {"rtpengine": ["rtp.example:22222"]},
        {"sip_interface": "int"},
        {"xmpp_interface": "a/b", "sip_interface": "x"},
        {"dtmf_listen": "everywhere"},
        {"colour": "red"},
        {"relay_address": "1.2.3"},
        {"relay_address": "192.0.2.1", "rtpengine": ["127.0.0.1:22222"]},
        {"relay_address": "192.0.2.1", "relay_ports": [40000]},
        {"relay_address": "192.0.2.1", "relay_ports": [40000, 40398]},
        {"relay_address": "192.0.2.1", "relay_ports": [40399, 40000]},
    ],
)
def test_mistake_is_refused_where_it_is(wrong):
    """Before anything is started."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, MediaConfig)
