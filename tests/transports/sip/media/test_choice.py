"""Which back end carries a call's media."""

from __future__ import annotations

import pytest

from transports.sip.config import TrunkConfig
from transports.sip.media.backend import Demands, Protection
from transports.sip.media.choice import demands_of


@pytest.mark.parametrize(
    ("media", "demands"),
    [
        ("rtp", Demands(codecs=("PCMA",))),
        ("sdes", Demands(protection=Protection.SDES, codecs=("PCMA",))),
        ("dtls", Demands(protection=Protection.DTLS, codecs=("PCMA",))),
        ("direct", Demands(protection=Protection.DTLS, codecs=("PCMA",), is_direct=True)),
    ],
)
def test_peer_behind_a_trunk_gets_what_the_operator_says(media, demands):
    """How it is protected, and which codecs it is offered."""
    trunk = TrunkConfig(server="sip:pbx.example", media=media, codecs=("PCMA",))
    assert demands_of(trunk, 4) == demands


def test_peer_behind_no_trunk_gets_plain_media():
    """By its own version of IP."""
    assert demands_of(None, 6) == Demands(family=6)
