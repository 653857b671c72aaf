"""Trying servers for `xmppbridge check --live`."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from bridge.errors import BridgeError
from transports.irc import probe
from transports.irc.config import IrcConfig, ServerConfig
from transports.irc.dialer import Attempt, Target


class Transport:
    """A connection that is lost as soon as it is closed."""

    host = "127.0.0.1"

    def __init__(self, line: Any) -> None:
        self._line = line

    def getHandle(self) -> Transport:
        return self

    def getPeer(self) -> Transport:
        return self

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Nothing is paced."""

    def unregisterProducer(self) -> None:
        """Nothing was."""

    def loseConnection(self) -> None:
        self._line.connection_lost(None)

    loseWriteConnection = loseConnection


class Dialer:
    """Reaches the ports of `open`, and no other."""

    open: frozenset[int] = frozenset()

    def __init__(self, reactor: object, endpoint: object) -> None:
        self.tried: list[tuple[str, int]] = []

    def dial(self, target: Target, attempt: Attempt, line: Any) -> Deferred[Any]:
        self.tried.append((target.host, attempt.port))
        if attempt.port in self.open:
            return succeed(Transport(line))
        return fail(Failure(ConnectionRefusedError()))


@pytest.fixture(autouse=True)
def dialer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "Dialer", Dialer)


def outcomes(config: IrcConfig) -> dict[str, object]:
    found: dict[str, object] = {}
    for one in probe.server_probes(config, Clock()):
        one.result.addBoth(lambda result, name=one.subject: found.__setitem__(name, result))
    return found


def test_server_that_takes_the_connection_is_told_with_its_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports are tried in the order that users' connections have."""
    monkeypatch.setattr(Dialer, "open", frozenset({6670, 6667}))
    found = outcomes(IrcConfig(fixed_server="irc.example.net", ports=(6667,)))
    assert found == {"irc.example.net": "port 6670: TLS, its certificate is accepted"}
    found = outcomes(IrcConfig(fixed_server="irc.example.net", ports=(6667,), tls_ports=()))
    assert found == {"irc.example.net": "port 6667: not encrypted"}


def test_server_that_cannot_be_reached_is_told_with_the_reason() -> None:
    """The words are those that a user reads."""
    [failure] = outcomes(IrcConfig(fixed_server="irc.example.net")).values()
    assert isinstance(failure, Failure) and isinstance(failure.value, BridgeError)
    assert failure.value.text == "Connection refused"


def test_named_servers_are_tried_if_none_is_fixed() -> None:
    """Users may go anywhere, but these have been set up."""
    config = IrcConfig(servers={"a.example": ServerConfig(), "b.example": ServerConfig()})
    assert set(outcomes(config)) == {"a.example", "b.example"}
    assert outcomes(IrcConfig()) == {}


def test_server_that_users_may_not_have_is_told() -> None:
    """The configuration contradicts itself."""
    [failure] = outcomes(IrcConfig(fixed_server="a.example", denied_servers=("*",))).values()
    assert isinstance(failure, Failure) and "does not allow" in failure.value.text
