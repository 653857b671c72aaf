"""`xmppbridge check --live`: what the DNS tells other servers about our domains."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.names import dns

from bridge.cli.check import Finding, error, ok, warning
from bridge.config.values import SERVER_PORT
from bridge.federation import dane
from bridge.federation.certificate import PeerCertificate
from bridge.federation.dns import Answer
from bridge.federation.resolver import SERVICES, LookupFailed, NoServer, Resolver, Target, a_labels

Ask = Callable[[str, int], Deferred[Answer]]
"""`Dns.ask`."""


class Seen(Struct, frozen=True, kw_only=True):
    """What other servers could see of a domain of ours; `certificate` None if it has none."""

    domain: str
    ports: frozenset[int]
    certificate: PeerCertificate | None


async def record_findings(seen: Seen, ask: Ask) -> list[Finding]:
    """Look for a domain as other servers do (RFC 6120 §3.2, XEP-0368 §3)."""
    resolver, name = Resolver(ask, Random(), {}), a_labels(seen.domain)
    asked = {f"{service}.{name}": await ask(f"{service}.{name}", dns.SRV) for service, _ in SERVICES}
    if failed := [service for service, answer in asked.items() if answer.failed]:
        return [error(service, "the DNS does not answer, or not credibly") for service in failed]
    findings = [
        await _service(service, record, answer.secure, seen, resolver)
        for service, answer in asked.items()
        for record in answer.records
    ]
    if not findings:
        return [await _without_records(name, seen, resolver)]
    if not asked[f"{SERVICES[1][0]}.{name}"].records:
        findings.append(warning(seen.domain, "no SRV record for servers that know no direct TLS"))
    return findings


async def _service(service: str, record: Any, is_signed: bool, seen: Seen, resolver: Resolver) -> Finding:
    """Follow one SRV record (RFC 2782), to the certificate if the way there is signed (RFC 7673 §3)."""
    host = record.target.name.decode("latin-1")
    if host in ("", "."):
        return error(service, "says that there is no such service")
    where = f"{host}:{record.port}"
    addresses = await _addresses(host, resolver)
    if not addresses:
        return error(service, f"{where}: that host has no address")
    if record.port not in seen.ports:
        return warning(service, f"{where}: the bridge does not listen on that port; is it forwarded?")
    target = Target(host=host, port=record.port, direct_tls=False, secure=is_signed)
    try:
        tlsa = await resolver.tlsa(target)
    except LookupFailed:
        return error(service, f"{where}: the DNS does not answer for its TLSA records, or not credibly")
    if seen.certificate and (problem := dane.problem(seen.certificate, seen.domain, host, tlsa)):
        return error(service, f"{where}: our certificate is {problem}")
    signed = f", signed{' with TLSA' if tlsa else ''}" if is_signed else ""
    return ok(service, f"{where} ({', '.join(addresses)}){signed}")


async def _without_records(name: str, seen: Seen, resolver: Resolver) -> Finding:
    """Fall back to the domain's own address and the usual port (RFC 6120 §3.2.2)."""
    addresses = await _addresses(name, resolver)
    if not addresses:
        return error(seen.domain, "has neither SRV records nor an address: no server can find it")
    if SERVER_PORT not in seen.ports:
        return warning(
            seen.domain, f"has no SRV records, and the bridge does not listen on port {SERVER_PORT}"
        )
    return ok(seen.domain, f"no SRV records; found by its address ({', '.join(addresses)})")


async def _addresses(host: str, resolver: Resolver) -> tuple[str, ...]:
    try:
        return await resolver.addresses(host)
    except (NoServer, LookupFailed):
        return ()
