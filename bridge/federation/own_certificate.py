"""Our own certificates: where they are found, and whether they can be used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from msgspec import Struct
from OpenSSL import SSL

from bridge.config import DomainPattern, FederationConfig
from bridge.federation.resolver import NoServer, a_labels
from bridge.federation.x509 import Certificate, read

SIZE_LIMIT = 1_048_576
"""Bytes that a file may have."""

_KEY = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)


class CertificateError(Exception):
    """A file cannot be used; str() names it and says why."""

    def __init__(self, file: str | Path, reason: str) -> None:
        super().__init__(f"{file}: {reason}")


class Files(Struct, frozen=True):
    """Where a certificate with its chain is, and its key (PEM); they may be the same file."""

    certificate: Path
    key: Path

    def stamp(self) -> tuple[int, ...]:
        """Return numbers that change when the files do; raises CertificateError."""
        numbers: list[int] = []
        for file in (self.certificate, self.key):
            try:
                found = file.stat()
            except OSError as error:
                raise CertificateError(file, error.strerror or "unreadable") from error
            numbers += (found.st_mtime_ns, found.st_ino, found.st_size)
        return tuple(numbers)


class OwnCertificate:
    """A certificate of ours with its key; `chain` begins with it and has what we send besides."""

    def __init__(self, files: Files, chain: tuple[Certificate, ...], key: Any) -> None:
        self.files = files
        self.chain = chain
        self._key = key

    def install(self, context: SSL.Context) -> None:
        """Have connections of a context show it; raises CertificateError if OpenSSL thinks it too weak."""
        try:
            for number, certificate in enumerate(self.chain):
                loaded = x509.load_der_x509_certificate(certificate.der)
                (context.add_extra_chain_cert if number else context.use_certificate)(loaded)
            context.use_privatekey(self._key)
        except SSL.Error as error:
            raise CertificateError(self.files.certificate, "OpenSSL does not take it (weak?)") from error


def load(files: Files) -> OwnCertificate:
    """Read a certificate and its key; raises CertificateError."""
    content = _content(files.key)
    key = _private_key(files.key, content)
    chain = _chain(files.certificate)
    public_key = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    own = [certificate for certificate in chain if certificate.public_key == public_key]
    if not own:
        raise CertificateError(files.key, f"is not the key of {files.certificate}")
    others = tuple(certificate for certificate in chain if certificate not in own)
    return OwnCertificate(files, (own[0], *others), key)


def named(config: FederationConfig, domain: str) -> Files | None:
    """Return what the configuration names for a domain, None if nothing."""
    for pattern in DomainPattern.meaning(domain):
        if pattern in config.certificates:
            written = config.certificates[pattern]
            return Files(Path(written.certificate), Path(written.key or written.certificate))
    return None


def found(config: FederationConfig, domain: str) -> Iterator[Files]:
    """Yield what `certificate_directory` has for a domain, then for its parents; raises CertificateError."""
    if config.certificate_directory:
        folder = Path(config.certificate_directory)
        for name in _names(domain):
            yield from _in_folder(folder, name)


def _names(domain: str) -> Iterator[str]:
    """Yield how a domain, then each of its parents, may be spelt as a file's name."""
    while domain:
        yield domain
        try:
            if (name := a_labels(domain)) != domain:
                yield name
        except NoServer:
            pass
        domain = domain.partition(".")[2]


def _in_folder(folder: Path, name: str) -> Iterator[Files]:
    for certificate, key in (
        (folder / f"{name}.crt", folder / f"{name}.key"),
        (folder / f"{name}.pem", folder / f"{name}.pem"),
        (folder / name / "fullchain.pem", folder / name / "privkey.pem"),
    ):
        try:
            exists = certificate.exists()
        except OSError as error:
            raise CertificateError(certificate, error.strerror or "unreadable") from error
        if exists:
            yield Files(certificate, key)


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise CertificateError(file, error.strerror or "unreadable") from error
    if len(content) > SIZE_LIMIT:
        raise CertificateError(file, "too large")
    return content


def _private_key(file: Path, content: bytes) -> Any:
    found = _KEY.search(content)
    if found is None:
        raise CertificateError(file, "has no private key (PEM)")
    try:
        return load_pem_private_key(found[0], None)
    except TypeError as error:
        raise CertificateError(file, "the key is encrypted; it must not be") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(file, "the key is malformed, or of an unknown kind") from error


def _chain(file: Path) -> list[Certificate]:
    try:
        found = x509.load_pem_x509_certificates(_content(file))
    except ValueError as error:
        raise CertificateError(file, "has no certificate (PEM), or a malformed one") from error
    chain = [read(certificate.public_bytes(Encoding.DER)) for certificate in found]
    readable = [certificate for certificate in chain if certificate is not None]
    if len(readable) < len(chain):
        raise CertificateError(file, "has a malformed certificate")
    return readable
