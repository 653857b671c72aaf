"""What belongs into the XMPP server's own configuration, and the smallest one of ours."""

from __future__ import annotations

import json

from msgspec import Struct

from bridge.config.write import toml_value


class Setup(Struct, frozen=True, kw_only=True):
    """One gateway as `xmppbridge init` is told of it; `options` are the network's, by key.

    `secret` is the words, or the table that names their place.
    """

    domain: str
    network: str
    host: str
    port: int
    secret: str
    secret_place: dict[str, str] | None = None
    admin: str = ""
    store: str = ""
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


def configuration(setup: Setup) -> str:
    """Return a configuration with what differs from the defaults."""
    gateway = f"gateways.{_quoted(setup.domain)}"
    lines = ["# xmppbridge; every option is described in xmppbridge.sample.toml", ""]
    if setup.admin:
        lines += [f"admins = {toml_value([setup.admin])}", ""]
    if setup.store:
        lines += ["[store]", f"url = {toml_value(setup.store)}", ""]
    lines += [
        f"[{gateway}]",
        f"network = {toml_value(setup.network)}",
        "",
        f"[{gateway}.component]",
        f"host = {toml_value(setup.host)}",
        f"port = {setup.port}",
        f"secret = {toml_value(setup.secret_place or setup.secret)}",
    ]
    if setup.options:
        lines += ["", f"[{gateway}.{setup.network}]"]
        lines += [f"{key} = {toml_value(value)}" for key, value in setup.options.items()]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Quote a printable ASCII string; JSON's form is also YAML's, Lua's and TOML's."""
    return json.dumps(text, ensure_ascii=False)


SNIPPETS = {"prosody": ("prosody.cfg.lua", prosody), "ejabberd": ("ejabberd.yml", ejabberd)}
"""XMPP servers: the kind of file that the lines are for, and their writer."""
EXAMPLE = Setup(
    domain="irc.example.org",
    network="irc",
    host="127.0.0.1",
    port=5347,
    secret="the secret of xmppbridge.toml",
)
"""What the snippets under conf/ are written for."""
