"""From where requests in a dialog are heeded.

Call-ID and tags are known to all that a call has gone by, and over UDP nobody proves anything else. So
requests are taken from where the dialog began, from the other addresses of that trunk, and from where
requests of ours would go now: the peer's Contact and the proxies of the way.
"""

from __future__ import annotations

from collections.abc import Iterable

from bridge.errors import BridgeError
from transports.sip.agent.means import Means
from transports.sip.dialogs.dialog import Dialog
from transports.sip.wire.uri import Uri

LOOKED_UP = 8
"""Places of one dialog that are looked up."""


class Whereabouts:
    """Where one peer is known to be, besides the hosts that it is asked about."""

    def __init__(self, means: Means) -> None:
        self._locator, self._guard = means.locator, means.guard
        self._found: set[str] = set()

    def has(self, host: str, known: Iterable[str]) -> bool:
        """Tell whether a host is one of those known, of their trunk, or was found before."""
        known = {*known, *self._found}
        if host in known:
            return True
        trunks = set(self._guard.trunks(host))
        return any(trunks.intersection(self._guard.trunks(one)) for one in known)

    async def find(self, host: str, dialogs: Iterable[Dialog]) -> bool:
        """Look whether a host is where the dialogs' requests go."""
        places = [uri for dialog in dialogs for uri in (dialog.target, *_way(dialog))]
        for uri in places[:LOOKED_UP]:
            try:
                hops = await self._locator.locate(uri)
            except BridgeError:
                continue
            if host in {hop.host for hop in hops}:
                self._found.add(host)
                return True
        return False


def _way(dialog: Dialog) -> Iterable[Uri]:
    return (one.uri for one in dialog.route_set)
