"""The servers under load: xmppbridge, Prosody and ejabberd, each with components and certificates alike."""

from __future__ import annotations

import os
import re
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.federation.links import Link, Peer, component, outbound
from tests.live.peers.certificates import Authority
from tests.live.peers.daemon import HOST, Daemon, answers, find_program, free_port
from tests.live.peers.dns import Nameserver
from tests.live.peers.gateway import toml

ROOT = Path(__file__).parents[3]
DOMAIN = "bridge.test"
PEER = "peer.test"
COMPONENTS = tuple(f"{name}.{DOMAIN}" for name in ("c1", "c2", "c3"))
SECRET = "secret"
UNAUTHENTICATED_SECONDS = 25
"""What each server is told to wait for a stream to be authenticated."""


def pin(pid: int, core: int) -> None:
    """Keep a process, with all its threads, on one core."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {core})


class Surroundings:
    """What all servers share: an authority, the peer's certificate and listening side, and DNS."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority = Authority(folder)
        self.root = authority.root
        self.certificate = authority.issue("server", DOMAIN, f"*.{DOMAIN}")
        self._own = authority.issue("peer", PEER, f"*.{PEER}")
        self.connecting = self._context(ssl.PROTOCOL_TLS_CLIENT)
        self.accepting = self._context(ssl.PROTOCOL_TLS_SERVER)
        self.peer = Peer(self.accepting)
        self.nameserver = Nameserver()

    def _context(self, protocol: int) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.check_hostname = False
        context.load_verify_locations(self.root)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self._own.certificate, self._own.key)
        return context

    def close(self) -> None:
        """Stop listening."""
        self.nameserver.close()
        self.peer.close()


class Server:
    """A server under load; a subclass writes its configuration and says how it is run."""

    name: str

    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        self.folder = surroundings.folder / self.name
        self.folder.mkdir()
        self.component_port, self.s2s_port = free_port(), free_port()
        argv, environment = self._configure()
        self.daemon = Daemon(self.name, self.folder, argv, ready=self._ready, environment=environment)
        self._components: dict[str, Link] = {}

    def _configure(self) -> tuple[Sequence[str], dict[str, str]]:
        raise NotImplementedError

    def _ready(self) -> bool:
        return answers(self.component_port) and answers(self.s2s_port)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.daemon.pid

    def component(self, number: int) -> Link:
        """Return the connection of c1 or c2, which lasts."""
        domain = COMPONENTS[number - 1]
        if domain not in self._components:
            self._components[domain] = self.new_component(number).unblock()
        return self._components[domain]

    def new_component(self, number: int) -> Link:
        """Open a component's stream."""
        return component(self.component_port, COMPONENTS[number - 1], SECRET)

    def stream(self, sender: str = PEER, source: str = HOST, target: str = COMPONENTS[0]) -> Link:
        """Open a stream from a domain of the peer's to one of the server's."""
        return outbound(self.s2s_port, sender, target, self.surroundings.connecting, source)

    def start(self) -> None:
        """Start it, on the first core."""
        self.daemon.start()
        pin(self.pid, 0)

    def restart(self) -> None:
        """Start it afresh: memory that was used before tells nothing about what something needs."""
        self.drop()
        self.daemon.kill()
        self.start()

    def revive(self) -> None:
        """Start it again if it has died, or is about to."""
        if not self.daemon.running or not self._ready():
            print(f"{self.name} has died", file=sys.stderr)
            self.restart()

    def drop(self) -> None:
        """Close the components' connections."""
        for link in self._components.values():
            link.close()
        self._components.clear()


BRIDGE = """
[store]
url = "sqlite:///{folder}/xmppbridge.sqlite"
[log]
level = "error"
[federation]
listen = ["127.0.0.1:{s2s_port}"]
authentication = "certificate"
ca_file = "{ca_file}"
nameservers = ["127.0.0.1:{dns_port}"]
[federation.limits]
unauthenticated_seconds = {seconds}.0
bytes_per_second = 1e9
stanzas_per_second = 1e9
[federation.certificates."*.{domain}"]
certificate = "{certificate}"
key = "{key}"
[components]
listen = ["127.0.0.1:{component_port}"]
{components}
[gateways."irc.{domain}"]
network = "irc"
federated = true
"""


