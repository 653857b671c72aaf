"""Prosody and ejabberd that talk to other servers, found through the tests' own DNS."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from tests.live.peers.certificates import Certificate
from tests.live.peers.daemon import Daemon, answers, find_program, free_port
from tests.live.peers.dns import Nameserver
from tests.live.peers.xmpp import PASSWORD, EjabberdProcess

Trust = Literal["certificate", "dialback", "clear"]
"""How a server has others prove who they are: by certificate alone, by dialback if the certificate is not valid, or by
dialback without asking for encryption."""


@dataclass(frozen=True)
class Host:
    """A domain of an XMPP server."""

    name: str
    certificate: Certificate


class FederatedServer(Protocol):
    """A server for some domains; the first is its own."""

    domain: str
    client_port: int
    server_port: int
    direct_port: int
    daemon: Daemon

    def make_account(self, name: str, domain: str) -> None:
        """Make an account with the password `PASSWORD`, if there is none."""


PROSODY = """
{root}
data_path = "{folder}"
pidfile = "{folder}/prosody.pid"
log = {{ info = "{folder}/prosody.log" }}
interfaces = {{ "127.0.0.1" }}
local_interfaces = {{ "127.0.0.1" }}
use_ipv6 = false
-- libunbound knows .test itself, as a name that is not there, and asks no loopback address unless told to
unbound = {{ resolvconf = false; hoststxt = false; forward = {{ "127.0.0.1@{nameserver}" }};
  options = {{ ["do-not-query-localhost:"] = "no"; ["local-zone:"] = "test. transparent";
    ["cache-max-ttl:"] = "1"; ["cache-max-negative-ttl:"] = "1" }} }}
c2s_ports = {{ {client_port} }}
c2s_direct_tls_ports = {{}}
s2s_ports = {{ {server_port} }}
s2s_direct_tls_ports = {{ {direct_port} }}
http_ports = {{}}
https_ports = {{}}
component_ports = {{}}
certificates = "{folder}/none"
ssl = {{ cafile = "{authority}"; capath = "{folder}/none" }}
modules_enabled = {{ "roster"; "saslauth"; "tls"; "disco"; "carbons"; "ping"; "offline"; "presence"; "message";
  "iq"; "smacks"; "s2s_bidi"; "dialback" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
storage = "internal"
{trust}
{hosts}
"""
PROSODY_TRUST: dict[Trust, str] = {
    "certificate": 's2s_secure_auth = true\nmodules_disabled = { "dialback" }',
    "dialback": "",
    "clear": "s2s_require_encryption = false",
}


class FederatedProsody:
    """Prosody with s2s on a STARTTLS and a direct TLS port."""

    def __init__(
        self,
        folder: Path,
        hosts: Sequence[Host],
        authority: Path,
        nameserver: Nameserver,
        trust: Trust,
    ) -> None:
        self.domain = hosts[0].name
        self.client_port, self.server_port, self.direct_port = free_port(), free_port(), free_port()
        self._folder = folder
        (folder / "none").mkdir()
        config = folder / "prosody.cfg.lua"
        config.write_text(
            PROSODY.format(
                root="run_as_root = true" if os.geteuid() == 0 else "",
                folder=folder,
                nameserver=nameserver.port,
                client_port=self.client_port,
                server_port=self.server_port,
                direct_port=self.direct_port,
                authority=authority,
                trust=PROSODY_TRUST[trust],
                hosts="\n".join(
                    f'VirtualHost "{host.name}"\n  certificate = "{host.certificate.certificate}"'
                    for host in hosts
                ),
            )
        )
        self.daemon = Daemon(
            "prosody",
            folder,
            [find_program("prosody"), "-F", "--config", str(config)],
            ready=lambda: all(map(answers, (self.client_port, self.server_port, self.direct_port))),
        )

    def make_account(self, name: str, domain: str) -> None:
        """Make an account with the password `PASSWORD`, if there is none."""
        folder = domain.replace(".", "%2e").replace("-", "%2d")
        accounts = self._folder / folder / "accounts"
        accounts.mkdir(parents=True, exist_ok=True)
        (accounts / f"{name}.dat").write_text(f'return {{ ["password"] = "{PASSWORD}"; }};\n')


EJABBERD = """
loglevel: info
hosts: [{hosts}]
certfiles: [{certificates}]
ca_file: "{authority}"
s2s_cafile: "{authority}"
s2s_use_starttls: {starttls}
s2s_max_retry_delay: 1
auth_password_format: plain
listen:
  - port: {client_port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 1048576
    access: all
  - port: {server_port}
    ip: "127.0.0.1"
    module: ejabberd_s2s_in
    max_stanza_size: 524288
  - port: {direct_port}
    ip: "127.0.0.1"
    module: ejabberd_s2s_in
    max_stanza_size: 524288
    tls: true
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
  mod_offline: {{}}
  mod_ping: {{}}
  mod_roster: {{}}
  mod_stream_mgmt: {{}}
{dialback}
"""
RESOLVER = """
{{lookup,["file","dns"]}}.
{{resolv_conf,""}}.
{{hosts_file,""}}.
{{host,{{127,0,0,1}},["localhost"]}}.
{{nameserver,{{127,0,0,1}},{port}}}.
{{cache_size,0}}.
{{cache_refresh,1000}}.
{{timeout,1000}}.
{{edns,false}}.
"""
"""Erlang's resolver; ejabberd uses it for SRV records only, so their targets must be in /etc/hosts."""


class FederatedEjabberd(EjabberdProcess):
    """ejabberd with s2s on a STARTTLS and a direct TLS port."""

    def __init__(
        self,
        folder: Path,
        hosts: Sequence[Host],
        authority: Path,
        nameserver: Nameserver,
        trust: Trust,
    ) -> None:
        self.domain = hosts[0].name
        self.client_port, self.server_port, self.direct_port = free_port(), free_port(), free_port()
        http_port = free_port()
        resolver = folder / "inetrc"
        resolver.write_text(RESOLVER.format(port=nameserver.port))
        config = EJABBERD.format(
            hosts=", ".join(f'"{host.name}"' for host in hosts),
            certificates=", ".join(f'"{host.certificate.together()}"' for host in hosts),
            authority=authority,
            client_port=self.client_port,
            server_port=self.server_port,
            direct_port=self.direct_port,
            http_port=http_port,
            starttls="optional" if trust == "clear" else "required",
            dialback="" if trust == "certificate" else "  mod_s2s_dialback: {}",
        )
        ports = (self.client_port, self.server_port, self.direct_port)
        super().__init__(folder, config, ports, http_port, {"ERL_INETRC": str(resolver)})
