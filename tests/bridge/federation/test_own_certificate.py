"""Our own certificates: which file is taken for which domain, and what is said of one that is no good."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from OpenSSL import SSL

from bridge.config import CertificateConfig, DomainPattern, FederationConfig, FilePath
from bridge.federation.own_certificate import SIZE_LIMIT, CertificateError, Files, found, load, named

from .certificates import Issued, dns, root, rsa_key, write

ROOT = root("Root")
BETWEEN = ROOT.authority("Between")
A = BETWEEN.issue(dns("a.test"))


def files(folder: Path, *chain: Issued) -> Files:
    return Files(*write(folder, "x", *chain))


def in_folder(folder: Path, domain: str) -> list[str]:
    config = FederationConfig(certificate_directory=FilePath(folder))
    return [str(each.certificate.relative_to(folder)) for each in found(config, domain)]


def test_certificate_is_loaded_with_its_chain(tmp_path: Path):
    """As it is sent: its own first."""
    own = load(files(tmp_path, A, BETWEEN))
    assert [each.der for each in own.chain] == [A.der, BETWEEN.der]


def test_certificate_after_its_chain_is_put_first(tmp_path: Path):
    """The key tells which it is."""
    both = files(tmp_path, A)
    both.certificate.write_bytes(BETWEEN.pem + A.pem)
    assert [each.der for each in load(both).chain] == [A.der, BETWEEN.der]


def test_key_may_be_in_the_same_file(tmp_path: Path):
    """In any order."""
    file = tmp_path / "x.pem"
    for content in (A.key_pem + A.pem + BETWEEN.pem, A.pem + BETWEEN.pem + A.key_pem):
        file.write_bytes(content)
        assert load(Files(file, file)).chain[0].der == A.der


def test_key_in_older_format_is_read(tmp_path: Path):
    """With its parameters before it, as OpenSSL writes it."""
    from cryptography.hazmat.primitives.serialization import NoEncryption

    both = files(tmp_path, A)
    old = A.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    both.key.write_bytes(
        b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + old
    )
    assert load(both).chain[0].der == A.der


def encrypted() -> bytes:
    return A.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


GARBLED = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("certificate", "private", "said"),
    [
        (A.pem, ROOT.key_pem, "x.key: is not the key of {folder}/x.crt"),
        (A.pem, encrypted(), "x.key: the key is encrypted; it must not be"),
        (A.pem, b"", "x.key: has no private key (PEM)"),
        (A.pem, GARBLED, "x.key: the key is malformed, or of an unknown kind"),
        (b"", A.key_pem, "x.crt: has no certificate (PEM), or a malformed one"),
        (A.pem[:-60], A.key_pem, "x.crt: has no certificate (PEM), or a malformed one"),
        (A.pem + root(raw_san=b"\x30\x7f").pem, A.key_pem, "x.crt: has a malformed certificate"),
        (b"x" * (SIZE_LIMIT + 1), A.key_pem, "x.crt: too large"),
    ],
)
def test_file_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, certificate: bytes, private: bytes, said: str
):
    """And what is in a key is not."""
    both = files(tmp_path, A)
    both.certificate.write_bytes(certificate)
    both.key.write_bytes(private)
    with pytest.raises(CertificateError) as raised:
        load(both)
    assert str(raised.value) == f"{tmp_path}/{said.format(folder=tmp_path)}"


def test_absent_file_is_named(tmp_path: Path):
    """When it is read, and when it is looked at."""
    absent = Files(tmp_path / "x.crt", tmp_path / "x.key")
    for attempt in (lambda: load(absent), absent.stamp):
        with pytest.raises(CertificateError, match=r"x\.(crt|key): No such file or directory"):
            attempt()


def test_changed_file_has_another_stamp(tmp_path: Path):
    """Also one that was moved into its place."""
    both = files(tmp_path, A)
    before = both.stamp()
    assert both.stamp() == before
    (tmp_path / "new").write_bytes(both.certificate.read_bytes())
    os.replace(tmp_path / "new", both.certificate)
    assert both.stamp() != before


def test_weak_certificate_of_ours_is_refused(tmp_path: Path):
    """OpenSSL would not show it."""
    own = load(files(tmp_path, ROOT.issue(dns("a.test"), private=rsa_key(1024))))
    with pytest.raises(CertificateError, match="OpenSSL does not take it"):
        own.install(SSL.Context(SSL.TLS_METHOD))


@pytest.mark.parametrize("private", [rsa_key(2048), ed25519.Ed25519PrivateKey.generate()])
def test_other_kinds_of_keys_can_be_used(tmp_path: Path, private: object):
    """RSA, and Edwards curves."""
    own = load(files(tmp_path, ROOT.issue(dns("a.test"), private=private)))
    context = SSL.Context(SSL.TLS_METHOD)
    own.install(context)
    context.check_privatekey()


def test_configured_certificate_of_the_nearest_pattern_is_taken(tmp_path: Path):
    """The key is in the same file unless another is named."""
    config = FederationConfig(
        certificates={
            DomainPattern(pattern): CertificateConfig(certificate=FilePath(f"/{file}"), key=FilePath(secret))
            for pattern, file, secret in (("a.test", "a", "/k"), ("*.a.test", "b", ""), ("*", "c", ""))
        }
    )
    taken = {domain: named(config, domain) for domain in ("a.test", "x.a.test", "x.y.a.test", "b.test")}
    assert taken == {
        "a.test": Files(Path("/a"), Path("/k")),
        "x.a.test": Files(Path("/b"), Path("/b")),
        "x.y.a.test": Files(Path("/b"), Path("/b")),
        "b.test": Files(Path("/c"), Path("/c")),
    }
    assert named(FederationConfig(), "a.test") is None


def test_folder_is_searched_for_the_domain_then_for_its_parents(tmp_path: Path):
    """Three ways to name the files, and names of domains as they are written, or in A-labels."""
    for name in ("x.a.test.crt", "x.a.test.pem", "a.test.pem", "xn--bcher-kva.test.crt"):
        (tmp_path / name).touch()
    for name in ("x.a.test", "test"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "fullchain.pem").touch()
    assert in_folder(tmp_path, "x.a.test") == [
        "x.a.test.crt",
        "x.a.test.pem",
        "x.a.test/fullchain.pem",
        "a.test.pem",
        "test/fullchain.pem",
    ]
    assert in_folder(tmp_path, "bücher.test") == ["xn--bcher-kva.test.crt", "test/fullchain.pem"]
    assert in_folder(tmp_path, "c.example") == []
    assert list(found(FederationConfig(), "a.test")) == []


def test_folder_that_cannot_be_searched_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As certbot's, which is for root only."""

    def stat(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(CertificateError, match=r"a\.test\.crt: Permission denied"):
        in_folder(tmp_path, "a.test")
