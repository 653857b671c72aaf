"""`xmppbridge check --live`: try what the configuration names, as the bridge would."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import react

from bridge.cli.certificates import shown
from bridge.cli.check import Finding, error, federated_domains, ok, warning
from bridge.cli.knock import knock
from bridge.cli.records import Seen, record_findings
from bridge.cli.web import web_finding
from bridge.config import ComponentConfig, Config, FederationConfig, network_module
from bridge.errors import BridgeError, Trouble
from bridge.federation.dns import Dns
from bridge.network import Probe
from bridge.store import StoreError
from bridge.store.connection import open_connection
from bridge.xmpp.component import Authenticated, ComponentStream, StreamFailed
from bridge.xmpp.element import Element
from bridge.xmpp.stanza import NS_COMPONENT, error_reply

TIMEOUT = 10.0
"""Seconds that the XMPP server has for each of its answers."""
PROBE_TIMEOUT = 40.0
"""Seconds that a network's probe has."""


def live_findings(config: Config) -> Iterator[Finding]:
    """Connect to everything, one after the other."""
    assert config.store.url is not None
    yield check_store(config.store.url.reveal())
    for domain, gateway in config.gateways.items():
        if gateway.component is not None:
            yield check_component(domain, gateway.component)
    yield from check_world(config)


# ---- the store


def check_store(url: str) -> Finding:
    """Open the store without making anything, since the bridge may run as another user."""
    if url.startswith(("postgresql://", "postgres://")):
        return _check_server(url)
    path = Path(url)
    if path.exists():
        return _check_file(path)
    if not path.parent.is_dir():
        return warning("store", f"{path.parent} does not exist (systemd's StateDirectory= would make it)")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return error("store", f"{path.parent} cannot be written to")
    return ok("store", f"{path} will be made")


def _check_server(url: str) -> Finding:
    try:
        open_connection(url).close()
    except StoreError as failure:
        if "another process" in str(failure):
            return ok("store", "PostgreSQL; in use by the bridge")
        return error("store", str(failure))
    return ok("store", "PostgreSQL")


def _check_file(path: Path) -> Finding:
    if not os.access(path, os.R_OK | os.W_OK):
        return error("store", f"{path} cannot be read and written")
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            database.execute("PRAGMA schema_version").fetchone()
    except sqlite3.Error as failure:
        return error("store", f"{path}: {failure}")
    return ok("store", str(path))


# ---- the component


def check_component(domain: str, component: ComponentConfig) -> Finding:
    """Log in as the component, and go at once."""
    where = f"{component.host}:{component.port}"
    stream = ComponentStream(domain, component.secret.reveal())
    stream.start()
    try:
        with socket.create_connection((component.host, component.port), TIMEOUT) as connection:
            connection.settimeout(TIMEOUT)
            return _log_in(domain, where, stream, connection)
    except TimeoutError:
        return error(domain, f"{where} does not answer: is that its port for components?")
    except OSError as failure:
        return error(domain, f"{where} cannot be reached: {failure.strerror or failure}")


def _log_in(domain: str, where: str, stream: ComponentStream, connection: socket.socket) -> Finding:
    while True:
        connection.sendall(stream.data_to_send())
        data = connection.recv(65536)
        if data:
            stream.receive_data(data)
        else:
            stream.receive_eof()
        events = stream.take_events()
        for event in events:
            if isinstance(event, StreamFailed):
                return _refused(domain, where, event)
        if any(isinstance(event, Authenticated) for event in events):
            _give_back(stream, [event for event in events if isinstance(event, Element)])
            connection.sendall(stream.data_to_send())
            return ok(domain, f"{where} accepts the secret")


def _refused(domain: str, where: str, failure: StreamFailed) -> Finding:
    """COMPAT: Prosody says conflict to a second connection of a component, after checking the secret."""
    if failure.condition == "conflict":
        return ok(domain, f"{where} accepts the secret; the component is connected already")
    reason = {
        "not-authorized": "the secret is refused",
        "host-unknown": f"the XMPP server has no component {domain}",
        "invalid-namespace": "this is not the XMPP server's port for components",
        "": "the XMPP server hung up",
    }.get(failure.condition, failure.condition)
    own_words = failure.condition in ("", "invalid-namespace")
    text = f" ({failure.text})" if failure.text and not own_words else ""
    return error(domain, f"{where}: {reason}{text}")


def _give_back(stream: ComponentStream, stanzas: Sequence[Element]) -> None:
    """COMPAT: ejabberd shares a domain's stanzas out among its connections; answer what came here."""
    for stanza in stanzas:
        reply = error_reply(stanza, BridgeError(Trouble.SHUTTING_DOWN))
        if reply is not None:
            stream.send(reply.to_xml(NS_COMPONENT).encode())
    stream.close()


# ---- the networks and the DNS


def check_world(config: Config) -> list[Finding]:
    """Have each network try its servers, and look ourselves up; this runs the reactor, once in a process."""
    findings: list[Finding] = []

    def run(reactor: Any) -> Deferred[Any]:
        trials = []
        for domain, gateway in config.gateways.items():
            for probe in network_module(gateway.network).probes(gateway.options, reactor):
                trials.append(_outcome(domain, probe, reactor).addCallback(findings.append))
        if config.web is not None:
            trials.append(
                Deferred.fromCoroutine(web_finding(config.web, reactor)).addCallback(findings.append)
            )
        if config.federation is not None:
            looked_up = Deferred.fromCoroutine(_records(config, config.federation, reactor))
            trials.append(looked_up.addCallback(findings.extend))
        return DeferredList(trials)

    try:
        react(run, [])
    except SystemExit:
        return findings
    return findings


async def _records(config: Config, federation: FederationConfig, reactor: Any) -> list[Finding]:
    nameservers = [(endpoint.host, endpoint.port) for endpoint in federation.nameservers]
    ask = Dns(reactor, nameservers, federation.dnssec).ask
    ports = frozenset(endpoint.port for endpoint in federation.listen)
    findings = []
    for domain in federated_domains(config):
        seen = Seen(domain=domain, ports=ports, certificate=shown(domain, federation))
        findings += await record_findings(seen, ask, partial(knock, federation, reactor))
    return findings


def _outcome(domain: str, probe: Probe, reactor: Any) -> Deferred[Finding]:
    subject = f"{domain} → {probe.subject}"
    return probe.result.addTimeout(PROBE_TIMEOUT, reactor).addCallbacks(
        lambda text: ok(subject, text),
        lambda failure: error(subject, getattr(failure.value, "text", "") or str(failure.value)),
    )