class Bridge(Server):
    """xmppbridge; its rate limits are lifted, for the others run without such."""

    name = "xmppbridge"

    def _configure(self) -> tuple[Sequence[str], dict[str, str]]:
        config = self.folder / "xmppbridge.toml"
        domains = "".join(f'[components.domains."{name}"]\nsecret = {toml(SECRET)}\n' for name in COMPONENTS)
        config.write_text(BRIDGE.format(**_common(self), components=domains))
        command = [sys.executable, "-m", "bridge.cli", "run", "--config", str(config)]
        return command, {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def _common(server: Server) -> dict[str, object]:
    shared = server.surroundings
    return {
        "folder": server.folder,
        "domain": DOMAIN,
        "s2s_port": server.s2s_port,
        "component_port": server.component_port,
        "dns_port": shared.nameserver.port,
        "ca_file": shared.root,
        "certificate": shared.certificate.certificate,
        "key": shared.certificate.key,
        "seconds": UNAUTHENTICATED_SECONDS,
    }


PROSODY = """
{root}
data_path = "{folder}"
pidfile = "{folder}/prosody.pid"
log = {{ error = "{folder}/prosody.log" }}
interfaces = {{ "127.0.0.1" }}
use_ipv6 = false
unbound = {{ resolvconf = false; hoststxt = false; forward = {{ "127.0.0.1@{dns_port}" }};
  options = {{ ["do-not-query-localhost:"] = "no"; ["local-zone:"] = "test. transparent" }} }}
c2s_ports = {{}}
c2s_direct_tls_ports = {{}}
s2s_ports = {{ {s2s_port} }}
s2s_direct_tls_ports = {{}}
s2s_timeout = {seconds}
http_ports = {{}}
https_ports = {{}}
component_ports = {{ {component_port} }}
component_interfaces = {{ "127.0.0.1" }}
ssl = {{ certificate = "{certificate}"; key = "{key}"; cafile = "{ca_file}"; capath = "{folder}" }}
certificates = "{folder}"
modules_enabled = {{ "tls"; "saslauth"; "disco"; "ping" }}
s2s_secure_auth = true
s2s_require_encryption = true
storage = "internal"
VirtualHost "{domain}"
{components}
"""


class Prosody(Server):
    """Prosody as Debian packages it; its resolver must be libunbound to ask another port than 53."""

    name = "Prosody"

    def _configure(self) -> tuple[Sequence[str], dict[str, str]]:
        config = self.folder / "prosody.cfg.lua"
        components = "".join(f'Component "{name}"\n  component_secret = "{SECRET}"\n' for name in COMPONENTS)
        root = "run_as_root = true" if os.geteuid() == 0 else ""
        config.write_text(PROSODY.format(**_common(self), components=components, root=root))
        return [find_program("prosody"), "-F", "--config", str(config)], {}


EJABBERD = """
loglevel: error
hosts: ["{domain}"]
certfiles: ["{folder}/server.pem"]
ca_file: "{ca_file}"
s2s_cafile: "{ca_file}"
s2s_use_starttls: required
negotiation_timeout: {seconds}
listen:
  - port: {s2s_port}
    ip: "127.0.0.1"
    module: ejabberd_s2s_in
    max_stanza_size: 524288
    backlog: 1024
  - port: {component_port}
    ip: "127.0.0.1"
    module: ejabberd_service
    access: all
    global_routes: false
    hosts:
{components}
modules:
  mod_disco: {{}}
  mod_ping: {{}}
"""
INETRC = """
{{lookup,["file","dns"]}}.
{{resolv_conf,""}}.
{{hosts_file,""}}.
{{host,{{127,0,0,1}},["localhost"]}}.
{{nameserver,{{127,0,0,1}},{dns_port}}}.
{{edns,false}}.
"""


class Ejabberd(Server):
    """ejabberd as Debian packages it, without epmd; its backlog of 5 would have peers wait for a second."""

    name = "ejabberd"

    def _configure(self) -> tuple[Sequence[str], dict[str, str]]:
        common, certificate = _common(self), self.surroundings.certificate
        pem = self.folder / "server.pem"
        pem.write_text("\n".join(certificate.pem_lines()))
        components = "".join(f'      {name}: {{ password: "{SECRET}" }}\n' for name in COMPONENTS)
        config, inetrc = self.folder / "ejabberd.yml", self.folder / "inetrc"
        config.write_text(EJABBERD.format(**common, components=components.rstrip("\n")))
        inetrc.write_text(INETRC.format(**common))
        control = Path(find_program("ejabberdctl")).read_text()
        libraries = re.search(r"^ERL_LIBS='?([^'\n]*)'?$", control, re.M)
        if libraries is None:
            raise FileNotFoundError("ejabberdctl does not say where ejabberd's code is")
        mnesia = ["-mnesia", "dir", f'"{self.folder}/mnesia"']
        return [find_program("erl"), "-noinput", "+P", "250000", *mnesia, "-s", "ejabberd"], {
            "EJABBERD_CONFIG_PATH": str(config),
            "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"),
            "ERL_LIBS": libraries.group(1),
            "ERL_INETRC": str(inetrc),
            "ERL_CRASH_DUMP_BYTES": "0",
            "HOME": str(self.folder),
        }


SERVERS: dict[str, type[Server]] = {"xmppbridge": Bridge, "prosody": Prosody, "ejabberd": Ejabberd}
