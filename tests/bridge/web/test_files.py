"""The files of a gateway on the web, in bytes."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest
from msgspec.structs import replace
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from bridge.errors import Trouble
from bridge.events import UserId
from bridge.web.files import FilesResource, Turns, admitted, disposition
from bridge.web.links import Links, Slot
from bridge.web.server import WebServer
from tests.bridge.web.streams import Answered, Shelf, ask, visit

DOMAIN = "mx.example"
NAME = "server/id"
DATA = b"0123456789"


class Stage:
    """A gateway's files behind a web server."""

    def __init__(self, turns: int = 2) -> None:
        self.now = 1_800_000_000.0
        self.reactor = MemoryReactorClock()
        self.shelf = Shelf()
        self.links = Links("http://files.example", b"key", 3600, lambda: self.now)
        server = WebServer(self.reactor, "127.0.0.1", 5290)
        server.admits = lambda header: getattr(admitted(self.links, header), "size", 0)
        resource = FilesResource(DOMAIN, self.shelf, self.links, Turns(turns), self.reactor)
        server.mount(resource, "media", DOMAIN)
        server.start()

    def path(self, filename: str = "rose.png", name: str = NAME) -> str:
        return urlsplit(self.links.link(DOMAIN, name, filename)).path

    def get(self, path: str = "", method: str = "GET", **headers: str) -> Answered:
        return ask(self.reactor, method, path or self.path(), **headers)

    def put(self, body: bytes, slot: Slot, **headers: str) -> Answered:
        url, token = self.links.slot(slot, 60)
        return ask(
            self.reactor, "PUT", urlsplit(url).path, body, **{"authorization": f"Bearer {token}", **headers}
        )


SLOT = Slot(DOMAIN, UserId("romeo@example"), "new/id", "rosé.png", "image/png", len(DATA))


def test_file_is_given_with_what_is_known_of_it():
    """Type, length, name, and what keeps browsers from running it."""
    stage = Stage()
    stage.shelf.put(NAME, DATA[:4], DATA[4:])
    answer = stage.get()
    assert (answer.status, answer.body) == (200, DATA)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-length"] == "10"
    assert answer.headers["content-disposition"] == 'inline; filename="rose.png"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox;")
    assert "max-age=" in answer.headers["cache-control"]
    assert stage.get(if_none_match=answer.headers["etag"]).status == 304


def test_head_tells_all_but_the_file():
    """The network is not asked for the bytes."""
    stage = Stage()
    body = stage.shelf.put(NAME, DATA)
    answer = stage.get(method="HEAD")
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "10", b"")
    assert body.stopped


