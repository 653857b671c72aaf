"""The homeserver's store of files, in bytes."""

from __future__ import annotations

import json

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from bridge.errors import BridgeError, Trouble
from bridge.events import Attachment, UserId
from bridge.media import Media
from tests.bridge.web.streams import Body, Resolving, Sink
from tests.transports.matrix.web import outcome, watch
from transports.matrix import media
from transports.matrix.media import OPEN_TIMEOUT, MatrixMedia

ROMEO = UserId("romeo@example")
GHOST = "@ghost:hs.example"
DATA = b"0123456789"


class Homeserver:
    """The rest of the client-server API: everything works, unless `trouble`."""

    def __init__(self) -> None:
        self.answers: dict[str, object] = {}
        self.trouble: Trouble | None = None

    def call(self, method: str, path: str, **options) -> Deferred:
        return (
            succeed(self.answers.get(path, {})) if self.trouble is None else fail(BridgeError(self.trouble))
        )

    def register(self, user: str, patience: float) -> Deferred:
        return self.call("POST", "/register")


class Bridge:
    """The bridge, as far as it links and fetches."""

    def __init__(self) -> None:
        self.links: dict[str, str] = {}
        self.files: dict[str, Media] = {}

    def linked(self, url: str) -> str | None:
        return self.links.get(url)

    def fetch(self, url: str) -> Deferred:
        return succeed(self.files[url]) if url in self.files else fail(BridgeError(Trouble.NOT_ALLOWED))


class Stage:
    """A store, the homeserver that it asks, and the bridge."""

    def __init__(self) -> None:
        self.reactor = Resolving()
        self.server, self.bridge = Homeserver(), Bridge()
        self.media = MatrixMedia("http://hs:8008/", "secret", self.server, self.reactor, lambda user: GHOST)  # type: ignore[arg-type]

    def answer(self, body: bytes | dict = b"", status: int = 200, kind: str = "image/png") -> bytes:
        """Answer the last request; returns it."""
        protocol, transport = self.reactor.accept()
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n"
        protocol.dataReceived(head.encode() + data)
        return transport.value()

    def bring(self, url: str = "https://f/rose.png", **known) -> list:
        return watch(self.media.bring(GHOST, Attachment(url=url, **known), self.bridge))  # type: ignore[arg-type]


def test_file_is_opened_with_authorisation():
    """By the API that wants it; the token is in no address."""
    stage = Stage()
    opened = watch(stage.media.open("other.example:8448/id"))
    asked = stage.answer(DATA)
    assert asked.startswith(
        b"GET /_matrix/client/v1/media/download/other.example%3A8448/id?timeout_ms=15000 HTTP/1.1\r\n"
    )
    assert b"Authorization: Bearer secret\r\n" in asked
    [found] = opened
    assert (found.type, found.size) == ("image/png", 10)
    sink = Sink()
    assert outcome(found.body.startProducing(sink)) is None and sink.data == DATA


def test_smaller_picture_is_asked_for_by_its_size():
    """The homeserver makes it."""
    stage = Stage()
    stage.media.open("hs.example/id?320x240")
    assert stage.answer().startswith(
        b"GET /_matrix/client/v1/media/thumbnail/hs.example/id?timeout_ms=15000&width=320&height=240&method=scale "
    )


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (404, Trouble.NOT_FOUND),
        (429, Trouble.BUSY),
        (504, Trouble.TIMED_OUT),
        (502, Trouble.BUSY),
        (307, Trouble.REFUSED),
        (403, Trouble.REFUSED),
    ],
)
def test_refusal_of_the_homeserver_is_told(status: int, trouble: Trouble):
    """In words of ours."""
    stage = Stage()
    opened = watch(stage.media.open("hs.example/id"))
    stage.answer({"errcode": "M_X"}, status)
    assert opened[0].trouble is trouble


def test_homeserver_that_is_silent_is_given_up():
    """Whoever waits for a file is told."""
    stage = Stage()
    opened = watch(stage.media.open("hs.example/id"))
    stage.reactor.accept()
    stage.reactor.advance(OPEN_TIMEOUT + 1)
    assert opened[0].trouble is Trouble.TIMED_OUT
    assert outcome(stage.media.open("nonsense")).trouble is Trouble.NOT_FOUND


def test_largest_file_is_what_the_homeserver_says():
    """None as long as it has not."""
    stage = Stage()
    assert stage.media.max_size is None
    for said, size in (
        ({"m.upload.size": 5}, 5),
        ({"m.upload.size": None}, None),
        ({"m.upload.size": "x"}, None),
    ):
        stage.server.answers = {"/_matrix/client/v1/media/config": said}
        stage.media.start()
        assert stage.media.max_size == size
    stage.server.trouble = Trouble.UNREACHABLE
    stage.media.start()


