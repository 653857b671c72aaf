"""What belongs into the XMPP server's configuration or the DNS, and the smallest configuration of ours."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from msgspec import Struct

from bridge.config.values import SERVER_PORT
from bridge.config.write import key_text, toml_value


class Setup(Struct, frozen=True, kw_only=True):
    """One gateway as `xmppbridge init` is told of it; `options` are the network's, by key.

    `host` and `port` are the XMPP server's; `secret` is the words, `secret_place` the table that names
    their place. `certificates` is the folder of a federated gateway's, empty: it is a component;
    `machine` is this machine's name in the DNS.
    """

    domain: str
    network: str
    host: str = ""
    port: int = 0
    secret: str
    secret_place: dict[str, str] | None = None
    admin: str = ""
    store: str = ""
    machine: str = ""
    certificates: str = ""
    options: dict[str, object] = {}


def prosody(setup: Setup) -> str:
    """Return the lines for prosody.cfg.lua."""
    return f"""\
-- Prosody: add this to the end of prosody.cfg.lua, then `prosodyctl restart`.
-- It listens for components on 127.0.0.1, port 5347; another place is set above the first VirtualHost:
--   component_ports = {{ {setup.port} }}
--   component_interfaces = {{ "127.0.0.1" }}

Component {_quoted(setup.domain)}
    component_secret = {_quoted(setup.secret)}
"""


def ejabberd(setup: Setup) -> str:
    """Return the lines for ejabberd.yml."""
    return f"""\
# ejabberd: add this item to the list `listen:` in ejabberd.yml, then `ejabberdctl reload_config`.

listen:
  -
    port: {setup.port}
    ip: "127.0.0.1"
    module: ejabberd_service
    access: all
    hosts:
      {_quoted(setup.domain)}:
        password: {_quoted(setup.secret)}
"""


def zone(setup: Setup) -> str:
    """Return the lines for a DNS zone file: where other servers find a federated gateway.

    One port takes both STARTTLS (RFC 6120 §3.2.1) and direct TLS (XEP-0368 §3).
    """
    from bridge.federation.resolver import a_labels  # Twisted, which the other snippets do without

    domain, machine = a_labels(setup.domain), a_labels(setup.machine)
    return f"""\
; DNS: add these records to the zone that {domain} is in.
; {machine} needs its addresses there as well, if it has none yet (A, AAAA).

_xmpps-server._tcp.{domain}. 86400 IN SRV 5 1 {SERVER_PORT} {machine}.
_xmpp-server._tcp.{domain}.  86400 IN SRV 5 1 {SERVER_PORT} {machine}.
"""


def configuration(setup: Setup) -> str:
    """Return a configuration with what differs from the defaults."""
    gateway = f"gateways.{_quoted(setup.domain)}"
    lines = ["# xmppbridge; every option is described in xmppbridge.sample.toml", ""]
    if setup.admin:
        lines += [f"admins = {toml_value([setup.admin])}", ""]
    if setup.store:
        lines += ["[store]", f"url = {toml_value(setup.store)}", ""]
    if setup.certificates:
        lines += ["[federation]", f"certificate_directory = {toml_value(setup.certificates)}", ""]
    lines += [f"[{gateway}]", f"network = {toml_value(setup.network)}"]
    if setup.certificates:
        lines += ["federated = true"]
    else:
        lines += [
            "",
            f"[{gateway}.component]",
            f"host = {toml_value(setup.host)}",
            f"port = {setup.port}",
            f"secret = {toml_value(setup.secret_place or setup.secret)}",
        ]
    if setup.options:
        lines += _table(f"{gateway}.{setup.network}", setup.options)
    return "\n".join(lines) + "\n"


def _table(header: str, options: Mapping[str, object]) -> list[str]:
    """Write a table, and those in it."""
    tables = {key: value for key, value in options.items() if isinstance(value, Mapping)}
    lines = [f"{key} = {toml_value(value)}" for key, value in options.items() if key not in tables]
    if lines:
        lines = ["", f"[{header}]", *lines]
    for key, value in tables.items():
        lines += _table(f"{header}.{key_text((key,))}", value)
    return lines


def _quoted(text: str) -> str:
    """Quote a printable ASCII string; JSON's form is also YAML's, Lua's and TOML's."""
    return json.dumps(text, ensure_ascii=False)


class Snippet(Struct, frozen=True):
    """The kind of file that the lines are for, their writer, and who needs them."""

    file: str
    lines: Callable[[Setup], str]
    reader: str = "Your XMPP server"


STANDALONE = "standalone"
"""The choice of no XMPP server: the gateway is one itself."""
SNIPPETS = {
    "prosody": Snippet("prosody.cfg.lua", prosody),
    "ejabberd": Snippet("ejabberd.yml", ejabberd),
    STANDALONE: Snippet("dns.zone", zone, "The DNS"),
}
"""By the XMPP server that the gateway is attached to."""
EXAMPLE = Setup(
    domain="irc.example.org",
    network="irc",
    host="127.0.0.1",
    port=5347,
    secret="the secret of xmppbridge.toml",
    machine="xmpp.example.org",
)
"""What the snippets under conf/ are written for."""
