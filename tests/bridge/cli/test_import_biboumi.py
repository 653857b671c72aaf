"""`xmppbridge import-biboumi`: the command around the import."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.cli import main
from bridge.config import parse

BIBOUMI = "hostname=irc.example.org\npassword=hush\nadmin=me@example.org\n"


@pytest.fixture
def biboumi(tmp_path: Path) -> Path:
    path = tmp_path / "biboumi.cfg"
    path.write_text(BIBOUMI + f"db_name={tmp_path}/biboumi.sqlite\n")
    return path


def test_configuration_is_printed_as_ours(biboumi: Path) -> None:
    """It can be redirected into a file, and loads."""
    result = CliRunner().invoke(main, ["import-biboumi", str(biboumi)])
    assert result.exit_code == 0, result.output
    config = parse(result.stdout, Path("x.toml"), {})
    assert config.gateways["irc.example.org"].component.secret.reveal() == "hush"
    assert config.admins == ("me@example.org",)


def test_database_goes_into_the_store_of_our_configuration(biboumi: Path, tmp_path: Path) -> None:
    """What was imported is counted."""
    with sqlite3.connect(tmp_path / "biboumi.sqlite") as database:
        database.execute("CREATE TABLE roster (local TEXT, remote TEXT)")
        database.execute("INSERT INTO roster VALUES ('irc.libera.chat@irc.example.org', 'me@example.org')")
    ours = tmp_path / "xmppbridge.toml"
    ours.write_text(
        f'store.url = "{tmp_path}/ours.sqlite"\n[gateways."irc.example.org"]\nnetwork = "irc"\n'
        'component.secret = "hush"\n'
    )
    arguments = ["import-biboumi", str(biboumi), "--database", "--config", str(ours)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "subscriptions: 1" in result.output
    assert (tmp_path / "ours.sqlite").exists()


def test_database_of_another_gateway_is_refused(biboumi: Path, tmp_path: Path) -> None:
    """Its data would be of no use there."""
    ours = tmp_path / "xmppbridge.toml"
    ours.write_text('[gateways."other.example.org"]\nnetwork = "irc"\ncomponent.secret = "hush"\n')
    arguments = ["import-biboumi", str(biboumi), "--database", "--config", str(ours)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and "has no gateway irc.example.org" in result.output


def test_database_without_our_configuration_is_refused(biboumi: Path, tmp_path: Path) -> None:
    """With all that is wrong with it."""
    arguments = ["import-biboumi", str(biboumi), "--database", "--config", str(tmp_path / "none.toml")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and "cannot be read" in result.output
