"""`xmppbridge files`: what the other side of a network needs of us, such as a homeserver its registration."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import ndiff
from pathlib import Path

import click

from bridge.cli.run import CONFIG_HELP
from bridge.config import Config, ConfigError, load, network_module
from bridge.config.locate import config_path


@click.command()
@click.option("--config", "-c", metavar="FILE", help=CONFIG_HELP)
def files(config: str | None) -> None:
    """Write anew, beside the configuration, what the networks' own servers need of it."""
    path = config_path(config, os.environ)
    try:
        wanted = network_files(load(path), path)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    for file, text in wanted.items():
        if file.exists() and file.read_text("utf-8") == text:
            click.echo(f"{file} is up to date")
            continue
        file.unlink(missing_ok=True)
        write_private(file, text)
        click.echo(f"wrote {file}")
    if not wanted:
        click.echo("the networks of these gateways need no files")


def network_files(config: Config, path: Path) -> Mapping[Path, str]:
    """Return what belongs beside the configuration at `path`; each file is named after its gateway."""
    return {
        path.with_name(f"{domain}.{name}"): text
        for domain, gateway in config.gateways.items()
        for name, text in network_module(gateway.network).files(gateway.options).items()
    }


def outdated(file: Path, text: str) -> list[str]:
    """Return the keys of the lines in which a file is not as it should be.

    No more than the keys, for there are secrets behind them.
    """
    lines = ndiff(file.read_text("utf-8").splitlines(), text.splitlines())
    return list(dict.fromkeys(key for line in lines if (key := _key(line))))


def _key(line: str) -> str:
    """Name what a line of a difference is about, "" if it is the same or says nothing."""
    written = line[2:].strip()
    if line[:1] not in ("-", "+") or not written or written.startswith("#"):
        return ""
    return written.lstrip("- ").partition(":")[0]


def write_private(path: Path, text: str) -> None:
    """Create a file that only its owner may read: there are secrets in it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
