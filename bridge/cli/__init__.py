"""The command `xmppbridge`: everything around running the bridge."""

from __future__ import annotations

import click

from bridge import __version__
from bridge.cli.check import check
from bridge.cli.files import files
from bridge.cli.import_biboumi import import_biboumi
from bridge.cli.init import init
from bridge.cli.probe import probe
from bridge.cli.run import run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """XMPP gateway: IRC channels and Matrix rooms as rooms, and SIP calls, for users of any server.

    A component of your server, or federated on its own domain. Begin with `xmppbridge init`, then
    `xmppbridge check --live`, then `xmppbridge run`.
    """


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"xmppbridge {__version__}")


for command in (run, check, init, files, probe, import_biboumi):
    main.add_command(command)
