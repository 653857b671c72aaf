"""`xmppbridge files`, and what `xmppbridge check` makes of old ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.cli import main

TEXT = """\
[gateways."mx.example.org"]
network = "matrix"
component.secret = "hush"
[gateways."mx.example.org".matrix]
homeserver = "http://127.0.0.1:8008"
server_name = "example.org"
as_token = "first"
hs_token = "second"
"""


def run(command: str, path: Path) -> str:
    return CliRunner().invoke(main, [command, "--config", str(path)]).output


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x.toml"
    path.write_text(TEXT)
    path.chmod(0o600)
    return path


def test_files_are_written_for_their_owner_and_only_when_they_change(path: Path) -> None:
    """There are tokens in a registration; it is named after its gateway."""
    registration = path.with_name("mx.example.org.registration.yaml")
    assert f"wrote {registration}" in run("files", path)
    assert registration.stat().st_mode & 0o777 == 0o600
    assert '"first"' in registration.read_text()
    assert f"{registration} is up to date" in run("files", path)
    path.write_text(TEXT.replace("first", "third"))
    assert f"wrote {registration}" in run("files", path)
    assert '"third"' in registration.read_text()


def test_check_names_what_is_out_of_date_and_no_secret(path: Path) -> None:
    """The keys of the lines that differ, and the remedy."""
    run("files", path)
    assert "is not what the configuration says" not in run("check", path)
    path.write_text(TEXT.replace("first", "third") + 'prefix = "_jabber_"\n')
    found = run("check", path)
    assert (
        "registration.yaml: is not what the configuration says now (as_token, regex): `xmppbridge files`"
        in found
    )
    assert "first" not in found and "third" not in found


def test_registration_that_everyone_may_read_is_a_warning(path: Path) -> None:
    """As any other file with a secret in it."""
    run("files", path)
    registration = path.with_name("mx.example.org.registration.yaml")
    registration.chmod(0o644)
    assert f"{registration}: holds a secret and is readable by everyone" in run("check", path)


def test_configuration_that_is_wrong_writes_nothing(path: Path) -> None:
    """It is told as `check` tells it."""
    path.write_text(TEXT.replace("server_name", "servername"))
    assert 'unknown key; did you mean "server_name"?' in run("files", path)
    assert list(path.parent.iterdir()) == [path]


def test_network_that_needs_no_files_is_told(path: Path) -> None:
    """IRC servers take anybody."""
    path.write_text('[gateways."irc.example.org"]\nnetwork = "irc"\ncomponent.secret = "hush"\n')
    assert "need no files" in run("files", path)
