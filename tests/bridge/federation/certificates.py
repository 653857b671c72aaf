"""A certificate authority for tests: what it issues can be wrong in any way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")
SRV_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7")
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
ANY, CODE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, ExtendedKeyUsageOID.CODE_SIGNING
IA5, UTF8, BMP = 0x16, 0x0C, 0x1E
DAY = timedelta(days=1)
SHA1_WITH_RSA, SHA256_WITH_RSA = bytes.fromhex("2a864886f70d010105"), bytes.fromhex("2a864886f70d01010b")
SAN = x509.ObjectIdentifier("2.5.29.17")


def string(value: str | bytes, tag: int) -> bytes:
    """Encode a short ASN.1 string (DER)."""
    content = value.encode() if isinstance(value, str) else value
    length = bytes([len(content)]) if len(content) < 128 else bytes([0x81, len(content)])
    return bytes([tag]) + length + content


def dns(name: str) -> x509.GeneralName:
    return x509.DNSName(name)


def srv(name: str | bytes, tag: int = IA5) -> x509.GeneralName:
    return x509.OtherName(SRV_NAME, string(name, tag))


def xmpp(name: str | bytes, tag: int = UTF8) -> x509.GeneralName:
    return x509.OtherName(XMPP_ADDR, string(name, tag))


def ip(address: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(address))


def key(curve: ec.EllipticCurve | None = None) -> Any:
    """Make a key, by default of the usual kind."""
    return ec.generate_private_key(curve or ec.SECP256R1())


@cache
def rsa_key(bits: int) -> Any:
    """Return an RSA key, always the same for a size."""
    return rsa.generate_private_key(65537, bits)


class Issued:
    """A certificate and its key; also the authority for those below it."""

    def __init__(self, certificate: x509.Certificate, private: Any) -> None:
        self.certificate = certificate
        self.key = private
        self.der = certificate.public_bytes(Encoding.DER)
        self.pem = certificate.public_bytes(Encoding.PEM)
        self.key_pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def issue(
        self,
        *names: x509.GeneralName,
        cn: str = "",
        days: tuple[int, int] = (-1, 30),
        usages: Sequence[x509.ObjectIdentifier] | None = (SERVER, CLIENT),
        ca: bool | None = False,
        private: Any = None,
        digest: Any = None,
        constraints: x509.NameConstraints | None = None,
        key_usage: x509.KeyUsage | None = None,
        raw_san: bytes | None = None,
        by_itself: bool = False,
    ) -> Issued:
        """Issue a certificate; `by_itself`: self-signed instead. `days` are from now."""
        private = private or key()
        subject = _name(cn)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if by_itself else self.certificate.subject)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) + days[0] * DAY)
            .not_valid_after(datetime.now(UTC) + days[1] * DAY)
        )
        extensions: list[x509.ExtensionType] = []
        if names:
            extensions.append(x509.SubjectAlternativeName(names))
        if raw_san is not None:
            extensions.append(x509.UnrecognizedExtension(SAN, raw_san))
        if usages is not None:
            extensions.append(x509.ExtendedKeyUsage(usages))
        if constraints is not None:
            extensions.append(constraints)
        if key_usage is not None:
            extensions.append(key_usage)
        if ca is not None:
            extensions.append(x509.BasicConstraints(ca, None))
        for extension in extensions:
            builder = builder.add_extension(extension, isinstance(extension, x509.BasicConstraints))
        signer = private if by_itself else self.key
        return Issued(builder.sign(signer, digest or hashes.SHA256()), private)

    def authority(self, cn: str, **more: Any) -> Issued:
        """Issue an authority below this one."""
        return self.issue(cn=cn, ca=True, **{"usages": None} | more)

    def issue_with_sha1(self, *names: x509.GeneralName) -> Issued:
        """Issue a certificate as the library refuses to; this authority's key must be RSA."""
        issued = self.issue(*names)
        old = issued.certificate
        tbs = old.tbs_certificate_bytes.replace(SHA256_WITH_RSA, SHA1_WITH_RSA)
        signature = self.key.sign(tbs, padding.PKCS1v15(), hashes.SHA1())
        der = issued.der.replace(SHA256_WITH_RSA, SHA1_WITH_RSA).replace(old.signature, signature)
        return Issued(x509.load_der_x509_certificate(der), issued.key)


def root(cn: str = "Root", **more: Any) -> Issued:
    """Make an authority that is nobody's."""
    return self_signed(cn=cn, **{"ca": True, "usages": None, "days": (-30, 300)} | more)


def self_signed(*names: x509.GeneralName, **more: Any) -> Issued:
    """Make a certificate that is its own authority."""
    return _NOBODY.issue(*names, by_itself=True, **more)


def write(folder: Path, name: str, *chain: Issued) -> tuple[Path, Path]:
    """Write ``NAME.crt`` with a chain and ``NAME.key``; returns both."""
    certificate, private = folder / f"{name}.crt", folder / f"{name}.key"
    certificate.write_bytes(b"".join(each.pem for each in chain))
    private.write_bytes(chain[0].key_pem)
    return certificate, private


def ca_file(folder: Path, *authorities: Issued) -> str:
    """Write the authorities that are to be trusted."""
    file = folder / "ca.pem"
    file.write_bytes(b"".join(each.pem for each in authorities))
    return str(file)


def _name(cn: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)] if cn else [])


def _nobody() -> Issued:
    private = key()
    builder = x509.CertificateBuilder().subject_name(_name("")).issuer_name(_name("")).serial_number(1)
    now = datetime.now(UTC)
    signed = builder.public_key(private.public_key()).not_valid_before(now).not_valid_after(now + DAY)
    return Issued(signed.sign(private, hashes.SHA256()), private)


_NOBODY = _nobody()
