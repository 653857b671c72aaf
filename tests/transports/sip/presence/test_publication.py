"""How a user is, published for his account."""

from __future__ import annotations

from bridge.events import Show
from tests.transports.sip.wires import tokens
from transports.sip.presence.pidf import State, parse_pidf
from transports.sip.presence.publication import FIRST_PAUSE, LONGEST_PAUSE, Publication
from transports.sip.wire.message import Fields, Request, respond
from transports.sip.wire.uri import parse_uri

DESK = parse_uri("sip:4711@pbx.example")
HERE, BUSY = State(is_open=True), State(is_open=True, show=Show.DND)
TAKEN: Fields = (("SIP-ETag", "e1"), ("Expires", "1000"))


class Played:
    """A publication, its clock, and the server."""

    def __init__(self) -> None:
        self.now = 100.0
        self.it = Publication(DESK, tokens(), lambda: 0.5)

    def sent(self) -> Request:
        (asked,) = self.it.events()
        assert asked.method == "PUBLISH" and asked.uri == asked.to.uri == asked.from_.uri == DESK
        return asked

    def answered(self, status: int = 200, fields: Fields = TAKEN) -> tuple[State | None, str | None]:
        """Return what the one PUBLISH says, and for which tag, and answer it."""
        asked = self.sent()
        self.it.responded(respond(asked, status, "far", fields), self.now)
        return parse_pidf(asked.body) if asked.body else None, asked.get("SIP-If-Match")

    def wake(self) -> None:
        assert self.it.deadline is not None
        self.now = self.it.deadline
        self.it.expire(self.now)


def test_state_is_published_changed_renewed_and_withdrawn() -> None:
    """RFC 3903 §4.1: each under the tag of the one before; a renewal has no body."""
    scene = Played()
    scene.it.show(HERE, scene.now)
    assert scene.answered() == (HERE, None)
    scene.it.show(HERE, scene.now)
    assert scene.it.events() == []
    scene.it.show(BUSY, scene.now)
    assert scene.answered(fields=(("SIP-ETag", "e2"), ("Expires", "1000"))) == (BUSY, "e1")
    assert scene.it.deadline == scene.now + 800
    scene.wake()
    assert scene.answered(fields=(("SIP-ETag", "e3"),)) == (None, "e2")
    scene.it.show(None, scene.now)
    asked = scene.sent()
    assert (asked.get("Expires"), asked.get("SIP-If-Match"), asked.body) == ("0", "e3", b"")
    scene.it.responded(respond(asked, 200), scene.now)
    assert scene.it.deadline is None and scene.it.events() == []
    scene.it.show(HERE, scene.now)
    assert scene.answered() == (HERE, None)


def test_what_changes_meanwhile_is_published_after() -> None:
    """One request at a time."""
    scene = Played()
    scene.it.show(HERE, scene.now)
    first = scene.sent()
    scene.it.show(BUSY, scene.now)
    assert scene.it.events() == []
    scene.it.responded(respond(first, 200, "far", TAKEN), scene.now)
    assert scene.answered() == (BUSY, "e1")


def test_server_that_forgot_is_told_all_anew() -> None:
    """RFC 3903 §4.4: 412; and a 423 is agreed to."""
    scene = Played()
    scene.it.show(HERE, scene.now)
    scene.answered()
    scene.wake()
    assert scene.answered(412, ()) == (None, "e1")
    assert scene.answered(423, (("Min-Expires", "7200"),)) == (HERE, None)
    asked = scene.sent()
    assert asked.get("Expires") == "7200"
    scene.it.responded(respond(asked, 200, "far", TAKEN), scene.now)
    assert scene.it.deadline is not None
    scene.it.show(None, scene.now)
    assert scene.answered(412, ()) == (None, "e1") and scene.it.events() == []


def test_what_fails_is_tried_again_ever_later() -> None:
    """And is not hurried by a user who comes and goes."""
    scene = Played()
    scene.it.show(HERE, scene.now)
    pauses = []
    for number in range(11):
        scene.sent()
        scene.it.responded(None, scene.now)
        scene.it.show(BUSY if number % 2 else HERE, scene.now)
        assert scene.it.events() == [] and scene.it.deadline is not None
        pauses.append(scene.it.deadline - scene.now)
        scene.wake()
    assert pauses[0] == FIRST_PAUSE and pauses == sorted(pauses) and pauses[-1] == LONGEST_PAUSE
    scene.answered(503, (("Retry-After", "5000"),))
    assert scene.it.deadline == scene.now + 5000
    scene.it.show(None, scene.now)
    scene.wake()
    assert scene.it.events() == [], "nobody is there, and nothing is published"
