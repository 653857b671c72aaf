"""The user's own availability, as he shows it in rooms, towards the network (XEP-0045 §7.7)."""

from __future__ import annotations

from bridge.events import Presence, Show, UserId
from bridge.router import Request
from bridge.services.muc.context import Context

RANK = (Show.CHAT, Show.AVAILABLE, Show.DND, Show.AWAY, Show.XA)
"""Of several clients the most available one counts (RFC 6121 §4.7.2.1)."""


class Availability:
    """Remembers what each client in a room shows, and tells the network of what changes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._shown: dict[UserId, dict[str, Presence]] = {}
        self._told: dict[UserId, Presence] = {}

    def update(self, request: Request) -> None:
        """An available presence to a room the client is in, or is joining."""
        user = UserId(request.sender.bare)
        try:
            show = Show(request.element.child_text("show") or "")
        except ValueError:
            show = Show.AVAILABLE
        shown = Presence(show=show, status=request.element.child_text("status") or "")
        self._shown.setdefault(user, {})[str(request.sender)] = shown
        self._tell(user)

    def gone(self, user: UserId, full_jid: str) -> None:
        """A client left its last room."""
        clients = self._shown.get(user)
        if clients is None:
            return
        clients.pop(full_jid, None)
        if clients:
            self._tell(user)
        else:
            del self._shown[user]
            self._told.pop(user, None)

    def _tell(self, user: UserId) -> None:
        best = min(self._shown[user].values(), key=lambda shown: RANK.index(shown.show))
        plain = Presence(show=Show.AVAILABLE)
        if best.show in (Show.AVAILABLE, Show.CHAT):
            best = plain
        if best != self._told.get(user, plain):
            self._told[user] = best
            self._context.submit(user, best)