def test_part_is_given_if_the_file_is_the_same():
    """RFC 9110 §13.1.5: `If-Range` names what the other parts are of."""
    stage = Stage()
    stage.shelf.put(NAME, DATA)
    part = stage.get(range="bytes=2-4")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert stage.get(range="bytes=2-4", if_range=part.headers["etag"]).status == 206
    assert stage.get(range="bytes=2-4", if_range='"other"').body == DATA
    beyond = stage.get(range="bytes=10-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, "bytes */10")


def test_expired_link_is_gone_and_forged_one_unknown():
    """The receiver is told which of the two it is."""
    stage = Stage()
    stage.shelf.put(NAME, DATA)
    path = stage.path()
    assert stage.get(path.replace("rose", "nose")).status == 404
    assert stage.get(path + "/more").status == 404
    stage.now += 3 * 3600
    assert stage.get(path).status == 410


@pytest.mark.parametrize(
    ("trouble", "status"),
    [(Trouble.NOT_FOUND, 404), (Trouble.TIMED_OUT, 504), (Trouble.BUSY, 503), (Trouble.LOST, 502)],
)
def test_trouble_of_the_network_is_told(trouble: Trouble, status: int):
    """And not kept in a cache."""
    stage = Stage()
    stage.shelf.trouble = trouble
    answer = stage.get()
    assert (answer.status, answer.headers["cache-control"]) == (status, "no-store")
    assert "etag" not in answer.headers


def test_too_many_transfers_have_to_wait():
    """Who comes next is told to come again; a turn comes free when its receiver goes."""
    stage = Stage(turns=1)
    stage.shelf.put(NAME, DATA[:3], stuck=True, size=10)
    stage.shelf.put("other/id", DATA)
    protocol, transport = visit(stage.reactor, "GET", stage.path())
    assert transport.value().endswith(b"012")
    waiting = stage.get(stage.path(name="other/id"))
    assert (waiting.status, waiting.headers["retry-after"]) == (503, "10")
    protocol.connectionLost(Failure(ConnectionDone()))
    assert stage.get(stage.path(name="other/id")).body == DATA


def test_file_that_breaks_off_ends_the_connection():
    """Its length was told, so that the receiver does not take it for whole."""
    stage = Stage()
    stage.shelf.put(NAME, DATA, broken=True, size=20)
    answer = stage.get()
    assert (answer.headers["content-length"], answer.body, answer.connected) == ("20", DATA, False)


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/xhtml+xml", "nonsense", ""])
def test_what_may_hold_a_program_is_saved(kind: str):
    """A browser does not open it in place."""
    stage = Stage()
    stage.shelf.put(NAME, DATA, type=kind)
    assert stage.get().headers["content-disposition"].startswith("attachment;")


def test_disposition_has_every_name_safely():
    """RFC 6266 §4.3, RFC 8187: a plain name for old programs, and the real one."""
    assert disposition("image/png", 'a"b;c.png').startswith(
        "inline; filename=\"a_b;c.png\"; filename*=UTF-8''a%22b"
    )
    assert (
        disposition("text/html", "日本.html")
        == f"attachment; filename=\"__.html\"; filename*=UTF-8''{quote('日本')}.html"
    )


def test_other_methods_are_not_allowed():
    """And those that browsers ask first are told what is."""
    stage = Stage()
    assert stage.get(method="POST").status == 405
    allowed = stage.get(method="OPTIONS")
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (204, "*")
    assert "PUT" in allowed.headers["access-control-allow-methods"]


# ---- in


def test_slot_takes_its_file():
    """The network gets it in the user's name, with the type that its bytes have."""
    stage = Stage()
    answer = stage.put(DATA, SLOT, content_type="image/png")
    assert (answer.status, answer.body) == (201, b"")
    [(user, name, media, data)] = stage.shelf.stored
    assert (user, name, media.type, media.size, data) == (
        "romeo@example",
        "new/id",
        "application/octet-stream",
        10,
        DATA,
    )


@pytest.mark.spec("XEP-0363 §6")
@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (DATA + b"x", {}, 413),
        (DATA[:-1], {}, 400),
        (b"", {}, 400),
        (DATA, {"content_type": "text/html"}, 400),
        (DATA, {"authorization": "Bearer x"}, 403),
        (DATA, {"authorization": "Basic x"}, 403),
    ],
)
def test_slot_takes_nothing_else(body: bytes, headers: dict[str, str], status: int):
    """Another length, another type, no leave."""
    stage = Stage()
    assert stage.put(body, SLOT, **headers).status == status
    assert stage.shelf.stored == []


def test_slot_is_for_its_own_place():
    """Neither for another name nor for another gateway."""
    stage = Stage()
    _, token = stage.links.slot(SLOT, 60)
    wrong = f"/media/{DOMAIN}/upload/other.png"
    assert ask(stage.reactor, "PUT", wrong, DATA, authorization=f"Bearer {token}").status == 403
    _, token = stage.links.slot(replace(SLOT, domain="other.example"), 60)
    path = f"/media/{DOMAIN}/upload/{quote(SLOT.filename)}"
    assert ask(stage.reactor, "PUT", path, DATA, authorization=f"Bearer {token}").status == 403


@pytest.mark.parametrize(
    ("trouble", "status"), [(Trouble.TOO_LONG, 413), (Trouble.REFUSED, 409), (Trouble.LOST, 502)]
)
def test_file_that_the_network_does_not_take_is_refused(trouble: Trouble, status: int):
    """The client can tell its user."""
    stage = Stage()
    stage.shelf.trouble = trouble
    assert stage.put(DATA, SLOT).status == status
