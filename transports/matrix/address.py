"""Local parts of JIDs as the bridge routes by them; how they are written is in `ids`."""

from __future__ import annotations

from bridge.events import ContactId, RoomId, ServerId
from bridge.network import Address, ContactAddress, GatewayAddress, RoomAddress

from .ids import Ids


class Addresses(Ids, frozen=True):
    """How a gateway's local parts read."""

    def parse(self, local: str) -> Address:
        """Read an unescaped local part; BridgeError JID_MALFORMED if it can be nothing of Matrix's."""
        if not local:
            return GatewayAddress()
        if local[0] in "#!":
            self.target(RoomId(local))
            return RoomAddress(RoomId(local), ServerId(""))
        self.user_id(ContactId(local))
        return ContactAddress(ContactId(local), ServerId(""))
