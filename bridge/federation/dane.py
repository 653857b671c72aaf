"""What the DNS, signed, says of a server's certificate (RFC 6698, RFC 7673; RFC 7712 §5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from hashlib import sha256, sha512

from bridge.federation.certificate import PeerCertificate
from bridge.federation.resolver import Tlsa
from bridge.federation.x509 import Certificate, read

MISMATCH = "not the one that its DNS names (DANE)"


class Usage(IntEnum):
    """What a record says of the certificate that matches it (RFC 6698 §2.1.1, names of RFC 7218)."""

    PKIX_TA = 0
    PKIX_EE = 1
    DANE_TA = 2
    DANE_EE = 3


CERTIFICATE, PUBLIC_KEY = 0, 1
"""Selectors (RFC 6698 §2.1.2)."""
FULL, SHA_256, SHA_512 = 0, 1, 2
"""Matching types (RFC 6698 §2.1.3)."""
DIGEST_LENGTHS = {SHA_256: 32, SHA_512: 64}


def decides(tlsa: Sequence[Tlsa]) -> bool:
    """Tell whether any of the records is usable: then there must be TLS, with a certificate that matches.

    Nothing makes up for that, not even dialback (RFC 6698 §4.1, RFC 7673 §3.4).
    """
    return any(map(_is_usable, tlsa))


def problem(peer: PeerCertificate, domain: str, host: str, tlsa: Sequence[Tlsa]) -> str | None:
    """Say why a certificate is not what the records of its server `host` want, "" if it is.

    None if no record is usable: then they do not matter (RFC 6698 §4.1). Otherwise they decide alone,
    even against an authority. Where they do not speak of the server's own certificate only, that must
    name the domain or `host`, which signed SRV records have named ("" if they have not; RFC 7673 §4).
    """
    usable = [record for record in tlsa if _is_usable(record)]
    if not usable:
        return None
    if not peer.chain:
        return peer.problem()
    domains = (domain, host) if host else (domain,)
    problems = [_problem(peer, domains, record) for record in usable]
    return "" if "" in problems else next((each for each in problems if each != MISMATCH), MISMATCH)


def _problem(peer: PeerCertificate, domains: Sequence[str], record: Tlsa) -> str:
    own, others = peer.chain[0], peer.chain[1:]
    match Usage(record.usage):
        case Usage.DANE_EE:
            return "" if _matches(own, record) else MISMATCH
        case Usage.PKIX_EE:
            return peer.problem(*domains) if _matches(own, record) else MISMATCH
        case Usage.PKIX_TA:
            on_path = any(_matches(authority, record) for authority in peer.path[1:])
            return peer.problem(*domains) if on_path else peer.problem(*domains) or MISMATCH
        case Usage.DANE_TA:
            anchors = [authority for authority in (*others, *_carried(record)) if _matches(authority, record)]
            return peer.problem(*domains, anchors=anchors) if anchors else MISMATCH


def _is_usable(record: Tlsa) -> bool:
    """Tell whether we know what it means (RFC 6698 §4.1)."""
    known = record.usage in tuple(Usage) and record.selector in (CERTIFICATE, PUBLIC_KEY)
    if record.matching == FULL:
        return known and bool(record.data)
    return known and len(record.data) == DIGEST_LENGTHS.get(record.matching)


def _matches(certificate: Certificate, record: Tlsa) -> bool:
    selected = certificate.der if record.selector == CERTIFICATE else certificate.public_key
    if record.matching == SHA_256:
        selected = sha256(selected).digest()
    elif record.matching == SHA_512:
        selected = sha512(selected).digest()
    return selected == record.data


def _carried(record: Tlsa) -> tuple[Certificate, ...]:
    """Return the authority that the record has in full; a server need not send that one."""
    if (record.selector, record.matching) != (CERTIFICATE, FULL):
        return ()
    certificate = read(record.data)
    return () if certificate is None else (certificate,)
