"""DTLS-SRTP (RFC 5764): datagrams in and out, and at its end the keys of both ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from pylibsrtp import Policy, Session

PROFILE = b"SRTP_AES128_CM_SHA1_80"
"""The one that every end has to know (RFC 5764 §4.1.2)."""
KEY, SALT = 16, 14
MTU = 1200
"""Bytes of a datagram of the handshake."""
WINDOW = 1024
"""Packets that may overtake each other."""


class Identity:
    """A certificate of a process, made anew each time it starts."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(
            issuer_name=name,
            subject_name=name,
            public_key=self.key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - timedelta(days=1),
            not_valid_after=now + timedelta(days=3650),
        )
        self.certificate = builder.sign(self.key, hashes.SHA256())

    @property
    def fingerprint(self) -> str:
        """Its SHA-256 as SDP has it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()


class HandshakeFailed(Exception):
    """The other end does not show the certificate that it said, or cannot speak our profile."""


class Dtls:
    """One handshake; `hash` and `fingerprint` are those of the certificate that the other end is to show."""

    def __init__(self, identity: Identity, *, is_client: bool, hash: str, fingerprint: str) -> None:
        self._is_client, self._hash, self._fingerprint = is_client, hash, fingerprint
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *args: True)
        context.use_certificate(identity.certificate)
        context.use_privatekey(identity.key)
        context.set_tlsext_use_srtp(PROFILE)
        self._connection = SSL.Connection(context, None)
        self._connection.set_ciphertext_mtu(MTU)
        if is_client:
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()

    def receive(self, data: bytes) -> bool:
        """Take a datagram, or b"" to begin; return whether it is done. Raises HandshakeFailed."""
        try:
            if data:
                self._connection.bio_write(data)
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise HandshakeFailed(str(error)) from error
        self._verify()
        return True

    def _verify(self) -> None:
        shown = self._connection.get_peer_certificate(as_cryptography=True)
        algorithm = {"sha-256": hashes.SHA256(), "sha-384": hashes.SHA384(), "sha-512": hashes.SHA512()}
        kind = algorithm.get(self._hash.lower())
        if shown is None or kind is None:
            raise HandshakeFailed("no certificate that can be checked")
        if shown.fingerprint(kind).hex(":").upper() != self._fingerprint.upper():
            raise HandshakeFailed("another certificate than was said")
        if self._connection.get_selected_srtp_profile() != PROFILE:
            raise HandshakeFailed("no SRTP profile in common")

    def data_to_send(self) -> list[bytes]:
        """Return the datagrams that are due."""
        found = []
        while True:
            try:
                found.append(self._connection.bio_read(MTU))
            except SSL.WantReadError:
                return found

    def timeout(self) -> float | None:
        """Return in how many seconds `time_out` is to be called; None while nothing waits."""
        return self._connection.DTLSv1_get_timeout()

    def time_out(self) -> None:
        """Have the last datagrams sent again."""
        self._connection.DTLSv1_handle_timeout()

    def sessions(self) -> tuple[Session, Session]:
        """Return what unprotects and what protects, once it is done (RFC 5764 §4.2)."""
        keys = self._connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (KEY + SALT))
        client = keys[:KEY] + keys[2 * KEY : 2 * KEY + SALT]
        server = keys[KEY : 2 * KEY] + keys[2 * KEY + SALT :]
        theirs, ours = (server, client) if self._is_client else (client, server)
        return _session(theirs, Policy.SSRC_ANY_INBOUND), _session(ours, Policy.SSRC_ANY_OUTBOUND)


def _session(key: bytes, kind: int) -> Session:
    policy = Policy(key=key, ssrc_type=kind, srtp_profile=Policy.SRTP_PROFILE_AES128_CM_SHA1_80)
    policy.allow_repeat_tx = True
    policy.window_size = WINDOW
    return Session(policy)
