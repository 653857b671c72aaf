"""The bridge's web server, in bytes."""

from __future__ import annotations

from twisted.internet.testing import MemoryReactorClock

from bridge.web import server
from bridge.web.server import OVERDRAFT, Answer, WebServer
from tests.bridge.web.streams import Answered, ask, visit


class Echo(Answer):
    """Says how long the body is."""

    def __init__(self) -> None:
        super().__init__(200, "")

    def render(self, request):
        return str(len(request.content.read())).encode()


def start(admits: int = 0) -> tuple[MemoryReactorClock, WebServer]:
    reactor = MemoryReactorClock()
    made = WebServer(reactor, "127.0.0.1", 5290)
    made.admits = lambda authorization: admits if authorization == "Bearer yes" else 0
    made.start()
    return reactor, made


def test_parts_are_mounted_by_name():
    """One does not hide the other; what nobody mounted is not there."""
    reactor, made = start()
    made.mount(Answer(200, "roses"), "media", "mx.example")
    made.mount(Answer(201, "lilies"), "media", "other.example")
    made.mount(Answer(202, "well"), "status")
    assert reactor.tcpServers[0][0] == 5290 and reactor.tcpServers[0][3] == "127.0.0.1"
    assert ask(reactor, "GET", "/media/mx.example/a/b").body == b"roses\n"
    assert ask(reactor, "GET", "/media/other.example").status == 201
    assert ask(reactor, "GET", "/status").status == 202
    for path in ("/", "/media", "/media/", "/media/third.example", "/nothing/at/all"):
        assert ask(reactor, "GET", path).status == 404, path


def test_body_is_kept_only_as_far_as_it_is_admitted():
    """A stranger's body takes no room; what is one byte too long neither."""
    reactor, made = start(admits=5)
    made.mount(Echo(), "echo")
    assert ask(reactor, "PUT", "/echo", b"12345", authorization="Bearer yes").body == b"5"
    assert ask(reactor, "PUT", "/echo", b"123456", authorization="Bearer yes").body == b"0"
    assert ask(reactor, "PUT", "/echo", b"12345", authorization="Bearer no").body == b"0"
    assert ask(reactor, "PUT", "/echo", b"12345").body == b"0"


def test_endless_body_is_cut_off():
    """Who sends what nobody wants is not listened to."""
    reactor, made = start(admits=5)
    made.mount(Echo(), "echo")
    chunk = b"8000\r\n" + bytes(0x8000) + b"\r\n"
    protocol, transport = visit(reactor, "PUT", "/echo", transfer_encoding="chunked")
    for _ in range(OVERDRAFT // 0x8000 + 1):
        assert not transport.disconnecting
        protocol.dataReceived(chunk)
    assert transport.disconnecting


def test_more_connections_than_allowed_are_closed(monkeypatch):
    """Others wait before the reverse proxy."""
    monkeypatch.setattr(server, "CONNECTIONS", 1)
    reactor, _ = start()
    factory = reactor.tcpServers[0][1]
    _, transport = visit(reactor, "GET", "/")
    assert Answered(transport.value(), True).status == 404
    assert factory.buildProtocol(None) is None


def test_stop_closes_what_is_open():
    """Nothing answers any more."""
    reactor, made = start()
    _, transport = visit(reactor, "GET", "/")
    made.stop()
    assert transport.disconnecting
    made.stop()
