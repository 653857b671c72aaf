"""Certificates made for a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct
from twisted.internet.ssl import CertificateOptions, PrivateCertificate

START = datetime.now(UTC) - timedelta(days=1)


class Issued(Struct, frozen=True):
    """A certificate and its key, as PEM, and the certificate's SHA-256 and SHA-1 in hex."""

    certificate: str
    key: str
    sha256: str
    sha1: str

    def server(self) -> CertificateOptions:
        """Return what a server shows."""
        return PrivateCertificate.loadPEM(self.certificate + self.key).options()


@cache
def authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Make the one authority of the tests."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test authority")])
    certificate = (
        _builder(name, name, key, START + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def authority_pem() -> bytes:
    """Return the authority's certificate."""
    return authority()[0].public_bytes(serialization.Encoding.PEM)


@cache
def issue(host: str, *, signed: bool = True, expired: bool = False) -> Issued:
    """Issue a certificate for `host`, by the authority or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    issuer, signer = (authority()[0].subject, authority()[1]) if signed else (name, key)
    end = START + timedelta(hours=1) if expired else START + timedelta(days=30)
    certificate = (
        _builder(name, issuer, key, end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return Issued(
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        certificate.fingerprint(hashes.SHA256()).hex(),
        certificate.fingerprint(hashes.SHA1()).hex(),
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START)
        .not_valid_after(end)
    )
