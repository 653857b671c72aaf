"""`xmppbridge check --live`: what stands behind a published address; we come as a server that we are not."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory

from bridge.cli.attempt import Attempt, ToldStream
from bridge.config import FederationConfig
from bridge.federation.certificate import PeerCertificate
from bridge.federation.connect import REASONS, SILENT
from bridge.federation.connection import Connection
from bridge.federation.tls import TlsContexts, peer
from bridge.xmpp.dialback import Keys
from bridge.xmpp.xml import Limits

TIMEOUT = 5.0
"""Seconds for the connection, and for TLS after it."""

ENDED = re.compile("stream: ended")
"""The step that says why there is no stream."""

Knock = Callable[[str, str, int, bool], Awaitable[PeerCertificate]]
"""Connects for a domain to an address and a port, with direct TLS or STARTTLS, and returns the certificate
that is shown there; raises NobodyHome."""


class NobodyHome(Exception):
    """There is no server of ours; the argument says what was there instead."""


async def knock(
    config: FederationConfig, reactor: Any, domain: str, address: str, port: int, direct_tls: bool
) -> PeerCertificate:
    """Implement `Knock`; our name is not told, so that no policy turns us away."""
    contexts = TlsContexts(config, partial(frozenset, ()))
    shown: Deferred[PeerCertificate] = Deferred()
    steps: list[str] = []

    async def look(transport: Any) -> str:
        shown.callback(peer(transport))
        return ""

    def closed(_: bool) -> None:
        if not shown.called:
            shown.errback(NobodyHome(next(filter(ENDED.match, steps), SILENT)))

    attempt = Attempt(
        lambda: contexts.client("", domain, direct=direct_tls), look, steps.append, direct_tls=direct_tls
    )
    attempt.done.addCallback(closed)
    factory = Factory.forProtocol(lambda: Connection(_stream(domain), attempt, reactor))
    factory.noisy = False
    endpoint = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
    try:
        connection = await endpoint(reactor, address, port, TIMEOUT).connect(factory)
    except ConnectError as error:
        raise NobodyHome(REASONS.get(type(error), SILENT)) from None
    assert isinstance(connection, Connection)
    try:
        return await shown.addTimeout(TIMEOUT, reactor, _too_late)
    finally:
        connection.abort()


def _too_late(_result: object, _timeout: float) -> PeerCertificate:
    raise NobodyHome(SILENT)


def _stream(domain: str) -> ToldStream:
    """Make a stream to one of our domains, from nobody."""
    return ToldStream(
        "", domain, Keys(b""), lambda _: False, Limits(),
        encryption="required", certificate_required=False, external=False, bidirectional=False,
    )  # fmt: skip
