"""Which clients a user has, as far as contacts see them, and what each can do (RFC 6121 §4, XEP-0115)."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from bridge.router import Request, Router
from bridge.services.calls.bounds import DEVICES, DEVICES_KNOWN
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.caps import Caps, parse_caps, verification
from bridge.xmpp.payloads.disco import NS_INFO, parse_info
from bridge.xmpp.stanza import NS_COMPONENT

Abilities = frozenset[str]
"""Disco features."""
UNKNOWN: Abilities = frozenset()


class Devices:
    """Remembers presences that contacts of the gateway get, and asks what is behind them."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._there: dict[tuple[str, str], dict[str, Caps | None]] = {}
        self._count = 0
        self._known: dict[Caps, Abilities] = {}

    def came(self, request: Request) -> None:
        """A client of the user's shows itself to a contact."""
        shown = self._there.setdefault((request.sender.bare, request.to.bare), {})
        device = str(request.sender)
        if device not in shown:
            if self._count >= DEVICES:
                return
            self._count += 1
        shown[device] = parse_caps(request.element)

    def went(self, request: Request) -> None:
        """A client is unavailable to a contact."""
        key = request.sender.bare, request.to.bare
        shown = self._there.get(key, {})
        if str(request.sender) in shown:
            del shown[str(request.sender)]
            self._count -= 1
        if not shown:
            self._there.pop(key, None)

    def of(self, user: str, contact: str) -> Mapping[str, Caps | None]:
        """Return the clients of `user` that the contact, a bare JID, sees: full JIDs, and what they are."""
        return self._there.get((user, contact), {})

    def abilities(self, device: str, caps: Caps | None, contact: str) -> Deferred[Abilities]:
        """Ask, in the contact's name, what a client can do; empty if it does not say so."""
        if caps is not None and caps in self._known:
            return succeed(self._known[caps])
        iq = Element(
            "iq", NS_COMPONENT, {"type": "get", "from": contact, "to": device}, Element("query", NS_INFO)
        )
        return self._router.request(iq).addCallbacks(lambda result: self._told(caps, result), _untold)

    def _told(self, caps: Caps | None, result: Element) -> Abilities:
        query = result.child("query", NS_INFO)
        if query is None:
            return UNKNOWN
        info = parse_info(query)
        abilities = frozenset(info.features)
        # XEP-0115 §5.4: what is not what its hash says counts for this client alone
        if caps is not None and caps.hash == "sha-1" and verification(info) == caps.ver:
            if len(self._known) >= DEVICES_KNOWN:
                self._known.clear()
            self._known[caps] = abilities
        return abilities


def _untold(_failure: Failure) -> Abilities:
    return UNKNOWN
