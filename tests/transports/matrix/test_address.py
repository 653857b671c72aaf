"""What a local part is addressed to."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.network import ContactAddress, GatewayAddress, RoomAddress
from transports.matrix.address import Addresses

ADDRESSES = Addresses("hs.example")


@pytest.mark.parametrize(
    ("local", "address"),
    [
        ("", GatewayAddress()),
        ("#room:hs.example", RoomAddress("#room:hs.example", "")),
        ("#room%hs.example", RoomAddress("#room%hs.example", "")),
        (r"!a\42:hs.example", RoomAddress(r"!a\42:hs.example", "")),
        ("@alice:hs.example", ContactAddress("@alice:hs.example", "")),
        ("alice_hs.example", ContactAddress("alice_hs.example", "")),
    ],
)
def test_address_keeps_the_form_asked_for(local, address):
    """A room answers under the address that its visitor used."""
    assert ADDRESSES.parse(local) == address


@pytest.mark.parametrize("local", ["#room", "!", "alice", "+x"])
def test_impossible_address_is_malformed(local):
    """What can be nothing of Matrix's is refused."""
    with pytest.raises(BridgeError) as caught:
        ADDRESSES.parse(local)
    assert caught.value.trouble is Trouble.JID_MALFORMED
