"""`xmppbridge check --live`: stores, component ports and servers that are there, or not, or strange."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha1
from pathlib import Path

import pytest

from bridge.cli import live
from bridge.cli.check import Finding, Verdict
from bridge.cli.live import check_component, check_store
from bridge.config import ComponentConfig, Secret

HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
    "xmlns:stream='http://etherx.jabber.org/streams' id='77' from='irc.example.org'>"
)
STREAM_ERROR = (
    "<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
    "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>so it is</text></stream:error></stream:stream>"
)

Answer = Callable[[socket.socket], None]


@contextmanager
def server(answer: Answer) -> Iterator[int]:
    """Serve one connection in a thread; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(5)
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)
        assert not thread.is_alive()


def read_until(connection: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        data += connection.recv(4096) or end
    return data


def component(answer: Answer, secret: str = "hush") -> Finding:
    with server(answer) as port:
        config = ComponentConfig(host="127.0.0.1", port=port, secret=Secret(secret))
        return check_component("irc.example.org", config)


def after_handshake(reply: str) -> Answer:
    def answer(connection: socket.socket) -> None:
        read_until(connection, b">")
        connection.sendall(HEADER.encode())
        read_until(connection, b"</handshake>")
        connection.sendall(reply.encode())
        connection.recv(4096)

    return answer


def test_right_secret_is_accepted_and_stanzas_that_came_are_given_back() -> None:
    """A server that shares stanzas out gets an answer for what it gave to this connection."""
    rest = b""

    def answer(connection: socket.socket) -> None:
        nonlocal rest
        read_until(connection, b">")
        connection.sendall(HEADER.encode())
        digest = sha1(b"77hush", usedforsecurity=False).hexdigest()
        assert read_until(connection, b"</handshake>").endswith(f"<handshake>{digest}</handshake>".encode())
        iq = "<iq type='get' id='1' from='a@example.org/x' to='irc.example.org'><ping xmlns='urn:xmpp:ping'/></iq>"
        connection.sendall(f"<handshake/>{iq}".encode())
        rest = read_until(connection, b"</stream:stream>")

    finding = component(answer)
    assert finding.verdict is Verdict.OK and "accepts the secret" in finding.text
    assert b"recipient-unavailable" in rest and b"id='1'" in rest.replace(b'"', b"'")


@pytest.mark.parametrize(
    ("condition", "verdict", "text"),
    [
        ("conflict", Verdict.OK, "accepts the secret; the component is connected already"),
        ("not-authorized", Verdict.ERROR, "the secret is refused (so it is)"),
        ("host-unknown", Verdict.ERROR, "has no component irc.example.org (so it is)"),
        ("see-other-host", Verdict.ERROR, "see-other-host (so it is)"),
    ],
)
def test_stream_error_is_explained(condition: str, verdict: Verdict, text: str) -> None:
    """In the operator's terms, with the server's own words."""
    finding = component(after_handshake(STREAM_ERROR.format(condition=condition)))
    assert finding.verdict is verdict and finding.text.endswith(text)


def test_port_of_clients_is_recognised() -> None:
    """5222 instead of 5347 is a frequent mistake."""

    def answer(connection: socket.socket) -> None:
        read_until(connection, b">")
        connection.sendall(HEADER.replace("component:accept", "client").encode())
        connection.recv(4096)

    finding = component(answer)
    assert finding.verdict is Verdict.ERROR
    assert finding.text.endswith("this is not the XMPP server's port for components")


def test_server_that_hangs_up_is_told() -> None:
    """Some do so instead of an answer."""
    finding = component(lambda connection: None)
    assert finding.verdict is Verdict.ERROR


def test_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A web server waits for us, too."""
    monkeypatch.setattr(live, "TIMEOUT", 0.05)
    finding = component(lambda connection: read_until(connection, b"never") and None)
    assert finding.verdict is Verdict.ERROR and "does not answer" in finding.text


def test_closed_port_is_told() -> None:
    """Nothing listens there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    finding = check_component(
        "irc.example.org", ComponentConfig(host="127.0.0.1", port=port, secret=Secret("x"))
    )
    assert finding.verdict is Verdict.ERROR and "Connection refused" in finding.text


def test_store_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    """It would belong to whoever runs the check."""
    finding = check_store(str(tmp_path / "x.sqlite"))
    assert finding.verdict is Verdict.OK and list(tmp_path.iterdir()) == []
    assert check_store(str(tmp_path / "none" / "x.sqlite")).verdict is Verdict.WARNING


def test_store_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    """A file of something else."""
    path = tmp_path / "x.sqlite"
    path.write_text("something else, but long enough to be looked at as a database header " * 20)
    assert check_store(str(path)).verdict is Verdict.ERROR


def test_store_that_is_a_database_is_fine(tmp_path: Path) -> None:
    """And is left as it is, without a lock beside it."""
    path = tmp_path / "x.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (x)")
    assert check_store(str(path)).verdict is Verdict.OK
    assert [each.name for each in tmp_path.iterdir()] == ["x.sqlite"]


def test_postgresql_that_does_not_answer_is_an_error() -> None:
    """With the reason, without the password."""
    finding = check_store("postgresql://u:hush@127.0.0.1:1/x")
    assert finding.verdict is Verdict.ERROR and "hush" not in finding.text
