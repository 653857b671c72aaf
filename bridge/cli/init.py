"""`xmppbridge init`: a few questions, then the configuration, and the XMPP server's or the DNS's part."""

from __future__ import annotations

import os
import secrets
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import click
import msgspec

from bridge.cli.files import network_files, write_private
from bridge.cli.snippets import SNIPPETS, STANDALONE, Setup, configuration
from bridge.config import ConfigError, network_module, network_names, parse
from bridge.config.loader import DATABASE, bare_type, is_struct, metas
from bridge.config.locate import FILE_NAME
from bridge.config.values import BareJid, Domain
from bridge.secret import Secret

DEFAULT_PORT = 5347
"""Prosody's port for components."""
CERTIFICATES = "/etc/letsencrypt/live"
"""Where certbot keeps the certificates."""


class _Parsed(click.ParamType[str]):
    """An option that a declaration's type reads; "" stays."""

    def __init__(self, name: str, parse: Callable[[object], str]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return self._parse(value) if value else ""
        except ValueError as error:
            return self.fail(str(error), param, ctx)


JID = _Parsed("JID", BareJid.parse)
DOMAIN = _Parsed("DOMAIN", Domain.parse)


@click.command()
@click.option("--domain", type=DOMAIN, help="The gateway's domain, e.g. irc.example.org.")
@click.option("--network", type=click.Choice(network_names()), help="The kind of network.")
@click.option("--server", type=click.Choice(list(SNIPPETS)), help="Your XMPP server, or none: standalone.")
@click.option("--host", help="Where it listens for components; 127.0.0.1 by default.")
@click.option("--port", type=click.IntRange(1, 65535), help=f"Its component port; {DEFAULT_PORT} by default.")
@click.option("--machine", type=DOMAIN, help="Standalone: this machine's name in the DNS.")
@click.option("--certificates", metavar="FOLDER", help="Standalone: where certificates are kept.")
@click.option("--secret", help="The shared secret; a fresh one by default.")
@click.option("--credential", metavar="NAME", help="Write the secret to a file NAME, for systemd to pass on.")
@click.option("--admin", type=JID, help="The administrator's JID.")
@click.option("--store", metavar="URL", help="Where data is kept; beside the file unless that is below /etc.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="An option of the network.")
@click.option("--output", "-o", type=click.Path(path_type=Path), default=FILE_NAME, show_default=True)
@click.option("--yes", "-y", is_flag=True, help="Ask nothing: the defaults, and what the options say.")
def init(output: Path, yes: bool, options: tuple[str, ...], **given: Any) -> None:
    """Write a configuration, and the lines that your XMPP server needs, or the DNS if there is none."""
    if output.exists():
        raise click.ClickException(f"{output} exists already; it is not overwritten")
    answers = _Answers(given, yes)
    names, credential = network_names(), given["credential"]
    question = f"Your XMPP server ({STANDALONE}: none, the gateway is one itself)"
    server = answers.ask("server", question, "prosody", click.Choice(list(SNIPPETS)))
    network = names[0] if len(names) == 1 else answers.ask("network", "Network", "irc", click.Choice(names))
    domain = answers.ask("domain", f"The gateway's domain, like {network}.example.org", None, DOMAIN)
    setup = Setup(
        network=network,
        domain=domain,
        **(_standalone(domain, answers) if server == STANDALONE else _attached(server, answers)),
        options=_options(network, domain, options, answers),
        admin=answers.ask("admin", "Your own JID, to be administrator (or nothing)", "", JID),
        secret=given["secret"] or secrets.token_urlsafe(32),
        secret_place={"credential": credential} if credential else None,
        store=given["store"] or ("" if output.absolute().is_relative_to("/etc") else DATABASE),
    )
    _write(setup, server, output)


class _Answers:
    """What was given as options; asks for the rest, unless told not to."""

    def __init__(self, given: Mapping[str, Any], yes: bool) -> None:
        self._given = given
        self._yes = yes

    def ask(self, name: str, question: str, default: Any, kind: Any) -> Any:
        """Return the option's value, else the answer to `question`; `default` None means there is none."""
        value = self._given.get(name)
        if value is not None:
            return value
        if self._yes:
            if default is None:
                raise click.UsageError(f"--yes needs --{name}")
            return default
        return self._prompt(question, default, kind)

    def option(self, name: str, question: str, default: Any, kind: Any) -> Any:
        """Return the answer to a question of the network's; `default` None means that there is none."""
        if self._yes and default is None:
            raise click.UsageError(f"--yes needs --option {name}=VALUE")
        return default if self._yes else self._prompt(question, default, kind)

    def _prompt(self, question: str, default: Any, kind: Any) -> Any:
        return click.prompt(question, default=default, type=kind, show_default=bool(default))


def _attached(server: str, answers: _Answers) -> dict[str, Any]:
    """Ask where the XMPP server is."""
    return {
        "host": answers.ask("host", f"Host on which {server} listens for components", "127.0.0.1", str),
        "port": answers.ask("port", "Port", DEFAULT_PORT, click.IntRange(1, 65535)),
    }


def _standalone(domain: str, answers: _Answers) -> dict[str, Any]:
    """Ask what a gateway needs that is an XMPP server itself."""
    return {
        "machine": answers.ask("machine", "This machine's name in the DNS", domain, DOMAIN),
        "certificates": answers.ask("certificates", "Folder with its certificate", CERTIFICATES, str),
    }


def _options(network: str, domain: str, written: tuple[str, ...], answers: _Answers) -> dict[str, object]:
    """Return what was given, and what is answered, of the network's options."""
    return _table(network_module(network).CONFIG, dict(map(_option, written)), domain, answers)


def _table(
    declaration: type[msgspec.Struct], values: dict[str, object], domain: str, answers: _Answers
) -> dict[str, object]:
    """Ask what a table's declarations want asked (`Meta.extra`'s "ask"); return what is no default.

    A table that may be left out is asked for by its own questions, and one of several by its name. What has
    "is_domain" is the gateway's domain unless another is said. A secret that must be set, and of which nobody
    has to be asked, is a fresh one.
    """
    for field in msgspec.structs.fields(declaration):
        extras = [meta.extra for meta in metas(field.type) if meta.extra is not None]
        extra = {key: value for each in extras for key, value in each.items()}
        kind, question = bare_type(field.type), extra.get("ask")
        is_required = field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
        if field.name in values:
            continue
        if is_struct(kind):
            if inner := _table(kind, {}, domain, answers):
                values[field.name] = inner
        elif question and get_origin(kind) is dict:
            if name := answers.option(field.name, question, "", str):
                values[field.name] = {name: _table(get_args(kind)[1], {}, domain, answers)}
        elif question:
            default = domain if extra.get("is_domain") else None if is_required else field.default
            answer = _answer(field.name, question, default, answers)
            if answer != default or is_required:
                values[field.name] = answer
        elif is_required and kind is Secret:
            values[field.name] = secrets.token_urlsafe(32)
    return values


def _answer(name: str, question: str, default: Any, answers: _Answers) -> Any:
    """Ask for one value; of a list, for its words."""
    if isinstance(default, tuple):
        return tuple(answers.option(name, question, " ".join(default), str).replace(",", " ").split())
    return answers.option(name, question, default, str if default is None else type(default))


def _option(written: str) -> tuple[str, object]:
    """Read KEY=VALUE; a value that is no TOML is a string."""
    key, equals, value = written.partition("=")
    if not equals:
        raise click.BadParameter(f"{written!r} is not KEY=VALUE", param_hint="--option")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def _write(setup: Setup, server: str, output: Path) -> None:
    """Check the configuration, then write all files; none of them is overwritten."""
    try:
        config = parse(configuration(msgspec.structs.replace(setup, secret_place=None)), output, os.environ)
    except ConfigError as error:
        raise click.ClickException(f"these answers make no configuration:\n{error}") from None
    snippet = SNIPPETS[server]
    lines = snippet.lines(setup)
    files = {output: configuration(setup), output.with_name(f"{output.stem}.{snippet.file}"): lines}
    files.update(network_files(config, output))
    if setup.secret_place and not setup.certificates:
        files[output.with_name(setup.secret_place["credential"])] = setup.secret + "\n"
    for path in files:
        if path.exists():
            raise click.ClickException(f"{path} exists already; it is not overwritten")
    for path, text in files.items():
        write_private(path, text)
        click.echo(f"wrote {path}", err=True)
    click.echo(f"\n{snippet.reader} needs:\n\n{lines}")
    click.echo(f"Then: xmppbridge check --live --config {output}", err=True)
