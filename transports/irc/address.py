"""Local parts of JIDs ↔ addresses on IRC, exactly as Biboumi writes them.

``#chan%server``, ``nick%server`` and ``server``; with a fixed server ``#chan`` and ``nick``, where
``%`` is an ordinary character. The first character tells a channel from a person; everything is
lower case. Here local parts are unescaped (XEP-0106 is the caller's).
"""

from __future__ import annotations

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, RoomId, ServerId
from bridge.network import Address, ContactAddress, GatewayAddress, RoomAddress, ServerAddress

CHANNEL_TYPES = "#&"
"""RFC 2811 §2.1, less ``+`` and ``!``, which few servers have and nicks of bots begin with."""
SEPARATOR = "%"
_FORBIDDEN = frozenset("\0\a\r\n ,")
"""RFC 2812 §1.3 and §2.3.1: what neither a channel's name nor a nick nor a host holds."""


class Addresses(Struct, frozen=True):
    """How a gateway's local parts read; `fixed_server` "" means that they name the server."""

    fixed_server: str = ""

    def parse(self, local: str) -> Address:
        """Read an unescaped local part; BridgeError JID_MALFORMED if it can be nothing of IRC's."""
        folded = local.lower()
        if not folded:
            return GatewayAddress()
        if _FORBIDDEN.intersection(folded):
            raise BridgeError(Trouble.JID_MALFORMED)
        if self.fixed_server:
            return _address(folded, folded, ServerId(""))
        name, separator, server = folded.rpartition(SEPARATOR)
        if not server or server[0] in CHANNEL_TYPES:
            raise BridgeError(Trouble.JID_MALFORMED)
        if not separator:
            return ServerAddress(ServerId(server))
        return _address(folded, name, ServerId(server))

    def server_of(self, identity: RoomId | ContactId) -> ServerId:
        """Return the server of a room or a contact."""
        return ServerId("" if self.fixed_server else identity.rpartition(SEPARATOR)[2])

    def name_of(self, identity: RoomId | ContactId) -> str:
        """Return the channel or nick, folded."""
        return identity if self.fixed_server else identity.rpartition(SEPARATOR)[0]

    def room(self, channel: str, server: ServerId) -> RoomId:
        """Return the room of an IRC channel."""
        return RoomId(self._join(channel, server))

    def contact(self, nick: str, server: ServerId) -> ContactId:
        """Return the contact behind an IRC nick."""
        return ContactId(self._join(nick, server))

    def suffix(self, server: ServerId) -> str:
        """Return what follows the name in the local parts of a server's rooms and contacts."""
        return "" if self.fixed_server else SEPARATOR + server

    def _join(self, name: str, server: ServerId) -> str:
        return name.lower() + self.suffix(server)


def _address(local: str, name: str, server: ServerId) -> Address:
    if not name:
        raise BridgeError(Trouble.JID_MALFORMED)
    if name[0] in CHANNEL_TYPES:
        return RoomAddress(RoomId(local), server)
    return ContactAddress(ContactId(local), server)
