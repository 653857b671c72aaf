"""`xmppbridge check`: what is wrong, before users find out."""

from __future__ import annotations

import os
import pyexpat
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from stat import S_IROTH

import click
from msgspec import Struct

from bridge.cli.files import network_files, outdated
from bridge.cli.run import CONFIG_HELP
from bridge.config import Config, ConfigError, load
from bridge.config.locate import config_path
from bridge.secret import Secret

EXPAT_NEEDED = (2, 6, 0)
"""Older expat can be kept busy by one long token (CVE-2023-52425)."""
EXPAT_WANTED = (2, 8, 0)
"""Older expat can be kept busy by chosen names (CVE-2026-41080)."""

SHOWN = 1000
"""Characters of one line that are shown."""


class Verdict(Enum):
    """How a check went; `value` is its colour."""

    OK = "green"
    WARNING = "yellow"
    ERROR = "red"


class Finding(Struct, frozen=True):
    """The outcome of one check."""

    verdict: Verdict
    subject: str
    text: str = ""


def ok(subject: str, text: str = "") -> Finding:
    """Return a good finding."""
    return Finding(Verdict.OK, subject, text)


def warning(subject: str, text: str) -> Finding:
    """Return a doubtful finding."""
    return Finding(Verdict.WARNING, subject, text)


def error(subject: str, text: str) -> Finding:
    """Return a bad finding."""
    return Finding(Verdict.ERROR, subject, text)


@click.command()
@click.option("--config", "-c", metavar="FILE", help=CONFIG_HELP)
@click.option("--live", is_flag=True, help="Also connect: store, component, network; and ask the DNS.")
def check(config: str | None, live: bool) -> None:
    """Check the configuration; the exit code is 1 if it, or anything it names, is not in order."""
    path = config_path(config, os.environ)
    try:
        loaded = load(path)
    except ConfigError as problems:
        for problem in problems.problems:
            click.secho(str(problem), fg="red")
        click.echo(_count(len(problems.problems), "problem"))
        sys.exit(1)
    findings = [ok(str(path), ", ".join(loaded.gateways)), *static_findings(loaded, path)]
    for finding in findings:
        _show(finding)
    if live:
        from bridge.cli.live import live_findings

        for finding in live_findings(loaded):
            _show(finding)
            findings.append(finding)
    errors = sum(finding.verdict is Verdict.ERROR for finding in findings)
    warnings = sum(finding.verdict is Verdict.WARNING for finding in findings)
    click.echo(f"{_count(errors, 'error')}, {_count(warnings, 'warning')}")
    sys.exit(1 if errors else 0)


def static_findings(config: Config, path: Path) -> Iterator[Finding]:
    """Check what can be checked without connecting."""
    secrets = list(_secrets(config))
    if any(secret.origin == "inline" for secret in secrets):
        yield from readable(path)
    for file in sorted({secret.file for secret in secrets if secret.file is not None}):
        yield from readable(file)
    if config.federation is not None:
        from bridge.cli.certificates import certificate_findings  # Twisted and OpenSSL, slow to load

        yield from certificate_findings(federated_domains(config), config.federation)
    yield from file_findings(config, path)
    yield expat_finding(pyexpat.version_info)


def file_findings(config: Config, path: Path) -> Iterator[Finding]:
    """Compare what `xmppbridge files` wrote for others with what it would write now."""
    for file, text in network_files(config, path).items():
        if not file.exists():
            continue
        yield from readable(file)
        if keys := outdated(file, text):
            again = "`xmppbridge files` writes it anew; then give it to the other server, and restart that"
            yield warning(str(file), f"is not what the configuration says now ({', '.join(keys)}): {again}")


def federated_domains(config: Config) -> list[str]:
    """Return the domains that other servers reach directly."""
    if config.federation is None:
        return []
    federated = [domain for domain, gateway in config.gateways.items() if gateway.federated]
    return [*federated, *(config.components.domains if config.components else ())]


def _show(finding: Finding) -> None:
    name = click.style(f"{finding.verdict.name.lower():<7}", fg=finding.verdict.value)
    click.echo(f"{name} {printable(finding.subject)}{': ' if finding.text else ''}{printable(finding.text)}")


def printable(text: str) -> str:
    """Make safe for a terminal, and not too long, what may have come from elsewhere."""
    return "".join(character if character.isprintable() else "?" for character in text[:SHOWN])


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _secrets(value: object) -> Iterator[Secret]:
    """Find every secret of a configuration, whatever struct it is in."""
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, dict):
        yield from _secrets(tuple(value.values()))
    elif isinstance(value, tuple):
        for each in value:
            yield from _secrets(each)


def readable(path: Path) -> Iterator[Finding]:
    """Warn of a file with a secret in it that is not kept."""
    if path.stat().st_mode & S_IROTH:
        yield warning(str(path), f"holds a secret and is readable by everyone: chmod o-r {path}")


def expat_finding(version: tuple[int, int, int]) -> Finding:
    """COMPAT: Python's own expat, or the distribution's, whichever it was built with."""
    text = ".".join(map(str, version))
    if version < EXPAT_NEEDED:
        return warning("expat", f"{text} has known weaknesses; 2.6.0 is the least you should have")
    if version < EXPAT_WANTED:
        return warning("expat", f"{text} has a known weakness that 2.8.0 mends")
    return ok("expat", text)
