from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock

from bridge.config import CertificateConfig, DomainPattern, Endpoint, FederationConfig, FilePath
from bridge.federation.exchange import Exchange
from bridge.federation.own_certificate import CertificateError
from bridge.federation.service import Federation


def federation(reactor: MemoryReactorClock, **options) -> tuple[Federation, Exchange]:
    exchange = Exchange()
    config = FederationConfig(posh=False, **options)
    return Federation(config, frozenset({"irc.example.org"}), reactor, exchange), exchange


def test_service_listens_where_it_is_told() -> None:
    """And is the exchange's way to all other domains from then on."""
    reactor = MemoryReactorClock()
    made, exchange = federation(
        reactor, listen=(Endpoint.parse("127.0.0.1:5269"), Endpoint.parse("[::1]:5270"))
    )
    made.startService()
    assert [(port, interface) for port, _, _, interface in reactor.tcpServers] == [
        (5269, "127.0.0.1"),
        (5270, "::1"),
    ]
    assert exchange.remote is made


def test_port_that_is_taken_is_an_error_at_start() -> None:
    """The operator learns it at once."""

    class Taken(MemoryReactorClock):
        def listenTCP(self, port, *_rest):
            raise CannotListenError("127.0.0.1", port, OSError("in use"))

    made, _ = federation(Taken())
    with pytest.raises(CannotListenError):
        made.startService()


def test_unusable_certificate_is_an_error_at_start(tmp_path: Path) -> None:
    """With the file's name."""
    missing = CertificateConfig(certificate=FilePath(tmp_path / "none.crt"))
    with pytest.raises(CertificateError, match=r"none\.crt"):
        federation(MemoryReactorClock(), certificates={DomainPattern.parse("irc.example.org"): missing})


def test_stop_is_quick_without_connections() -> None:
    """Nobody has to be waited for."""
    made, _ = federation(MemoryReactorClock())
    made.startService()
    done = []
    made.stopService().addCallback(done.append)
    assert done


def test_reload_looks_at_every_stream_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those to servers that are denied now end; nobody waits for a restart."""
    made, _ = federation(MemoryReactorClock())
    looked_at = []
    for name in ("_pool", "_acceptor"):
        monkeypatch.setattr(getattr(made, name), "review", lambda name=name: looked_at.append(name))
    made.reload(FederationConfig(posh=False), frozenset())
    assert sorted(looked_at) == ["_acceptor", "_pool"]
