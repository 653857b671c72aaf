"""Local parts of JIDs, as Biboumi writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import BridgeError, Trouble
from bridge.network import ContactAddress, GatewayAddress, RoomAddress, ServerAddress
from transports.irc.address import Addresses

ANY = Addresses()
FIXED = Addresses("irc.example.org")


@pytest.mark.parametrize(
    ("local", "address"),
    [
        ("", GatewayAddress()),
        ("irc.example.org", ServerAddress("irc.example.org")),
        ("work", ServerAddress("work")),
        ("#chan%irc.example.org", RoomAddress("#chan%irc.example.org", "irc.example.org")),
        ("#CHAN%IRC.example.org", RoomAddress("#chan%irc.example.org", "irc.example.org")),
        ("&local%irc.example.org", RoomAddress("&local%irc.example.org", "irc.example.org")),
        ("#100%%irc.example.org", RoomAddress("#100%%irc.example.org", "irc.example.org")),
        ("Nick%irc.example.org", ContactAddress("nick%irc.example.org", "irc.example.org")),
        ("+bot%irc.example.org", ContactAddress("+bot%irc.example.org", "irc.example.org")),
        ("#true/false%irc.example.org", RoomAddress("#true/false%irc.example.org", "irc.example.org")),
    ],
)
def test_local_part_is_read_as_biboumi_does(local, address):
    """Channel, person or server, by the first character and the percent sign."""
    assert ANY.parse(local) == address


@pytest.mark.parametrize(
    ("local", "address"),
    [
        ("", GatewayAddress()),
        ("#chan", RoomAddress("#chan", "")),
        ("#50%off", RoomAddress("#50%off", "")),
        ("Nick", ContactAddress("nick", "")),
        ("irc.example.org", ContactAddress("irc.example.org", "")),
    ],
)
def test_local_part_with_fixed_server_has_no_separator(local, address):
    """With a fixed server the percent sign is an ordinary character."""
    assert FIXED.parse(local) == address


@pytest.mark.parametrize(
    "local", ["%irc.example.org", "#chan%", "#chan", "nick%#x", "a b%x", "a\r\nb%x", "a,b%x", "a\0"]
)
def test_impossible_local_part_is_malformed(local):
    """What cannot be anything on IRC is refused before it reaches a server."""
    with pytest.raises(BridgeError) as caught:
        ANY.parse(local)
    assert caught.value.trouble is Trouble.JID_MALFORMED


names = st.text(st.characters(codec="utf-8", exclude_characters="\0\a\r\n ,"), min_size=1).map(str.lower)


@given(names)
def test_room_and_contact_are_read_back(name):
    """What the network names, it can read: with any server and with a fixed one."""
    for addresses, server in ((ANY, "irc.example.org"), (FIXED, "")):
        identity = addresses.room(name, server) if name[0] in "#&" else addresses.contact(name, server)
        address = addresses.parse(identity)
        assert address.server == server
        assert addresses.server_of(identity) == server
        assert addresses.name_of(identity) == name.lower()
