"""TLS between servers: contexts that all connections share, and the verdict on who is at the other end.

A handshake never fails because of the peer's certificate, for dialback may do as well (XEP-0178 §3): it is
looked at afterwards, by `peer` and `Verifier`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from twisted.logger import Logger
from zope.interface import implementer

from bridge.config import FederationConfig
from bridge.federation import dane
from bridge.federation.certificate import Authorities, PeerCertificate
from bridge.federation.own_certificate import CertificateError, Files, OwnCertificate, found, load, named
from bridge.federation.posh import Posh, vouches
from bridge.federation.resolver import NoServer, Tlsa, a_labels, ip_literal
from bridge.xmpp.jid import Jid

ALPN = b"xmpp-server"
"""The name of our protocol (XEP-0368 §3)."""
CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"
"""Those of TLS 1.2 that RFC 7590 §3 and its successors still recommend; those of TLS 1.3 are all good."""


class TlsContexts:
    """Makes TLS connections for our domains, with their certificates; `domains` returns those now hosted.

    Raises CertificateError for files that are there but cannot be used.
    """

    log = Logger()

    def __init__(self, config: FederationConfig, domains: Callable[[], frozenset[str]]) -> None:
        self.authorities = _authorities(config)
        """Whom we trust."""
        self._config = config
        self._domains = domains
        self._bare = self._context()
        """For domains without a certificate."""
        self._loaded: dict[Files, tuple[tuple[int, ...], OwnCertificate, SSL.Context]] = {}
        """What files held, by their stamp when they were read."""
        self._chosen: dict[str, Files | None] = {}
        """Where the certificate of each of our domains is."""
        for error in self.reload(config):
            raise error

    def reload(self, config: FederationConfig) -> tuple[CertificateError, ...]:
        """Read again what has changed; established connections go on.

        Returns what cannot be used: there, what was used before remains.
        """
        before, self._config, self._chosen = self._chosen, config, {}
        errors = []
        try:
            self.authorities = _authorities(config)
        except CertificateError as error:
            errors.append(error)
        for domain in sorted(self._domains()):
            try:
                self._chosen[domain] = self._choose(domain, before.get(domain))
            except CertificateError as error:
                self._chosen[domain] = before.get(domain)
                errors.append(error)
            if self._chosen[domain] is None and config.encryption == "required":
                self.log.warn("{domain} has no certificate: no server can connect to it", domain=domain)
        used = set(self._chosen.values())
        self._loaded = {files: loaded for files, loaded in self._loaded.items() if files in used}
        for refused in errors:
            self.log.error("certificate refused: {error}", error=refused)
        return tuple(errors)

    def has(self, domain: str) -> bool:
        """Tell whether a domain of ours has a certificate."""
        return self._files(domain) is not None

    def certificate_for(self, domain: str) -> OwnCertificate | None:
        """Return the certificate that is shown for a domain of ours, None if it has none."""
        files = self._files(domain)
        return None if files is None else self._loaded[files][1]

    def problem(self, domain: str) -> str:
        """Say what servers that trust whom we trust have against a domain's certificate, "" if nothing."""
        own = self.certificate_for(domain)
        chain = [certificate.der for certificate in own.chain] if own else []
        return PeerCertificate(chain, self.authorities, connected=False).problem(domain)

    def server(self, domain: str = "") -> IOpenSSLServerConnectionCreator:
        """Return what accepts TLS, for ``ITLSTransport.startTLS``.

        The certificate is that of the domain which the peer names in the handshake (SNI) if it is ours,
        else that of `domain`, else any.
        """
        files = self._files(domain) or next(filter(None, self._chosen.values()), None)
        return _Accepting(self._context_of(files), self.authorities)

    def client(self, local: str, remote: str, direct: bool = False) -> IOpenSSLClientConnectionCreator:
        """Return what begins TLS, from a domain of ours to the server of the domain `remote`.

        `direct`: the connection begins with it (XEP-0368), so our protocol is named as well.
        """
        return _Dialling(self._context_of(self._files(local)), self.authorities, remote, direct)

    def _files(self, domain: str) -> Files | None:
        """Return where the certificate of a domain is; one that became ours meanwhile is looked for now."""
        if domain not in self._chosen and domain in self._domains():
            try:
                self._chosen[domain] = self._choose(domain, None)
            except CertificateError as error:
                self._chosen[domain] = None
                self.log.error("certificate refused: {error}", error=error)
        return self._chosen.get(domain)

    def _choose(self, domain: str, before: Files | None) -> Files | None:
        files = named(self._config, domain)
        if files is not None:
            self._load(files)
            return files
        for files in found(self._config, domain):
            if self._load(files).chain[0].names_domain(domain):
                return files
        if before is not None:
            raise CertificateError(self._config.certificate_directory, f"nothing for {domain} any more")
        return None

    def _load(self, files: Files) -> OwnCertificate:
        stamp = files.stamp()
        if files in self._loaded and self._loaded[files][0] == stamp:
            return self._loaded[files][1]
        own, context = load(files), self._context()
        own.install(context)
        self._loaded[files] = stamp, own, context
        self.log.info(
            "certificate of {file}: {names}, until {until}",
            file=files.certificate, names=", ".join(own.chain[0].names), until=own.chain[0].expires,
        )  # fmt: skip
        return own

    def _context_of(self, files: Files | None) -> SSL.Context:
        return self._bare if files is None else self._loaded[files][2]

    def _context(self) -> SSL.Context:
        """Make a context for both ends; no session is resumed, so that every peer shows its certificate."""
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_cipher_list(CIPHERS)
        context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_verify(SSL.VERIFY_PEER, _look_later)
        context.set_tlsext_servername_callback(self._name_asked)
        context.set_alpn_select_callback(_select)
        return context

    def _name_asked(self, connection: SSL.Connection) -> None:
        """Change to the certificate that the peer wants; OpenSSL calls this when we are the client, too."""
        name = connection.get_servername()
        if name and isinstance(connection, _Connection) and connection.connected:
            files = self._files(_domain(name))
            if files is not None:
                connection.set_context(self._context_of(files))


