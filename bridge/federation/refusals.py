"""Which servers could not be reached a moment ago, so that they are not dialled for every stanza."""

from __future__ import annotations

from collections import OrderedDict

from bridge.errors import BridgeError
from bridge.xmpp.dialback import Pair

REFUSAL = 5.0
"""Seconds for which a server that could not be reached is not dialled again."""
REFUSALS = 10_000
"""How many such servers are remembered."""


class Refusals:
    """The latest failures by pair."""

    def __init__(self) -> None:
        self._refused: OrderedDict[Pair, tuple[float, BridgeError]] = OrderedDict()

    def of(self, pair: Pair, now: float) -> BridgeError | None:
        """Return what was wrong, None if it may be tried."""
        until, error = self._refused.get(pair, (0.0, None))
        return error if until > now else None

    def add(self, pair: Pair, error: BridgeError, now: float) -> None:
        """Remember what was wrong."""
        self._refused[pair] = now + REFUSAL, error
        self._refused.move_to_end(pair)
        if len(self._refused) > REFUSALS:
            self._refused.popitem(last=False)

    def discard(self, pair: Pair) -> None:
        """Forget it: the server takes the pair."""
        self._refused.pop(pair, None)
