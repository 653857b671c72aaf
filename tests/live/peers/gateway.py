"""The gateway under test: xmppbridge, or Biboumi to compare the tests with."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.live.peers.certificates import Certificate
from tests.live.peers.daemon import HOST, POLL, Daemon, answers, find_program, free_port
from tests.live.peers.xmpp import SECRET
from transports.matrix.config import MatrixConfig

ROOT = Path(__file__).parents[3]
CONNECTED = ": connected to "
RELOADED = " read again; changed: "
MAX_FILE = 1_000_000
"""Bytes of a file that the gateway to Matrix takes."""
HOSTED = ("echo", "other")
"""Components, by their names below the domain, that a federated bridge lets connect."""


@dataclass(frozen=True)
class Domain:
    """A component line: `name` at the XMPP server whose component port is `port`."""

    name: str
    port: int
    fixed_server: str = ""


@dataclass(frozen=True)
class IrcServer:
    """How an IRC server is reached; `name` stands behind the ``%`` of addresses."""

    name: str
    port: int
    tls: bool = False
    host: str = HOST
    options: Mapping[str, str] = field(default_factory=dict)


class Gateway(Protocol):
    """A running gateway for some domains."""

    daemon: Daemon
    brand: str

    def know(self, account: str) -> None:
        """Prepare for a user, where the gateway keeps servers' addresses per user."""


def toml(value: object) -> str:
    """Write a value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


def table(header: str, values: Mapping[str, object]) -> str:
    """Write a TOML table."""
    return f"[{header}]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in values.items()) + "\n"


def irc_tables(
    prefix: str, servers: Sequence[IrcServer], authority: Path, options: Mapping[str, object]
) -> str:
    """Write a gateway's options for IRC, without what slows a test, and its servers."""
    irc = {
        "throttle_burst": -1,
        "connect_rate": 1000.0,
        "connect_burst": 1000,
        "ca_file": str(authority),
        **options,
    }
    text = table(f"{prefix}.irc", irc)
    for server in servers:
        ports = {"tls_ports": [server.port], "ports": []} if server.tls else {"ports": [server.port]}
        values = {"host": server.host, "tls_ports": [], **ports, **server.options}
        text += table(f'{prefix}.irc.servers."{server.name}"', values)
    return text


