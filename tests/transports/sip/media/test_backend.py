"""What a SIP peer may demand of its media."""

from __future__ import annotations

from transports.sip.media.backend import Demands, Protection


def test_demands_of_a_plain_peer_are_none() -> None:
    """Most peers speak RTP without protection, and any codec is left to them."""
    assert Demands() == Demands(protection=Protection.NONE, codecs=())
