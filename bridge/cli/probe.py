"""`xmppbridge probe`: how we reach another server, or why not, step by step."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from bridge.cli.check import federated_domains, printable
from bridge.cli.init import DOMAIN
from bridge.cli.run import CONFIG_HELP
from bridge.config import ConfigError, FederationConfig, load
from bridge.config.locate import config_path


@click.command()
@click.argument("domain", type=DOMAIN)
@click.option("--from", "local", type=DOMAIN, help="Which of our domains asks; by default the first one.")
@click.option("--config", "-c", metavar="FILE", help=CONFIG_HELP)
def probe(domain: str, local: str | None, config: str | None) -> None:
    """Try to reach the server of DOMAIN as the bridge would, and tell each step with its time.

    The exit code is 1 if it cannot be reached. Dialback needs the bridge to run, with a dialback_secret
    in its configuration: it is asked by the other server whether our key is good.
    """
    try:
        loaded = load(config_path(config, os.environ))
    except ConfigError as problems:
        raise click.ClickException(str(problems)) from None
    ours = federated_domains(loaded)
    if loaded.federation is None or not ours:
        raise click.ClickException("nothing in the configuration is federated")
    if local is not None and local not in ours:
        raise click.BadParameter(f"{local} is not ours, but {', '.join(ours)}", param_hint="--from")
    sys.exit(0 if _run(local or ours[0], domain, ours, loaded.federation) else 1)


def _run(local: str, domain: str, ours: Sequence[str], config: FederationConfig) -> bool:
    from twisted.internet.defer import Deferred
    from twisted.internet.task import react

    from bridge.cli.reach import Reach

    reached: list[bool] = []

    def run(reactor: Any) -> Deferred[None]:
        began = reactor.seconds()

        def tell(step: str) -> None:
            click.echo(f"{(reactor.seconds() - began) * 1000:8.1f} ms  {printable(step)}")

        trial = Deferred.fromCoroutine(Reach(local, domain, ours, config, reactor, tell).run())
        return trial.addCallback(reached.append)

    try:
        react(run, [])
    except SystemExit:
        return any(reached)
    return any(reached)