class XmppBridge:
    """`twistd -n xmppbridge` with a configuration of its own; ready when its service manager would be told."""

    brand = "xmppbridge"

    def __init__(
        self,
        folder: Path,
        domains: Sequence[Domain],
        servers: Sequence[IrcServer],
        authority: Path,
        *,
        options: Mapping[str, object] | None = None,
        head: Mapping[str, object] | None = None,
    ) -> None:
        self.config = folder / "xmppbridge.toml"
        self._domains, self._servers, self._authority = domains, servers, authority
        self.write_config(options or {}, head or {})
        self.daemon = Daemon(
            "xmppbridge",
            folder,
            [sys.executable, "-m", "bridge.cli", "run", "--config", str(self.config)],
            ready=self._ready,
            environment={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def _ready(self) -> bool:
        return self.daemon.output().count(CONNECTED) >= len(self._domains)

    def write_config(self, options: Mapping[str, object], head: Mapping[str, object]) -> None:
        """Write the configuration; `options` go to every [gateways.*.irc], `head` to the top."""
        text = "".join(f"{key} = {toml(value)}\n" for key, value in head.items())
        text += table("store", {"url": f"sqlite:///{self.config.parent}/xmppbridge.sqlite"})
        for domain in self._domains:
            prefix = f'gateways."{domain.name}"'
            component = {"host": HOST, "port": domain.port, "secret": SECRET}
            given = {"fixed_server": domain.fixed_server, **options}
            text += table(prefix, {"network": "irc"}) + table(f"{prefix}.component", component)
            text += irc_tables(prefix, self._servers, self._authority, given)
        self.config.write_text(text)

    def know(self, account: str) -> None:
        """Servers' addresses are in the configuration."""


class FederatedBridge:
    """xmppbridge as a server of its own: a gateway ``irc.DOMAIN`` and a line for each of `HOSTED`.

    Each of its two ports for servers takes STARTTLS and direct TLS; what is published of them is the tests'.

    `tables` are further options by the name of their table, "" for the top; they win over those written here.
    """

    brand = "xmppbridge"

    def __init__(
        self,
        folder: Path,
        domain: str,
        servers: Sequence[IrcServer],
        certificate: Certificate,
        authority: Path,
        nameserver: int,
        tables: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        self.domain = f"irc.{domain}"
        self.components = tuple(f"{name}.{domain}" for name in HOSTED)
        self.server_port, self.direct_port, self.component_port = free_port(), free_port(), free_port()
        prefix = f'gateways."{self.domain}"'
        written: dict[str, dict[str, object]] = {
            "store": {"url": f"sqlite:///{folder}/xmppbridge.sqlite"},
            "federation": {
                "listen": [f"{HOST}:{port}" for port in (self.server_port, self.direct_port)],
                "nameservers": [f"{HOST}:{nameserver}"],
                "ca_file": str(authority),
                "posh": False,
            },
            'federation.certificates."*"': {
                "certificate": str(certificate.certificate),
                "key": str(certificate.key),
            },
            "components": {"listen": [f"{HOST}:{self.component_port}"]},
            **{f'components.domains."{name}"': {"secret": SECRET} for name in self.components},
            prefix: {"network": "irc", "federated": True},
        }
        for header, values in (tables or {}).items():
            written[header] = {**written.get(header, {}), **values}
        self.config = folder / "xmppbridge.toml"
        self.config.write_text(
            "".join(f"{key} = {toml(value)}\n" for key, value in written.pop("", {}).items())
            + "".join(table(header, values) for header, values in written.items())
            + irc_tables(prefix, servers, authority, {})
        )
        self.daemon = Daemon(
            "xmppbridge",
            folder,
            [sys.executable, "-m", "bridge.cli", "run", "--config", str(self.config)],
            ready=lambda: all(map(answers, (self.server_port, self.direct_port, self.component_port))),
            environment={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def know(self, account: str) -> None:
        """Servers' addresses are in the configuration."""

    async def reload(self) -> None:
        """Have configuration and certificates read again (SIGHUP)."""
        before = self.daemon.output().count(RELOADED)
        self.daemon.send_signal(signal.SIGHUP)
        while self.daemon.output().count(RELOADED) == before:
            await asyncio.sleep(POLL)


class MatrixBridge:
    """xmppbridge with a gateway to a homeserver, at the component port of an XMPP server."""

    brand = "xmppbridge"

    def __init__(
        self, folder: Path, domain: str, port: int, config: MatrixConfig, fetch_allowed: Sequence[str] = ()
    ) -> None:
        self.domain = domain
        self.as_token = config.as_token.reveal()
        self.web_port = free_port()
        self.url = f"http://{HOST}:{self.web_port}"
        web = {
            "listen": f"{HOST}:{self.web_port}",
            "url": self.url,
            "max_file": MAX_FILE,
            "fetch_allowed": fetch_allowed,
        }
        prefix = f'gateways."{domain}"'
        matrix = {
            "homeserver": config.homeserver,
            "server_name": config.server_name,
            "as_token": config.as_token.reveal(),
            "hs_token": config.hs_token.reveal(),
            "listen": config.listen,
            "id": config.id,
            "sender": config.sender,
            "prefix": config.prefix,
        }
        self.config = folder / "xmppbridge.toml"
        self.config.write_text(
            table("store", {"url": f"sqlite:///{folder}/xmppbridge.sqlite"})
            + table("web", web)
            + table(prefix, {"network": "matrix"})
            + table(f"{prefix}.component", {"host": HOST, "port": port, "secret": SECRET})
            + table(f"{prefix}.matrix", matrix)
        )
        self.daemon = Daemon(
            "xmppbridge",
            folder,
            [sys.executable, "-m", "bridge.cli", "run", "--config", str(self.config)],
            ready=self._ready,
            environment={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def _ready(self) -> bool:
        return self.daemon.output().count(CONNECTED) == self.config.read_text().count(".component]")


class SipBridge:
    """xmppbridge with a gateway to SIP, at the component port of an XMPP server.

    `trunks` are the options of each by its name, `media` what carries calls, `msrp` chats, if anything.
    """

    brand = "xmppbridge"

    def __init__(
        self,
        folder: Path,
        domain: str,
        port: int,
        options: Mapping[str, object],
        trunks: Mapping[str, Mapping[str, object]],
        media: Mapping[str, object],
        admin: str,
        msrp: Mapping[str, object] | None = None,
    ) -> None:
        self.domain = domain
        prefix = f'gateways."{domain}"'
        self.config = folder / "xmppbridge.toml"
        self.config.write_text(
            f"admins = {toml([admin])}\n"
            + table("store", {"url": f"sqlite:///{folder}/xmppbridge.sqlite"})
            + table(prefix, {"network": "sip"})
            + table(f"{prefix}.component", {"host": HOST, "port": port, "secret": SECRET})
            + table(f"{prefix}.sip", options)
            + table(f"{prefix}.sip.media", media)
            + (table(f"{prefix}.sip.msrp", msrp) if msrp is not None else "")
            + "".join(table(f"{prefix}.sip.trunks.{name}", values) for name, values in trunks.items())
        )
        self.daemon = Daemon(
            "xmppbridge",
            folder,
            [sys.executable, "-m", "bridge.cli", "run", "--config", str(self.config)],
            ready=lambda: CONNECTED in self.daemon.output(),
            environment={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        )


class LoopbackBridge:
    """xmppbridge with a gateway to the network in memory, at the component port of an XMPP server.

    That network is none of the installed ones: it is plugged in as one from elsewhere would be.
    """

    brand = "xmppbridge"

    def __init__(self, folder: Path, domain: str, port: int) -> None:
        self.domain = domain
        prefix = f'gateways."{domain}"'
        plugin = folder / "loopback-1.dist-info"
        plugin.mkdir()
        (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: loopback\nVersion: 1\n")
        (plugin / "entry_points.txt").write_text("[xmppbridge.networks]\nloopback = transports.loopback\n")
        config = folder / "xmppbridge.toml"
        config.write_text(
            table("store", {"url": f"sqlite:///{folder}/xmppbridge.sqlite"})
            + table(prefix, {"network": "loopback"})
            + table(f"{prefix}.component", {"host": HOST, "port": port, "secret": SECRET})
        )
        self.daemon = Daemon(
            "xmppbridge",
            folder,
            [sys.executable, "-m", "bridge.cli", "run", "--config", str(config)],
            ready=lambda: CONNECTED in self.daemon.output(),
            environment={"PYTHONPATH": f"{ROOT}:{folder}", "PYTHONDONTWRITEBYTECODE": "1"},
        )


class Biboumi:
    """Biboumi 9 for one domain; servers' addresses are seeded per user into its database."""

    brand = "Biboumi"

    def __init__(
        self, folder: Path, domains: Sequence[Domain], servers: Sequence[IrcServer], authority: Path
    ) -> None:
        (domain,) = domains
        self._database = folder / "biboumi.sqlite"
        self._servers = servers
        config = folder / "biboumi.cfg"
        fixed = f"fixed_irc_server={domain.fixed_server}\n" if domain.fixed_server else ""
        config.write_text(
            f"hostname={domain.name}\npassword={SECRET}\nxmpp_server_ip={HOST}\nport={domain.port}\n"
            f"db_name={self._database}\nlog_level=0\nidentd_port=0\nadmin=admin@{domain.name}\n"
            f"ca_file={authority}\n{fixed}"
        )
        self.daemon = Daemon(
            "biboumi",
            folder,
            [find_program("biboumi"), str(config)],
            ready=lambda: "Authenticated with the XMPP server" in self.daemon.output(),
            environment={"HOME": os.environ.get("HOME", "/")},
        )

    def know(self, account: str) -> None:
        """Enter address and port of each server for a user."""
        with contextlib.closing(sqlite3.connect(self._database, timeout=10)) as database, database:
            columns = [row[1] for row in database.execute("pragma table_info(ircserveroptions_)")][1:]
            for server in self._servers:
                row = {
                    "owner_": account,
                    "server_": server.name,
                    "address_": server.host,
                    "ports_": "" if server.tls else server.port,
                    "tlsports_": server.port if server.tls else "",
                    "verifycert_": 1,
                    "maxhistorylength_": 20,
                    "throttlelimit_": -1,
                }
                marks = ",".join("?" * len(columns))
                database.execute(
                    f"insert into ircserveroptions_ ({','.join(columns)}) values ({marks})",
                    [row.get(column, "") for column in columns],
                )


__all__ = [
    "Biboumi",
    "Certificate",
    "Domain",
    "FederatedBridge",
    "Gateway",
    "IrcServer",
    "MatrixBridge",
    "SipBridge",
    "XmppBridge",
]