def _authorities(config: FederationConfig) -> Authorities:
    try:
        return Authorities(config.ca_file)
    except SSL.Error as error:
        raise CertificateError(config.ca_file, "unreadable, or without certificates (PEM)") from error


def _domain(name: bytes) -> str:
    """Prepare the domain of an SNI extension, "" if it is none."""
    try:
        return Jid.parse(name.decode("ascii")).domain
    except ValueError:
        return ""


def _look_later(*_: object) -> bool:
    return True


def _select(_: SSL.Connection, offered: list[bytes]) -> bytes:
    """Take our protocol; a peer that offers only others is at the wrong door (RFC 7301 §3.2)."""
    if ALPN in offered:
        return ALPN
    raise SSL.Error([("SSL routines", "", "no application protocol")])


class _Connection(SSL.Connection):
    """A TLS connection that knows who is to judge the peer's certificate."""

    def __init__(self, context: SSL.Context, authorities: Authorities, connected: bool) -> None:
        super().__init__(context)
        self.authorities = authorities
        self.connected = connected


@implementer(IOpenSSLServerConnectionCreator)
class _Accepting:
    def __init__(self, context: SSL.Context, authorities: Authorities) -> None:
        self._context, self._authorities = context, authorities

    def serverConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:
        return _Connection(self._context, self._authorities, connected=True)


@implementer(IOpenSSLClientConnectionCreator)
class _Dialling:
    def __init__(self, context: SSL.Context, authorities: Authorities, remote: str, direct: bool) -> None:
        self._context, self._authorities = context, authorities
        self._remote, self._direct = remote, direct

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:
        connection = _Connection(self._context, self._authorities, connected=False)
        if name := _server_name(self._remote):
            connection.set_tlsext_host_name(name)
        if self._direct:
            connection.set_alpn_protos([ALPN])
        return connection


def _server_name(domain: str) -> bytes:
    """Return what SNI calls a domain, empty if it has no name for it (RFC 6066 §3)."""
    try:
        return b"" if ip_literal(domain) else a_labels(domain).encode("ascii")
    except NoServer:
        return b""


def peer(transport: Any) -> PeerCertificate:
    """Return what the peer of a connection showed in the handshake, which was done by `TlsContexts`."""
    connection: _Connection = transport.getHandle()
    own = connection.get_peer_certificate()
    shown = [] if own is None else [own, *(connection.get_peer_cert_chain() or [])]
    chain = dict.fromkeys(crypto.dump_certificate(crypto.FILETYPE_ASN1, each) for each in shown)
    return PeerCertificate(tuple(chain), connection.authorities, connection.connected)


class Verifier:
    """Says whether a certificate proves a domain: by authorities, DNS (DANE) or web servers (POSH)."""

    def __init__(self, posh: Posh | None) -> None:
        self._posh = posh
        """None if web servers are not believed."""

    def problem(
        self, peer: PeerCertificate, domain: str, tlsa: Sequence[Tlsa] = (), host: str = ""
    ) -> Deferred[str]:
        """Return why a certificate does not prove a domain, "" if it does; never fails.

        `host` is the server's name if a signed SRV record, or the administrator, says that it is the
        domain's: then a certificate for it will do (RFC 7673 §4.1). `tlsa` are its signed TLSA records;
        if any is usable, they alone decide (`dane.problem`). The words are safe to be sent to anyone.
        """
        told = dane.problem(peer, domain, host, tlsa)
        if told is not None:
            return succeed(told)
        problem = peer.problem(domain, host) if host else peer.problem(domain)
        own = peer.chain[:1]
        if not problem or self._posh is None or not own or peer.problem(anchors=own):
            return succeed(problem)
        named = self._posh.fingerprints(domain)
        return named.addCallback(lambda fingerprints: "" if vouches(fingerprints, own[0]) else problem)
