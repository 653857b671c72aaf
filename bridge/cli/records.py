"""`xmppbridge check --live`: what the DNS tells other servers about our domains, and where that leads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.names import dns

from bridge.cli.check import Finding, error, ok, warning
from bridge.cli.knock import Knock, NobodyHome
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


def record_findings(seen: Seen, ask: Ask, knock: Knock) -> Deferred[list[Finding]]:
    """Look for a domain as other servers do (RFC 6120 §3.2, XEP-0368 §3), and go where that leads."""
    return Deferred.fromCoroutine(_Search(seen, ask, knock).run())


class _Search:
    """The search for one domain."""

    def __init__(self, seen: Seen, ask: Ask, knock: Knock) -> None:
        self._seen = seen
        self._ask = ask
        self._knock = knock
        self._resolver = Resolver(ask, Random(), {})

    async def run(self) -> list[Finding]:
        name = a_labels(self._seen.domain)
        asked = [
            (f"{service}.{name}", direct, await self._ask(f"{service}.{name}", dns.SRV))
            for service, direct in SERVICES
        ]
        if failed := [service for service, _, answer in asked if answer.failed]:
            return [error(service, "the DNS does not answer, or not credibly") for service in failed]
        findings = [
            await self._service(service, record, direct_tls=direct, is_signed=answer.secure)
            for service, direct, answer in asked
            for record in answer.records
        ]
        if not findings:
            return [await self._without_records(name)]
        if not any(answer.records for _, direct, answer in asked if not direct):
            findings.append(warning(self._seen.domain, "no SRV record for servers that know no direct TLS"))
        return findings

    async def _service(self, service: str, record: Any, *, direct_tls: bool, is_signed: bool) -> Finding:
        """Follow one SRV record (RFC 2782), to the certificate if the way there is signed (RFC 7673 §3)."""
        seen, host = self._seen, record.target.name.decode("latin-1")
        if host in ("", "."):
            return error(service, "says that there is no such service")
        where = f"{host}:{record.port}"
        addresses = await self._addresses(host)
        if not addresses:
            return error(service, f"{where}: that host has no address")
        target = Target(host=host, port=record.port, direct_tls=direct_tls, secure=is_signed)
        try:
            tlsa = await self._resolver.tlsa(target)
        except LookupFailed:
            return error(service, f"{where}: the DNS does not answer for its TLSA records, or not credibly")
        if seen.certificate and (problem := dane.problem(seen.certificate, seen.domain, host, tlsa)):
            return error(service, f"{where}: our certificate is {problem}")
        signed = f", signed{' with TLSA' if tlsa else ''}" if is_signed else ""
        found = (
            f"{where} ({', '.join(addresses)}){signed}{', shows our certificate' if seen.certificate else ''}"
        )
        return await self._visit(service, where, addresses, record.port, direct_tls) or ok(service, found)

    async def _without_records(self, name: str) -> Finding:
        """Fall back to the domain's own address and the usual port (RFC 6120 §3.2.2)."""
        domain, addresses = self._seen.domain, await self._addresses(name)
        if not addresses:
            return error(domain, "has neither SRV records nor an address: no server can find it")
        found = f"no SRV records; found by its address ({', '.join(addresses)})"
        return await self._visit(domain, f"port {SERVER_PORT}", addresses, SERVER_PORT, False) or ok(
            domain, found
        )

    async def _visit(
        self, subject: str, where: str, addresses: Sequence[str], port: int, direct_tls: bool
    ) -> Finding | None:
        """Go to each address, and say what is wrong there."""
        domain, own = self._seen.domain, self._seen.certificate
        if own is None:
            return None
        for address in addresses:
            try:
                shown = await self._knock(domain, address, port, direct_tls)
            except NobodyHome as problem:
                advice = "is the bridge running, and the port open?"
                if port not in self._seen.ports:
                    advice = "the bridge does not listen on that port, is it forwarded?"
                return warning(subject, f"{where} ({address}): {problem}; {advice}")
            if shown.chain[:1] != own.chain[:1]:
                return self._another(subject, f"{where} ({address})", shown)
        return None

    def _another(self, subject: str, where: str, shown: PeerCertificate) -> Finding:
        problem = shown.problem(self._seen.domain)
        told = f"{where} shows another certificate than ours"
        if problem:
            return error(subject, f"{told} ({problem})")
        return warning(
            subject, f"{told}, until {shown.expires:%Y-%m-%d}: SIGHUP has the bridge read its files again"
        )

    async def _addresses(self, host: str) -> tuple[str, ...]:
        try:
            return await self._resolver.addresses(host)
        except (NoServer, LookupFailed):
            return ()
