"""Prosody and ejabberd, with accounts and component lines."""

from __future__ import annotations

import contextlib
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from tests.live.peers.certificates import Certificate
from tests.live.peers.daemon import HOST, Daemon, answers, find_program, free_port

PASSWORD = "pw"
SECRET = "secret"
CLIENT_PORT = 5222
"""Where clients look for a server of which DNS says nothing (RFC 6120 §14.7)."""
COMPONENTS = ("irc", "fixed", "spare", "silent", "mx", "fed", "guests", "sip", "calls", "relay", "direct")
MUC = "muc"
"""The name below the domain of a server's own rooms, which it archives; with Prosody, ``rooms`` has none."""


class XmppServer(Protocol):
    """A server with accounts, and a component line for each of `COMPONENTS` under its domain."""

    domain: str
    client_port: int
    component_port: int
    daemon: Daemon

    def register(self, name: str) -> None:
        """Make an account with the password `PASSWORD`, if there is none."""


PROSODY = """
{root}
data_path = "{folder}"
pidfile = "{folder}/prosody.pid"
log = {{ info = "{folder}/prosody.log" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {client_port} }}
c2s_interfaces = {{ "{address}" }}
c2s_direct_tls_ports = {{}}
s2s_ports = {{}}
s2s_direct_tls_ports = {{}}
http_ports = {{ {web_port} }}
http_interfaces = {{ "127.0.0.1" }}
http_default_host = "{domain}"
https_ports = {{}}
component_ports = {{ {component_port} }}
component_interfaces = {{ "127.0.0.1" }}
modules_enabled = {{ "roster"; "saslauth"; "disco"; "carbons"; "ping"; "offline"; "presence"; "message"; "iq"; "smacks"; "vcard"; "websocket"; {tls_module} }}
modules_disabled = {{ "s2s" }}
{tls}
c2s_require_encryption = false
s2s_require_encryption = false
consider_websocket_secure = true
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
storage = "internal"
component_stanza_size_limit = 1048576
VirtualHost "{domain}"
Component "muc.{domain}" "muc"
  modules_enabled = {{ "muc_mam" }}
Component "rooms.{domain}" "muc"
{components}
"""


class Prosody:
    """Prosody as Debian packages it; accounts are files that it reads when asked.

    At an `address` of its own clients find it by port 5222.
    """

    def __init__(
        self,
        folder: Path,
        domain: str = "prosody.test",
        certificate: Certificate | None = None,
        address: str = HOST,
    ) -> None:
        self.domain, self.address = domain, address
        self.client_port = free_port() if address == HOST else CLIENT_PORT
        self.component_port, self._web_port = free_port(), free_port()
        self._accounts = folder / domain.replace(".", "%2e") / "accounts"
        self._accounts.mkdir(parents=True)
        components = "".join(
            f'Component "{name}.{domain}"\n  component_secret = "{SECRET}"\n' for name in COMPONENTS
        )
        config = folder / "prosody.cfg.lua"
        config.write_text(
            PROSODY.format(
                root="run_as_root = true" if os.geteuid() == 0 else "",
                folder=folder,
                domain=domain,
                client_port=self.client_port,
                address=address,
                component_port=self.component_port,
                web_port=self._web_port,
                components=components,
                tls_module='"tls"' if certificate else "",
                tls=(
                    certificate
                    and f'ssl = {{ certificate = "{certificate.certificate}"; key = "{certificate.key}" }}'
                )
                or "",
            )
        )
        self.daemon = Daemon(
            "prosody",
            folder,
            [find_program("prosody"), "-F", "--config", str(config)],
            ready=lambda: answers(self.client_port, address) and answers(self.component_port),
        )

    @property
    def websocket(self) -> str:
        """Where browsers connect."""
        return f"ws://{HOST}:{self._web_port}/xmpp-websocket"

    def register(self, name: str) -> None:
        """Make an account with the password `PASSWORD`, if there is none."""
        (self._accounts / f"{name}.dat").write_text(f'return {{ ["password"] = "{PASSWORD}"; }};\n')


EJABBERD = """
loglevel: info
hosts: ["{domain}"]
auth_password_format: plain
s2s_use_starttls: false
listen:
  - port: {client_port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 1048576
    access: all
  - port: {component_port}
    ip: "127.0.0.1"
    module: ejabberd_service
    max_stanza_size: 1048576
    access: all
    global_routes: false
    hosts:
{components}
  - port: {http_port}
    ip: "127.0.0.1"
    module: ejabberd_http
    request_handlers:
      /api: mod_http_api
api_permissions:
  loopback: {{ who: all, what: "*" }}
modules:
  mod_admin_extra: {{}}
  mod_carboncopy: {{}}
  mod_disco: {{}}
  mod_http_api: {{}}
  mod_mam: {{}}
  mod_muc:
    host: "muc.@HOST@"
    default_room_options:
      mam: true
  mod_offline: {{}}
  mod_ping: {{}}
  mod_roster: {{}}
  mod_stream_mgmt: {{}}
  mod_vcard: {{}}
"""


class EjabberdProcess:
    """ejabberd as Debian packages it, without epmd, with a configuration and the ports it listens on."""

    def __init__(
        self,
        folder: Path,
        config: str,
        ports: Sequence[int],
        http_port: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._ports, self._http_port = (*ports, http_port), http_port
        file = folder / "ejabberd.yml"
        file.write_text(config)
        control = Path(find_program("ejabberdctl")).read_text()
        libraries = re.search(r"^ERL_LIBS='?([^'\n]*)'?$", control, re.M)
        assert libraries is not None, "ejabberdctl does not say where ejabberd's code is"
        argv = [find_program("erl"), "-noinput", "-mnesia", "dir", f'"{folder}/mnesia"', "-s", "ejabberd"]
        self.daemon = Daemon(
            "ejabberd",
            folder,
            argv,
            ready=self._ready,
            environment={
                "EJABBERD_CONFIG_PATH": str(file),
                "EJABBERD_LOG_PATH": str(folder / "ejabberd.log"),
                "ERL_LIBS": libraries.group(1),
                "HOME": str(folder),
                "ERL_CRASH_DUMP_BYTES": "0",
                **(environment or {}),
            },
        )

    def _ready(self) -> bool:
        if not all(map(answers, self._ports)):
            return False
        with contextlib.suppress(OSError):
            return "is running" in self._call("status", {})
        return False

    def _call(self, command: str, arguments: dict[str, str]) -> str:
        body = json.dumps(arguments).encode()
        url = f"http://{HOST}:{self._http_port}/api/{command}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())

    def make_account(self, name: str, domain: str) -> None:
        """Make an account with the password `PASSWORD` through the HTTP API, if there is none."""
        try:
            self._call("register", {"user": name, "host": domain, "password": PASSWORD})
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.CONFLICT:
                raise


class Ejabberd(EjabberdProcess):
    """ejabberd with a component line for each of `COMPONENTS`."""

    def __init__(self, folder: Path, domain: str = "ejabberd.test") -> None:
        self.domain = domain
        self.client_port, self.component_port, http_port = free_port(), free_port(), free_port()
        components = "".join(f'      {name}.{domain}: {{ password: "{SECRET}" }}\n' for name in COMPONENTS)
        config = EJABBERD.format(
            domain=domain,
            client_port=self.client_port,
            component_port=self.component_port,
            http_port=http_port,
            components=components.rstrip("\n"),
        )
        super().__init__(folder, config, (self.client_port, self.component_port), http_port)

    def register(self, name: str) -> None:
        """Make an account with the password `PASSWORD`, if there is none."""
        self.make_account(name, self.domain)
