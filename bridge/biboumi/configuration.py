"""Biboumi's ``key=value`` file, as TOML of ours that behaves the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from msgspec import Struct

LOG_LEVELS = {"0": "debug", "1": "info", "2": "warn", "3": "error"}

KEYS = frozenset(
    {
        "hostname",
        "password",
        "xmpp_server_ip",
        "port",
        "db_name",
        "admin",
        "fixed_irc_server",
        "persistent_by_default",
        "realname_customization",
        "realname_from_jid",
        "webirc_password",
        "log_file",
        "log_level",
        "ca_file",
        "policy_directory",
        "outgoing_bind",
        "identd_port",
    }
)
"""All that Biboumi 9.0 and 10.0 read."""

PLAIN_TEXT = (
    "Like Biboumi, this tries port 6667 without TLS after 6697 and 6670 with it: an attacker on the way can"
    " bring your users to plain text. Better remove `ports`, and give servers without TLS their own table."
)
IDENT = (
    "identd_port {port}: binding a port below 1024 needs the capability CAP_NET_BIND_SERVICE"
    " (AmbientCapabilities in the systemd unit)."
)
WEBIRC = (
    "webirc_password is per server here, and Biboumi had one for all: put"
    ' `webirc_password` into [gateways."{domain}".irc.servers."SERVER"] of the servers that gave it to you.'
)
POLICY = (
    "policy_directory: Botan's policy files are not read; where one says verify_certificate = false, write"
    ' `verify = false` into [gateways."{domain}".irc.servers."SERVER"].'
)


class Conversion(Struct, frozen=True, kw_only=True):
    """What a Biboumi configuration becomes.

    `database` is Biboumi's own, a path or a postgresql:// URL as it was written, "" where it was left
    to the default (``biboumi/biboumi.sqlite`` in $XDG_DATA_HOME). `hostname` and `fixed_server` are
    what `import_database` wants to know.
    """

    toml: str
    warnings: tuple[str, ...]
    database: str
    hostname: str
    fixed_server: str


def convert(text: str, environment: Mapping[str, str] | None = None) -> Conversion:
    """Convert a configuration; `environment` may hold BIBOUMI_… overrides, as Biboumi's did."""
    options, warnings = _read(text, environment or {})
    hostname = options.get("hostname", "")
    for key in ("hostname", "password"):
        if not options.get(key):
            warnings.append(f"{key} is missing; Biboumi would not have started either.")
    blocks = [
        _general(options),
        _table(["log"], _log(options, warnings)),
        _table(["gateways", hostname], [("network", "irc")]),
        _table(["gateways", hostname, "component"], _component(options, warnings)),
        _table(["gateways", hostname, "irc"], _irc(options, warnings)),
    ]
    fixed, webirc = options.get("fixed_irc_server", ""), options.get("webirc_password", "")
    if fixed and webirc:
        path = ["gateways", hostname, "irc", "servers", fixed]
        blocks.append(_table(path, [("webirc_password", webirc)]))
    elif webirc:
        warnings.append(WEBIRC.format(domain=hostname))
    if options.get("policy_directory"):
        warnings.append(POLICY.format(domain=hostname))
    warnings.append(PLAIN_TEXT)
    return Conversion(
        toml="\n".join(block for block in blocks if block),
        warnings=tuple(warnings),
        database=options.get("db_name", ""),
        hostname=hostname,
        fixed_server=fixed,
    )


def _read(text: str, environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Read as Biboumi does: nothing is stripped, the last of several lines counts."""
    options: dict[str, str] = {}
    for line in text.replace("\r\n", "\n").split("\n"):
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            options[key] = value
    warnings = [f"{key}: Biboumi has no such option; it is left out." for key in options if key not in KEYS]
    for key in KEYS:
        name = f"BIBOUMI_{key.upper()}"
        if name in environment:
            options[key] = environment[name]
    return options, warnings


def _general(options: Mapping[str, str]) -> str:
    admins = [jid for jid in options.get("admin", "").split(":") if jid]
    return f"admins = {_toml(admins)}\n" if admins else ""


def _log(options: Mapping[str, str], warnings: list[str]) -> Iterable[tuple[str, object]]:
    level = options.get("log_level", "")
    if level in LOG_LEVELS:
        yield "level", LOG_LEVELS[level]
    elif level:
        warnings.append(f"log_level {level}: expected 0 to 3; it is left out.")
    if options.get("log_file"):
        yield "file", options["log_file"]


def _component(options: Mapping[str, str], warnings: list[str]) -> Iterable[tuple[str, object]]:
    yield "host", options.get("xmpp_server_ip") or "127.0.0.1"
    yield "port", _port("port", options, 5347, warnings)
    yield "secret", options.get("password", "")


def _irc(options: Mapping[str, str], warnings: list[str]) -> Iterable[tuple[str, object]]:
    if options.get("fixed_irc_server"):
        yield "fixed_server", options["fixed_irc_server"]
    yield "tls_ports", [6697, 6670]
    yield "ports", [6667]
    for key in ("ca_file", "outgoing_bind"):
        if options.get(key):
            yield key, options[key]
    ident = _port("identd_port", options, 113, warnings)
    yield "identd_port", ident
    if 0 < ident < 1024:
        warnings.append(IDENT.format(port=ident))
    for key in ("realname_customization", "realname_from_jid", "persistent_by_default"):
        if options.get(key):
            yield key, options[key] == "true"


def _port(key: str, options: Mapping[str, str], default: int, warnings: list[str]) -> int:
    written = options.get(key, "")
    if not written:
        return default
    if written.strip().isascii() and written.strip().isdigit() and int(written) < 65536:
        return int(written)
    warnings.append(f"{key} {written}: expected a port; {default} is taken.")
    return default


def _table(path: Iterable[str], rows: Iterable[tuple[str, object]]) -> str:
    lines = [f"{key} = {_toml(value)}\n" for key, value in rows]
    first, *rest = path
    name = ".".join([first, *(part if part.isalpha() else _toml(part) for part in rest)])
    return f"[{name}]\n{''.join(lines)}" if lines else ""


def _toml(value: object) -> str:
    """Write a value; JSON's strings are TOML's basic strings, but for DEL (TOML 1.0 "String")."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