def test_reserved_name_takes_a_file_once():
    """MX v1.7 asynchronous uploads, in the user's name."""
    stage = Stage()
    stage.server.answers = {"/_matrix/media/v1/create": {"content_uri": "mxc://hs.example/new"}}
    assert outcome(stage.media.reserve(ROMEO)) == "hs.example/new"
    stored = watch(
        stage.media.store(ROMEO, "hs.example/new", Media(body=Body(DATA), type="image/png", size=10))
    )  # type: ignore[arg-type]
    asked = stage.answer({})
    assert asked.startswith(
        b"PUT /_matrix/media/v3/upload/hs.example/new?user_id=%40ghost%3Ahs.example HTTP/1.1\r\n"
    )
    assert b"Content-Type: image/png\r\n" in asked and asked.endswith(b"\r\n\r\n" + DATA)
    assert stored == [None]
    stage.bridge.links["https://f/rose.png"] = "hs.example/new"
    [brought] = stage.bring()
    assert brought == Attachment(url="mxc://hs.example/new", name="rose.png", type="image/png", size=10)


def test_odd_answer_reserves_nothing():
    """Whatever it is."""
    stage = Stage()
    for said in ({}, {"content_uri": "https://x"}, []):
        stage.server.answers = {"/_matrix/media/v1/create": said}
        assert outcome(stage.media.reserve(ROMEO)).trouble is Trouble.REFUSED


def test_too_large_file_is_not_even_begun():
    """Its sender is stopped."""
    stage = Stage()
    stage.server.answers = {"/_matrix/client/v1/media/config": {"m.upload.size": 5}}
    stage.media.start()
    body = Body(DATA)
    stored = outcome(stage.media.store(ROMEO, "hs.example/new", Media(body=body, size=10)))  # type: ignore[arg-type]
    assert (stored.trouble, body.stopped, stage.reactor.tcpClients) == (Trouble.TOO_LONG, True, [])


def test_file_of_xmpp_is_brought_to_the_homeserver():
    """What was seen of it counts more than what its sender says."""
    stage = Stage()
    stage.bridge.files["https://f/rose.png"] = Media(body=Body(DATA), type="image/png", size=10, width=4)  # type: ignore[arg-type]
    brought = stage.bring(type="video/mp4", size=999, width=1, height=3, duration=2.0)
    asked = stage.answer({"content_uri": "mxc://hs.example/new"})
    assert asked.startswith(b"POST /_matrix/media/v3/upload?filename=rose.png&user_id=%40ghost%3Ahs.example ")
    assert brought == [
        Attachment(
            url="mxc://hs.example/new",
            name="rose.png",
            type="image/png",
            size=10,
            width=4,
            height=3,
            duration=2.0,
        )
    ]


@pytest.mark.parametrize("status", [413, 500])
def test_file_that_the_homeserver_refuses_stays_where_it_is(status: int):
    """It is sent as a link."""
    stage = Stage()
    stage.bridge.files["https://f/rose.png"] = Media(body=Body(DATA), size=10)  # type: ignore[arg-type]
    brought = stage.bring()
    stage.answer({}, status)
    assert brought == [None]


def test_page_and_what_is_not_fetched_stay_where_they_are():
    """A page is to be read, not saved; what is not allowed is not asked for."""
    stage = Stage()
    body = Body(DATA)
    stage.bridge.files["https://f/page"] = Media(body=body, type="text/html", size=10)  # type: ignore[arg-type]
    assert stage.bring("https://f/page") == [None] and body.stopped
    assert stage.bring("https://f/other") == [None]
    assert stage.reactor.tcpClients == []


def test_link_of_ours_is_not_fetched():
    """The file is there already; one that is to be decrypted first is uploaded again."""
    stage = Stage()
    stage.bridge.links["https://f/rose.png"] = "hs.example/id"
    assert stage.bring(type="image/png") == [
        Attachment(url="mxc://hs.example/id", name="rose.png", type="image/png")
    ]
    stage.bridge.links["https://f/rose.png"] = "hs.example/id?320x240"
    stage.bring()
    assert b"GET /_matrix/client/v1/media/thumbnail/" in stage.answer(DATA)


def test_files_beyond_those_that_may_wait_are_links(monkeypatch):
    """Users cannot fill the queue."""
    monkeypatch.setattr(media, "WAITING", 1)
    stage = Stage()
    stage.bridge.links = {"https://f/rose.png": "hs.example/id?320x240"}
    pending = [stage.bring() for _ in range(media.CONNECTIONS + 2)]
    assert pending == [[]] * (media.CONNECTIONS + 1) + [[None]]
