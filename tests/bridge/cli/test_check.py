"""`xmppbridge check`: what it finds, and its exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.cli.check import SHOWN, Verdict, expat_finding, printable

TEXT = '[gateways."irc.example.org"]\nnetwork = "irc"\ncomponent.secret = "hush"\n'


def check(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", "--config", str(path), *arguments])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x.toml"
    path.write_text(TEXT)
    path.chmod(0o600)
    return path


def test_good_file_is_told_and_the_code_is_0(path: Path) -> None:
    """With the domains it has."""
    result = check(path)
    assert result.exit_code == 0
    assert f"ok      {path}: irc.example.org" in result.output and "no errors" in result.output


def test_bad_file_lists_every_problem_and_the_code_is_1(path: Path) -> None:
    """One line each, in the file's order."""
    path.write_text("[lag]\n" + TEXT.replace("network", "netwrok"))
    result = check(path)
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f'{path}:1: lag: unknown key; did you mean "log"?',
        f'{path}:2: gateways."irc.example.org".network: is missing',
        f'{path}:3: gateways."irc.example.org".netwrok: unknown key; did you mean "network"?',
        "3 problems",
    ]


def test_secret_that_everyone_may_read_is_a_warning(path: Path) -> None:
    """Of the configuration itself, and of a file that it names."""
    path.chmod(0o644)
    result = check(path)
    assert result.exit_code == 0 and "readable by everyone" in result.output
    secret = path.with_name("secret")
    secret.write_text("hush")
    secret.chmod(0o644)
    path.write_text(TEXT.replace('"hush"', '{ file = "secret" }'))
    result = check(path)
    assert f"warning {secret}: holds a secret" in result.output
    assert f"warning {path}:" not in result.output


def test_secret_is_in_no_output(path: Path) -> None:
    """Good file or bad."""
    path.write_text(TEXT + "x = 1\n")
    assert "hush" not in check(path).output


@pytest.mark.parametrize(
    ("version", "verdict"),
    [((2, 5, 0), Verdict.WARNING), ((2, 7, 3), Verdict.WARNING), ((2, 8, 0), Verdict.OK)],
)
def test_old_expat_is_a_warning(version: tuple[int, int, int], verdict: Verdict) -> None:
    """Whoever sends the XML decides how long an old one is busy."""
    assert expat_finding(version).verdict is verdict


def test_what_came_from_elsewhere_cannot_steer_the_terminal() -> None:
    """Control characters are replaced, and endless text is cut."""
    assert printable("a\x1b[2Jb\nc\x9bd größe →") == "a?[2Jb?c?d größe →"
    assert len(printable("x" * 100_000)) == SHOWN


def test_federated_gateway_without_certificate_is_an_error(path: Path) -> None:
    """It could not talk to anyone."""
    path.write_text('[federation]\n[gateways."irc.example.org"]\nnetwork = "irc"\nfederated = true\n')
    result = check(path)
    assert result.exit_code == 1
    assert "error   irc.example.org: has no certificate, and encryption is required" in result.output
