"""`xmppbridge check`: what other servers will think of our certificates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from bridge.cli.check import Finding, error, ok, readable, warning
from bridge.config import FederationConfig
from bridge.federation.certificate import PeerCertificate
from bridge.federation.own_certificate import CertificateError, OwnCertificate, found, load
from bridge.federation.tls import TlsContexts

SOON = timedelta(days=14)
"""How long before the end of a certificate it is told; most are renewed a month before theirs."""


def certificate_findings(
    domains: Sequence[str], federation: FederationConfig, now: datetime | None = None
) -> Iterator[Finding]:
    """Check the certificate of each domain, then their keys."""
    keys: dict[Path, None] = {}
    for domain in domains:
        try:
            contexts = TlsContexts(federation, partial(frozenset, (domain,)))
        except CertificateError as failure:
            yield error(domain, str(failure))
            continue
        own = contexts.certificate_for(domain)
        if own is not None:
            keys[own.files.key] = None
            yield _certificate(domain, own, contexts.problem(domain), now or datetime.now(UTC))
        elif federation.encryption == "required":
            yield error(
                domain, f"has no certificate, and encryption is required: {_wanted(domain, federation)}"
            )
        else:
            yield warning(domain, "has no certificate")
    for key in keys:
        yield from readable(key)


def _wanted(domain: str, federation: FederationConfig) -> str:
    """Tell where one would be found, or what is there instead."""
    folder = federation.certificate_directory
    if not folder:
        return "certificate_directory is not set"
    for files in found(federation, domain):
        return f"{files.certificate} is for {', '.join(load(files).chain[0].names) or 'no domain'}"
    return f"there is no {domain}.crt, {domain}.pem or {domain}/fullchain.pem for it in {folder}"


def _certificate(domain: str, own: OwnCertificate, problem: str, now: datetime) -> Finding:
    file, certificate = own.files.certificate, own.chain[0]
    expires = min(each.expires for each in own.chain)
    if problem:
        return warning(domain, f"other servers may not trust {file}: {problem}")
    if expires < now + SOON:
        return warning(domain, f"{file} expires on {expires:%Y-%m-%d}, in {(expires - now).days} days")
    purposes = "any purpose" if certificate.usages is None else " and ".join(certificate.usages)
    names = ", ".join(certificate.names)
    return ok(domain, f"{file} is for {names} ({purposes}), until {expires:%Y-%m-%d}")


def shown(domain: str, federation: FederationConfig) -> PeerCertificate | None:
    """Return our certificate for a domain as others see it; None if there is none that can be used."""
    try:
        contexts = TlsContexts(federation, partial(frozenset, (domain,)))
    except CertificateError:
        return None
    own = contexts.certificate_for(domain)
    if own is None:
        return None
    return PeerCertificate([each.der for each in own.chain], contexts.authorities, connected=False)
