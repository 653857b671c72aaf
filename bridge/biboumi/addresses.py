"""What Biboumi's rows call users, servers and channels, as our ids."""

from __future__ import annotations

from msgspec import Struct

from bridge.xmpp.jid import Jid, JidError, unescape


class Addresses(Struct, frozen=True):
    """Biboumi's names in the form of our ids; None for what has none."""

    fixed_server: str

    def owner(self, written: str) -> str | None:
        """Return a bare JID."""
        try:
            jid = Jid.parse(written)
        except JidError:
            return None
        return jid.bare if jid.local else None

    def server(self, written: str) -> str | None:
        """Return a `ServerId`."""
        if self.fixed_server:
            return "" if written.lower() in ("", self.fixed_server.lower()) else None
        return written.lower() or None

    def room(self, channel: str, server: str) -> str | None:
        """Return a `RoomId`."""
        where = self.server(server)
        if where is None or not channel:
            return None
        return channel.lower() if self.fixed_server else f"{channel.lower()}%{where}"

    def local(self, jid: str) -> str | None:
        """Return the local part of an address of the gateway; "" is the gateway itself."""
        try:
            return unescape(Jid.parse(jid).local)
        except JidError:
            return None
