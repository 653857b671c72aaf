"""The certificate that a server shows, and whether it is believed (RFC 6120 §13.7.2).

The policy; the first rule that is broken is the answer:

1. there is a certificate, and nothing in it is malformed
2. a path leads to an authority that we trust (RFC 5280 §6): signatures, dates, CA flags, name constraints
3. it is no authority's own (RFC 6120 §13.7.1.1), unless it is trusted as it stands
4. no key of the path is short, and nothing below the authority is signed with SHA-1 or MD5
5. its purpose, and that of the authorities between, is a TLS server; of a server that connected to
   us, a TLS client will do as well. Public authorities write only "server" since 2026.
6. one of its names is the domain (`Certificate.names_domain`)

Revocation is not asked for: authorities give up OCSP, and certificates live ever shorter.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property

from OpenSSL import SSL, crypto

from bridge.federation.x509 import Certificate, read

CHAIN_LIMIT = 10
"""Certificates of a chain that are looked at."""
NAMES_TOLD = 3
"""How many names of a certificate an answer tells."""

PROBLEMS = {
    2: "issued by an unknown authority",
    9: "not yet valid",
    10: "expired",
    18: "self-signed",
    19: "issued by an unknown authority",
    20: "issued by an unknown authority",
    21: "issued by an unknown authority",
    47: "not in its authority's domains",
    48: "not in its authority's domains",
    79: "issued by what is no authority",
}
"""OpenSSL's verification errors (X509_V_ERR_…) in the words of `PeerCertificate.problem`."""


class Authorities:
    """Whom we trust to issue certificates: those in `ca_file` (PEM), the system's if it is "".

    Raises OpenSSL.SSL.Error for a file that cannot be used.
    """

    def __init__(self, ca_file: str) -> None:
        self.context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        """For clients of other protocols, whose handshakes are to fail unless the peer is trusted."""
        if ca_file:
            self.context.load_verify_locations(ca_file)
        else:
            self.context.set_default_verify_paths()
        self.context.set_min_proto_version(SSL.TLS1_2_VERSION)
        self._store = self.context.get_cert_store() or crypto.X509Store()

    def path(
        self, chain: Sequence[Certificate], anchors: Sequence[Certificate] = ()
    ) -> tuple[str, tuple[Certificate, ...]]:
        """Find the way from a certificate, the first of `chain`, to an authority (RFC 5280 §6.1).

        `anchors`, if any, are trusted instead of the authorities. Returns what is wrong and (), or ""
        and the path. OpenSSL is given no purpose: who calls knows better (`PeerCertificate`).
        """
        store = _only(anchors) if anchors else self._store
        try:
            own, *others = (_x509(certificate) for certificate in chain)
            found = crypto.X509StoreContext(store, own, others).get_verified_chain()
        except crypto.X509StoreContextError as error:
            code, depth, _ = error.errors
            problem = PROBLEMS.get(code, "invalid")
            return (f"issued by an authority that is {problem}" if depth and code in (9, 10) else problem), ()
        except crypto.Error:
            return "unreadable", ()
        path = tuple(read(crypto.dump_certificate(crypto.FILETYPE_ASN1, each)) for each in found)
        readable = tuple(certificate for certificate in path if certificate is not None)
        return ("", readable) if len(readable) == len(path) else ("unreadable", ())


def _only(anchors: Sequence[Certificate]) -> crypto.X509Store:
    store = crypto.X509Store()
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    for anchor in anchors:
        store.add_cert(_x509(anchor))
    return store


def _x509(certificate: Certificate) -> crypto.X509:
    return crypto.load_certificate(crypto.FILETYPE_ASN1, certificate.der)


class PeerCertificate:
    """What a server has shown of itself; `chain` (DER) begins with its own certificate, empty if it has none.

    `connected` says that the server connected to us, else we to it. Nothing is read before it is asked for.
    """

    def __init__(self, chain: Sequence[bytes], authorities: Authorities, connected: bool) -> None:
        self.present = bool(chain)
        self._ders = tuple(chain[:CHAIN_LIMIT])
        self._authorities = authorities
        self._connected = connected

    @cached_property
    def chain(self) -> tuple[Certificate, ...]:
        """The server's certificate, then those of the others that can be read; () if its own cannot."""
        found = tuple(certificate for der in self._ders if (certificate := read(der)) is not None)
        is_readable = bool(found) and found[0].der == self._ders[0]
        self._ders = ()
        return found if is_readable else ()

    def names(self) -> tuple[str, ...]:
        """Return the domains that it names."""
        return self.chain[0].names if self.chain else ()

    @property
    def usages(self) -> tuple[str, ...] | None:
        """Its purposes, see `Certificate.usages`."""
        return self.chain[0].usages if self.chain else None

    @property
    def expires(self) -> datetime | None:
        """When it, or anything that it depends on, ends (RFC 6120 §13.7.2.3)."""
        return min((each.expires for each in self.path or self.chain[:1]), default=None)

    def problem(self, *domains: str, anchors: Sequence[Certificate] = ()) -> str:
        """Say in a few words why it is no good for any of the domains; "" if it is.

        The words are safe to be sent to anyone. `anchors`, if any, are trusted instead of the
        authorities. Without domains, names do not matter.
        """
        if not self.chain:
            return "unreadable" if self.present else "no certificate"
        problem, path = self._authorities.path(self.chain, anchors) if anchors else self._verified
        return problem or self._use_problem(path) or self._name_problem(path, domains)

    @property
    def path(self) -> tuple[Certificate, ...]:
        """The way from it to an authority that we trust, both included; () if there is none."""
        return self._verified[1]

    @cached_property
    def _verified(self) -> tuple[str, tuple[Certificate, ...]]:
        return self._authorities.path(self.chain) if self.chain else ("", ())

    def _use_problem(self, path: Sequence[Certificate]) -> str:
        """Rules 3 to 5; the last of the path is the authority that is trusted."""
        own, authorities = path[0], path[1:]
        if own.is_authority and authorities:
            return "an authority's own"
        if any(each.has_weak_key for each in path) or any(each.has_weak_signature for each in path[:-1]):
            return "too weak"
        purposes = ("serverAuth", "clientAuth") if self._connected else ("serverAuth",)
        suitable = own.can_sign and all(each.allows(*purposes) for each in (own, *authorities[:-1]))
        return "" if suitable else "not for servers"

    def _name_problem(self, path: Sequence[Certificate], domains: Sequence[str]) -> str:
        own, authorities = path[0], path[1:]
        constrained = any(authority.is_constrained for authority in authorities)
        if not domains or any(own.names_domain(domain, constrained) for domain in domains):
            return ""
        if not own.names:
            return "names no domain"
        more = ", …" if len(own.names) > NAMES_TOLD else ""
        return f"issued for {', '.join(own.names[:NAMES_TOLD])}{more}"
