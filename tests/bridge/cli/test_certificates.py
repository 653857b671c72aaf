"""`xmppbridge check`: certificates that other servers will trust, or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.certificates import certificate_findings
from bridge.cli.check import Finding, Verdict
from bridge.config import CertificateConfig, DomainPattern, FederationConfig, FilePath
from tests.live.peers.certificates import EXPIRED, FOR_SERVERS, Authority

DOMAIN = "irc.example.org"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    (tmp_path / "ca").mkdir()
    return Authority(tmp_path / "ca")


@pytest.fixture
def federation(authority: Authority, tmp_path: Path) -> FederationConfig:
    (tmp_path / "own").mkdir()
    return FederationConfig(
        certificate_directory=FilePath(tmp_path / "own"), ca_file=FilePath(authority.root)
    )


def findings(federation: FederationConfig, days: int = 0) -> list[Finding]:
    return list(certificate_findings([DOMAIN], federation, datetime.now(UTC) + timedelta(days=days)))


def install(federation: FederationConfig, made: object) -> Path:
    """Put a certificate and its key where the bridge looks for them; returns the key's file."""
    folder = Path(federation.certificate_directory)
    for name in ("certificate", "key"):
        file = getattr(made, name)
        (folder / f"{DOMAIN}{file.suffix}").write_bytes(file.read_bytes())
    return private(folder / f"{DOMAIN}.key")


def private(key: Path) -> Path:
    key.chmod(0o600)
    return key


def test_good_certificate_is_told_with_names_purposes_and_end(
    authority: Authority, federation: FederationConfig
) -> None:
    """Public authorities issue for servers only, which is enough."""
    install(federation, authority.issue("own", DOMAIN, "*.example.org", purposes=[FOR_SERVERS]))
    [finding] = findings(federation)
    assert (finding.verdict, finding.subject) == (Verdict.OK, DOMAIN)
    assert f"is for {DOMAIN}, *.example.org (serverAuth), until " in finding.text


def test_certificate_near_its_end_is_a_warning(authority: Authority, federation: FederationConfig) -> None:
    """Two weeks before."""
    install(federation, authority.issue("own", DOMAIN))
    assert findings(federation, days=15)[0].verdict is Verdict.OK
    [finding] = findings(federation, days=17)
    assert finding.verdict is Verdict.WARNING and "in 12 days" in finding.text


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        (DOMAIN, {"period": EXPIRED}, "expired"),
        (DOMAIN, {"self_signed": True}, "self-signed"),
        ("example.org", {}, "issued for example.org"),
    ],
)
def test_certificate_that_is_no_good_is_a_warning(
    authority: Authority,
    federation: FederationConfig,
    name: str,
    options: dict[str, Any],
    problem: str,
) -> None:
    """Dialback may be left, so it is no error."""
    made = authority.issue("own", name, **options)
    certificate = CertificateConfig(certificate=FilePath(made.certificate), key=FilePath(private(made.key)))
    named = FederationConfig(certificates={DomainPattern(DOMAIN): certificate}, ca_file=federation.ca_file)
    [finding] = findings(named)
    assert finding.verdict is Verdict.WARNING and finding.text.endswith(f": {problem}")


def test_missing_certificate_is_an_error_where_encryption_is_required(federation: FederationConfig) -> None:
    """Without encryption it is merely a pity."""
    assert [each.verdict for each in findings(federation)] == [Verdict.ERROR]
    clear = FederationConfig(encryption="optional", ca_file=federation.ca_file)
    assert [each.verdict for each in findings(clear)] == [Verdict.WARNING]


def test_missing_certificate_is_told_with_where_it_would_be(
    authority: Authority, federation: FederationConfig
) -> None:
    """Or with what is there: the machine's, say."""
    [finding] = findings(federation)
    assert f"no {DOMAIN}.crt, {DOMAIN}.pem or {DOMAIN}/fullchain.pem" in finding.text
    install(federation, authority.issue("own", "xmpp.example.org"))
    [finding] = findings(federation)
    assert finding.text.endswith(f"{DOMAIN}.crt is for xmpp.example.org")
    [finding] = findings(FederationConfig())
    assert finding.text.endswith("certificate_directory is not set")


def test_unusable_file_is_an_error_with_its_name(authority: Authority, federation: FederationConfig) -> None:
    """Before the bridge is started with it."""
    key = install(federation, authority.issue("own", DOMAIN))
    key.write_text("no key")
    [finding] = findings(federation)
    assert finding.verdict is Verdict.ERROR and finding.text.startswith(str(key))


def test_key_that_everyone_may_read_is_a_warning(authority: Authority, federation: FederationConfig) -> None:
    """Once, however many domains use it."""
    key = install(federation, authority.issue("own", DOMAIN, f"*.{DOMAIN}"))
    key.chmod(0o644)
    found = list(certificate_findings([DOMAIN, f"a.{DOMAIN}"], federation))
    assert [(each.verdict, each.subject) for each in found] == [
        (Verdict.OK, DOMAIN),
        (Verdict.OK, f"a.{DOMAIN}"),
        (Verdict.WARNING, str(key)),
    ]
