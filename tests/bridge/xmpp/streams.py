"""Two servers' streams in memory: what one writes, the other reads."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from bridge.xmpp.dialback import Keys
from bridge.xmpp.element import Element
from bridge.xmpp.incoming import Greeting, IncomingStream
from bridge.xmpp.outgoing import OutgoingStream
from bridge.xmpp.stream_events import DialbackRequested, Event, Opened, StartTls
from bridge.xmpp.stream_management import Session
from bridge.xmpp.xml import Limits

LOCAL, REMOTE = "capulet.example", "montague.example"
CAPULETS = frozenset({LOCAL, "rooms.capulet.example"})
MONTAGUES = frozenset({REMOTE, "chat.montague.example"})
CAPULET_KEYS, MONTAGUE_KEYS = Keys(b"capulet's secret"), Keys(b"montague's secret")
LIMITS = Limits()
MESSAGE = b"<message from='juliet@capulet.example/balcony' to='romeo@montague.example'><body>Romeo!</body></message>"


def message(sender: str, to: str) -> bytes:
    return f"<message from='{sender}' to='{to}'><body>hi</body></message>".encode()


def outgoing(**changes: Any) -> OutgoingStream:
    """The stream that the Capulets open."""
    given: dict[str, Any] = {
        "encryption": "required",
        "certificate_required": False,
        "external": True,
        "bidirectional": True,
        **changes,
    }
    return OutgoingStream(LOCAL, REMOTE, CAPULET_KEYS, CAPULETS.__contains__, LIMITS, **given)


def incoming(limits: Limits = LIMITS) -> IncomingStream:
    """The same stream, as the Montagues see it."""
    numbers = itertools.count(1)
    return IncomingStream(
        MONTAGUE_KEYS, MONTAGUES.__contains__, limits, LIMITS, 900.0, lambda: f"id{next(numbers)}"
    )


class Link:
    """A connection between the two; `problem` is what is wrong with a certificate, as the other finds it."""

    def __init__(
        self,
        near: OutgoingStream | None = None,
        far: IncomingStream | None = None,
        *,
        capulet_problem: str = "",
        montague_problem: str = "",
        encryption: Any = "required",
        refused: str = "",
        on_dialback: Callable[[IncomingStream, DialbackRequested], None] | None = None,
    ) -> None:
        self.near = near or outgoing()
        self.far = far or incoming()
        self.capulet_problem, self.montague_problem = capulet_problem, montague_problem
        self.encryption, self.refused = encryption, refused
        self.on_dialback = on_dialback
        self.near_events: list[Event] = []
        self.far_events: list[Event] = []
        self.said: list[tuple[str, bytes]] = []
        """Who said what, in order."""

    def start(self) -> Link:
        self.near.start()
        self.pump()
        return self

    def pump(self) -> None:
        """Carry bytes both ways until nobody says anything more."""
        moved = True
        while moved:
            moved = self._carry("near", self.near, self.far) | self._carry("far", self.far, self.near)

    def _carry(self, name: str, here: Any, there: Any) -> bool:
        written = here.data_to_send()
        self._take_events(here)
        data = written + here.data_to_send()
        for piece in (written, data[len(written) :]):
            if piece:
                self.said.append((name, piece))
                there.receive_data(piece)
        return bool(data)

    def _take_events(self, stream: OutgoingStream | IncomingStream) -> None:
        for event in stream.take_events():
            (self.near_events if stream is self.near else self.far_events).append(event)
            if isinstance(event, StartTls) and stream is self.near:
                self.near.tls_started(self.montague_problem)
            elif isinstance(event, StartTls):
                self.far.tls_started()
            elif isinstance(event, Opened):
                problem = self.capulet_problem if self.far.is_secure else "not encrypted"
                self.far.greet(Greeting(encryption=self.encryption, problem=problem, refused=self.refused))
            elif isinstance(event, DialbackRequested) and self.on_dialback is not None:
                self.on_dialback(self.far, event)

    def authenticated(self) -> Link:
        """Have the near side ask for its own pair."""
        self.start()
        self.near.authenticate()
        self.pump()
        return self

    def text(self, name: str) -> bytes:
        return b"".join(data for who, data in self.said if who == name)


def of_type(events: list[Event], *kinds: type) -> list[Any]:
    return [event for event in events if isinstance(event, kinds)]


def session(*stanzas: bytes, ident: str = "s1") -> Session:
    """A session of a former stream, with stanzas that were not acknowledged."""
    made = Session()
    made.id = ident
    for stanza in stanzas:
        made.outbox.add(None, stanza)
    return made


def bodies(events: list[Event]) -> list[str]:
    return [event.child_text("body") or "" for event in events if isinstance(event, Element)]
