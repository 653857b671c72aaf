"""Pictures, and what is known of them."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from bridge.errors import BridgeError, Trouble
from bridge.pictures import MAX_PHOTO
from transports.matrix.pictures import AT_ONCE, HASHES, PICTURES, WAITING, Pictures

from .web import outcome

PNG = b"\x89PNG\r\n\x1a\n"
MXC = "mxc://hs.example/a"


class Server:
    """A homeserver with `files` by width and id; a test may hold its answers back."""

    def __init__(self) -> None:
        self.files: dict[str, bytes | BridgeError] = {}
        self.asked: list[tuple[str, str]] = []
        self.held: list[Deferred] | None = None

    def fetch(self, path: str, *, query, patience: float) -> Deferred:
        name = path.rpartition("/")[2]
        self.asked.append((name, query["width"]))
        found = self.files.get(f"{name}{query['width']}", self.files.get(name, PNG))
        answer = fail(found) if isinstance(found, BridgeError) else succeed(found)
        if self.held is None:
            return answer
        self.held.append(Deferred())
        return self.held[-1].addCallback(lambda _: answer)


@pytest.fixture
def server() -> Server:
    return Server()


def ask(pictures: Pictures, mxc: str = MXC):
    return outcome(Deferred.fromCoroutine(pictures.photo(mxc)))


def test_picture_is_fetched_once(server):
    """Its type is what its bytes are; its hash is known from then on."""
    pictures = Pictures(server)
    photo = ask(pictures)
    assert (photo.type, photo.data) == ("image/png", PNG)
    assert ask(pictures) is photo
    assert server.asked == [("a", "256")]
    assert pictures.known == {MXC: photo.id}


def test_large_picture_is_asked_for_in_a_smaller_size(server):
    """What is too large even so is none."""
    server.files = {"a256": PNG + bytes(MAX_PHOTO), "b": PNG + bytes(MAX_PHOTO)}
    pictures = Pictures(server)
    assert ask(pictures).data == PNG
    assert server.asked == [("a", "256"), ("a", "96")]
    assert ask(pictures, "mxc://hs.example/b").trouble is Trouble.NOT_FOUND
    assert pictures.known["mxc://hs.example/b"] == ""


@pytest.mark.parametrize(
    "mxc", ["", "mxc://", "https://a.example/b", "mxc://a/../b", "mxc://a b/c", "mxc://a/b?c"]
)
def test_what_is_no_picture_is_not_asked_for(server, mxc):
    """An event may say anything."""
    assert ask(Pictures(server), mxc).trouble is Trouble.NOT_FOUND
    assert server.asked == []


def test_trouble_that_may_pass_is_not_remembered(server):
    """The next one may have the picture."""
    pictures = Pictures(server)
    server.files["a"] = BridgeError(Trouble.BUSY)
    assert ask(pictures).trouble is Trouble.BUSY
    assert pictures.known == {}
    server.files["a"] = BridgeError(Trouble.NO_SUCH_ROOM)
    assert ask(pictures).trouble is Trouble.NO_SUCH_ROOM
    assert pictures.known == {MXC: ""}
    server.files["a"] = b"<html>"
    assert ask(Pictures(server)).trouble is Trouble.NOT_FOUND


def test_pictures_are_looked_at_a_few_at_a_time(server):
    """Everybody who waits for one is told when it is known, at once if it is already."""
    server.held, told = [], []
    pictures = Pictures(server)
    for number in range(AT_ONCE + 1):
        for _ in range(2):
            pictures.look(f"mxc://hs.example/{number}", lambda number=number: told.append(number))
    assert len(server.held) == AT_ONCE
    while server.held:
        server.held.pop(0).callback(None)
    assert sorted(told) == sorted([*range(AT_ONCE + 1)] * 2)
    pictures.look("mxc://hs.example/0", lambda: told.append("again"))
    assert told[-1] == "again"
    pictures.look("no picture", lambda: told.append("none"))
    assert told[-1] == "none"


def test_pictures_are_bounded(server):
    """What is kept, what is known, and what waits."""
    pictures = Pictures(server)
    for number in range(PICTURES + 1):
        ask(pictures, f"mxc://hs.example/{number}")
    assert len(pictures._kept) == PICTURES
    for number in range(HASHES + 1):
        pictures._know(str(number), "")
    assert len(pictures.known) == HASHES
    server.held = []
    for number in range(WAITING + 5):
        pictures.look(f"mxc://hs.example/w{number}", lambda: None)
    assert len(pictures._looked) == WAITING
