"""`xmppbridge import-biboumi`: move here from Biboumi."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from bridge.cli.run import CONFIG_HELP
from bridge.config import ConfigError, load
from bridge.config.locate import config_path

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("import-biboumi")
@click.argument("file", type=FILE)
@click.option("--database", is_flag=True, help="Import its database as well, into the store of --config.")
@click.option("--database-url", metavar="URL", help="Another database than the file names: path or URL.")
@click.option("--config", "-c", metavar="FILE", help=CONFIG_HELP)
def import_biboumi(file: Path, database: bool, database_url: str | None, config: str | None) -> None:
    """Read a Biboumi configuration FILE and print ours; with --database, import what users have there.

    That is: their options for the gateway, for servers and for channels, the roster and the archive. Neither
    Biboumi nor the bridge may be running then.
    """
    from bridge.biboumi import convert

    conversion = convert(file.read_text("utf-8", "surrogateescape"))
    for warning in conversion.warnings:
        click.secho(f"warning: {warning}", fg="yellow", err=True)
    if not database and database_url is None:
        click.echo(conversion.toml, nl=False)
        return
    source = database_url or conversion.database or _default_database()
    _import_database(source, conversion.hostname, conversion.fixed_server, config)


def _default_database() -> str:
    """Return where Biboumi keeps its database if its configuration does not say."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return str(Path(data, "biboumi", "biboumi.sqlite"))


def _import_database(source: str, domain: str, fixed_server: str, config: str | None) -> None:
    from bridge.biboumi import import_database
    from bridge.store import StoreError

    path = config_path(config, os.environ)
    try:
        loaded = load(path)
    except ConfigError as problems:
        raise click.ClickException(f"our configuration is not in order:\n{problems}") from None
    if domain not in loaded.gateways:
        raise click.ClickException(f"{path} has no gateway {domain}, which the database is of")
    assert loaded.store.url is not None
    try:
        imported = import_database(
            source, loaded.store.url.reveal(), domain, now=time.time(), fixed_server=fixed_server
        )
    except StoreError as failure:
        raise click.ClickException(str(failure)) from None
    for name in imported.__struct_fields__:
        click.echo(f"{name}: {getattr(imported, name)}")
