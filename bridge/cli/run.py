"""`xmppbridge run`: the same as `twistd -n xmppbridge`."""

from __future__ import annotations

import click

CONFIG_HELP = (
    "The configuration file; else $XMPPBRIDGE_CONFIG, ./xmppbridge.toml, /etc/xmppbridge/xmppbridge.toml."
)


@click.command()
@click.option("--config", "-c", metavar="FILE", help=CONFIG_HELP)
def run(config: str | None) -> None:
    """Run the gateways in the foreground; SIGHUP reloads, SIGTERM and SIGINT end it."""
    from twisted.scripts import twistd

    options = twistd.ServerOptions()  # type: ignore[attr-defined, no-untyped-call]
    options.parseOptions(
        ["--nodaemon", "--pidfile=", "xmppbridge", *(["--config", config] if config else [])]
    )
    twistd.runApp(options)
