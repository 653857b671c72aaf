"""Dialback under attack, in thousands of orders; more by hand, see `dialback_model`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bridge.xmpp.dialback import Asked, Keys, Pair
from bridge.xmpp.incoming import IncomingStream
from bridge.xmpp.server_stream import ServerStream
from tests.bridge.xmpp.dialback_model import MALLORY, World

SEEDS = 2_000
"""Interleavings in which each of the mistakes below shows."""
_make = Keys.make


def _forget_stream(keys: Keys, pair: Pair, stream_id: str) -> str:
    return _make(keys, pair, "")


def _forget_target(keys: Keys, pair: Pair, stream_id: str) -> str:
    return _make(keys, Pair(pair.sender, ""), stream_id)


def _keep_header(stream: Any, element: Any) -> None:
    """Take whatever a header says after authentication."""
    stream.local, stream.remote = element.get("to") or "", element.get("from") or ""
    stream._certified = stream._certified and {stream.remote}
    return _header(stream, element)


_header = IncomingStream._header
MISTAKES: dict[str, tuple[type, str, Callable[..., Any]]] = {
    "answers about keys are believed unasked": (Asked, "verification_answered", lambda *_: True),
    "answers about pairs are believed unasked": (Asked, "result_answered", lambda *_: True),
    "any key is known": (Keys, "knows", lambda *_: True),
    "a key is good for every stream": (Keys, "make", _forget_stream),
    "a key is good for every target": (Keys, "make", _forget_target),
    "stanzas of any sender are taken": (ServerStream, "_admit", lambda *_: True),
    "another header after authentication is believed": (IncomingStream, "_header", _keep_header),
    "a certificate is good for any name": (IncomingStream, "_may_authenticate", lambda *_: True),
}


@pytest.mark.spec("XEP-0220 §3.1")
@pytest.mark.parametrize("start", range(0, 3_000, 1_000))
def test_nobody_speaks_for_an_honest_domain_but_its_server(start: int) -> None:
    """Whatever the attacker says, and when; the honest servers' own pairs are opened all the same."""
    for seed in range(start, start + 1_000):
        World(seed).run()


def test_honest_pairs_are_admitted_in_most_orders() -> None:
    """The model is no empty stage: pairs of honest servers, and the attacker's own, are accepted."""
    worlds = [World(seed) for seed in range(100)]
    for world in worlds:
        world.run()
    admitted = [pair for world in worlds for pair in world.admitted]
    assert sum(pair.sender != MALLORY for pair in admitted) > 100
    assert sum(pair.sender == MALLORY for pair in admitted) > 10
    assert sum(bool(world.wanted) and not world.cuts for world in worlds) > 30


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_in_the_machines_is_found(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the model says is worth something: it finds what went wrong elsewhere in 2012, and more."""
    owner, name, wrong = MISTAKES[mistake]
    monkeypatch.setattr(owner, name, wrong)
    with pytest.raises(AssertionError, match=r"another|nobody"):
        for seed in range(SEEDS):
            World(seed).run()
