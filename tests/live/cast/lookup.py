"""A program that finds the servers of domains and connects to them: `python -m … PORT DOMAIN…`.

PORT is of the nameserver, on loopback. What is found is written as one line of JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable
from random import Random
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import react

from bridge.federation.connect import Unreachable, connect
from bridge.federation.dns import Dns
from bridge.federation.resolver import LookupFailed, NoServer, Resolver

TIMEOUT = 10.0


async def outcome(awaited: Awaitable[Any]) -> Any:
    """Return what comes, or the name of what went wrong."""
    try:
        return await awaited
    except (LookupFailed, NoServer, Unreachable) as error:
        return type(error).__name__


async def look_up(reactor: Any, resolver: Resolver, domain: str) -> dict[str, Any]:
    """Return the servers of a domain, and of the first its addresses, TLSA records, and where a connection leads."""
    targets = await outcome(resolver.find(domain))
    if isinstance(targets, str):
        return {"targets": targets}
    first = targets[0]
    connection = await outcome(connect(reactor, resolver, first, Factory.forProtocol(Protocol), TIMEOUT))
    return {
        "targets": targets,
        "addresses": await outcome(resolver.addresses(first.host)),
        "tlsa": await outcome(resolver.tlsa(first)),
        "peer": connection if isinstance(connection, str) else connection.transport.getPeer().host,
    }


async def look_up_all(reactor: Any, port: str, *domains: str) -> None:
    """Print the findings."""
    resolver = Resolver(Dns(reactor, [("127.0.0.1", int(port))], dnssec=True).ask, Random(), {})
    print(json.dumps({name: msgspec.to_builtins(await look_up(reactor, resolver, name)) for name in domains}))


if __name__ == "__main__":
    react(lambda reactor, *argv: Deferred.fromCoroutine(look_up_all(reactor, *argv)), sys.argv[1:])
