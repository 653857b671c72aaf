"""A certificate authority for the tests, and certificates under it, good and bad."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALIDITY = datetime.timedelta(days=30)
Period = tuple[datetime.timedelta, datetime.timedelta]
"""From when to when a certificate is valid, counted from now."""
VALID: Period = (-VALIDITY, VALIDITY)
EXPIRED: Period = (-VALIDITY, -datetime.timedelta(days=1))
NOT_YET_VALID: Period = (datetime.timedelta(days=1), VALIDITY)
FOR_SERVERS = ExtendedKeyUsageOID.SERVER_AUTH
FOR_CLIENTS = ExtendedKeyUsageOID.CLIENT_AUTH
FOR_MAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION
SRV_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7")
XMPP_ADDRESS = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")
IA5_STRING = 0x16
UTF8_STRING = 0x0C


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key, in PEM files; certificates between it and the root follow it."""

    certificate: Path
    key: Path

    def fingerprint(self) -> str:
        """SHA-256 of the certificate, hexadecimal."""
        return (
            x509.load_pem_x509_certificate(self.certificate.read_bytes()).fingerprint(hashes.SHA256()).hex()
        )

    @staticmethod
    def digest(der: bytes) -> str:
        """SHA-256 of any certificate in DER, as `fingerprint` has it."""
        return hashlib.sha256(der).hexdigest()

    def pem_lines(self) -> list[str]:
        """Certificate and key, line by line."""
        return (self.certificate.read_text() + self.key.read_text()).splitlines()

    def together(self) -> Path:
        """Write certificate and key into one file, and return it."""
        made = self.certificate.with_suffix(".pem")
        made.write_text(self.certificate.read_text() + self.key.read_text())
        return made


class Authority:
    """A certificate authority whose root is `root`."""

    def __init__(self, folder: Path, *, above: Authority | None = None, name: str = "ca") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"xmppbridge test {name}")])
        signer = above or self
        builder = _builder(self._name, self._key, VALID).issuer_name(signer._name)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        own = _sign(builder, signer._key)
        self.root = folder / f"{name}.crt"
        self.root.write_bytes(own)
        self._chain = b"" if above is None else own + above._chain

    def below(self, name: str) -> Authority:
        """Return an intermediate authority; what it issues comes with the chain up to our root."""
        return Authority(self._folder, above=self, name=name)

    def issue(
        self,
        stem: str,
        *names: str,
        period: Period = VALID,
        purposes: Sequence[x509.ObjectIdentifier] = (FOR_SERVERS, FOR_CLIENTS),
        services: Sequence[str] = (),
        addresses: Sequence[str] = (),
        self_signed: bool = False,
    ) -> Certificate:
        """Make a certificate for DNS `names`, by default good for servers and clients.

        `services` are SRVNames (RFC 4985), `addresses` XmppAddrs (RFC 6120 §13.7.1.4); no `purposes`
        leave the extension out.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        first = (*names, *addresses, stem)[0]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, first)])
        alternatives: list[x509.GeneralName] = [
            *(x509.DNSName(name) for name in names),
            *(_other_name(SRV_NAME, IA5_STRING, name) for name in services),
            *(_other_name(XMPP_ADDRESS, UTF8_STRING, name) for name in addresses),
        ]
        issuer, signing_key = (subject, key) if self_signed else (self._name, self._key)
        builder = _builder(subject, key, period).issuer_name(issuer)
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        chain = b"" if self_signed else self._chain
        return self._write(stem, _sign(builder, signing_key) + chain, key)

    def _write(self, stem: str, certificate: bytes, key: ec.EllipticCurvePrivateKey) -> Certificate:
        made = Certificate(self._folder / f"{stem}.crt", self._folder / f"{stem}.key")
        made.certificate.write_bytes(certificate)
        made.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return made


def _builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey, period: Period) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + period[0])
        .not_valid_after(now + period[1])
    )


def _sign(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _other_name(kind: x509.ObjectIdentifier, tag: int, text: str) -> x509.OtherName:
    encoded = text.encode()
    assert len(encoded) < 0x80, "a longer name would need DER's long form"
    return x509.OtherName(kind, bytes([tag, len(encoded)]) + encoded)
