"""Whom we trust over TLS: authorities and names, one pinned certificate, or anyone.

Contexts are shared: one holds a whole list of authorities, and a thousand users of one server need
only one.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from hashlib import sha1, sha256
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from OpenSSL import SSL, crypto
from service_identity import VerificationError
from twisted.internet.defer import CancelledError
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import ConnectError, ConnectionClosed, ConnectionRefusedError, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    PrivateCertificate,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from bridge.errors import BridgeError, Trouble

CONTEXT_LIMIT = 256
"""How many TLS contexts are kept, the ones used last."""
_DIGESTS = {64: sha256, 40: sha1}


class Trust(Struct, frozen=True, kw_only=True):
    """Whose certificate is accepted, and which one of our own is shown.

    `fingerprint` is the hex SHA-256 or SHA-1 of the only certificate accepted, "" for whatever
    the authorities in `ca_file` ("" is the system's) vouch for. `certificate` is a PEM with key.
    """

    verify: bool = True
    ca_file: str = ""
    fingerprint: str = ""
    certificate: str = ""


class Untrusted(Exception):
    """The peer's certificate is not the one to trust; the argument is for the user."""


class _Peer(Protocol):
    def getPeerCertificate(self) -> crypto.X509 | None: ...


def check_pin(trust: Trust, transport: _Peer) -> None:
    """Compare the certificate with the pinned fingerprint, if there is one; raises `Untrusted`."""
    pin = "".join(trust.fingerprint.replace(":", " ").split()).lower()
    if not pin:
        return
    certificate = transport.getPeerCertificate()
    shown = b"" if certificate is None else crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
    digest = _DIGESTS.get(len(pin))
    if digest is None or digest(shown).hexdigest() != pin:
        raise Untrusted(
            f"the certificate's SHA-256 fingerprint is {sha256(shown).hexdigest()}, not the trusted one"
        )


class Contexts:
    """The TLS contexts of one network."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, Trust], IOpenSSLClientConnectionCreator] = OrderedDict()

    def creator(self, host: str, trust: Trust) -> IOpenSSLClientConnectionCreator:
        """Return what makes client connections to `host`; BridgeError if a certificate is unusable."""
        key = (host, trust)
        creator = self._known.get(key)
        if creator is None:
            try:
                creator = _creator(host, trust)
            except (OSError, ValueError, SSL.Error, crypto.Error) as error:
                raise BridgeError(
                    Trouble.LOGIN_FAILED, "The certificate in your settings cannot be used."
                ) from error
            self._known[key] = creator
            if len(self._known) > CONTEXT_LIMIT:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return creator

    def forget(self) -> None:
        """Read certificate files anew from now on."""
        self._known.clear()


def _creator(host: str, trust: Trust) -> IOpenSSLClientConnectionCreator:
    own = PrivateCertificate.loadPEM(trust.certificate) if trust.certificate else None
    if trust.fingerprint or not trust.verify:
        key = {"privateKey": own.privateKey.original, "certificate": own.original} if own else {}
        return _Unverified(CertificateOptions(verify=False, **key).getContext(), host)
    root = trustRootFromCertificates(_authorities(trust.ca_file)) if trust.ca_file else platformTrust()
    creator: IOpenSSLClientConnectionCreator = optionsForClientTLS(
        host, trustRoot=root, clientCertificate=own
    )
    return creator


def _authorities(path: str) -> list[Certificate]:
    begin = b"-----BEGIN CERTIFICATE-----"
    return [Certificate.loadPEM(begin + part) for part in Path(path).read_bytes().split(begin)[1:]]


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """Connections that accept any certificate; a pin is checked by `check_pin`."""

    def __init__(self, context: SSL.Context, host: str) -> None:
        self._context = context
        self._host = host

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make the connection; RFC 6066 §3 wants no IP address as server name."""
        connection = SSL.Connection(self._context, None)
        if not self._host.replace(".", "").isdigit() and ":" not in self._host:
            connection.set_tlsext_host_name(self._host.encode("idna"))
        return connection


def is_distrust(error: BaseException | None) -> bool:
    """Tell whether a connection failed because the peer's certificate is not trusted."""
    if isinstance(error, SSL.Error):
        return "certificate verify failed" in str(error)
    return isinstance(error, (Untrusted, VerificationError))


def reason(error: BaseException | None) -> str:
    """Say why a connection failed or ended, in words for the user (Biboumi's where it has some)."""
    match error:
        case Untrusted():
            return str(error)
        case BridgeError():
            return error.text
        case VerificationError():
            return "the TLS certificate is for another host"
        case SSL.Error():
            distrusted = is_distrust(error)
            return "the TLS certificate is not trusted" if distrusted else "the TLS handshake failed"
        case DNSLookupError():
            return "Domain name not found"
        case ConnectionRefusedError():
            return "Connection refused"
        case ConnectTimeout() | DeferredTimeout() | CancelledError() | TimeoutError():
            return "Connection timed out"
        case ConnectError(osError=int(number)):
            return os.strerror(number)
        case ConnectionClosed():
            return "Connection closed"
    return "Connection error"
