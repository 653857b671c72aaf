"""The way of `xmppbridge probe` to a server: policy, DNS, every target and address, told step by step."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import SystemRandom
from secrets import token_bytes
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory
from twisted.names import dns

from bridge.cli.attempt import Attempt, Tell, ToldStream
from bridge.cli.records import Ask
from bridge.config import FederationConfig
from bridge.federation import dane
from bridge.federation.connection import Connection
from bridge.federation.dial import NEGOTIATION_TIMEOUT, TARGETS
from bridge.federation.dns import Answer, Dns, system_hosts
from bridge.federation.own_certificate import CertificateError
from bridge.federation.policy import PeerPolicies, PeerPolicy
from bridge.federation.posh import Posh
from bridge.federation.resolver import TLSA, LookupFailed, NoServer, Resolver, Target, Tlsa, override
from bridge.federation.tls import TlsContexts, Verifier, peer
from bridge.xmpp.dialback import Keys
from bridge.xmpp.xml import Limits

ADDRESS_TIMEOUT = 10.0
"""Seconds for a TCP connection to one address."""
SECRET_BYTES = 32


class Reach:
    """One probe of `remote` from our domain `local`, one of `ours`; `ask` is `Dns.ask`."""

    def __init__(
        self,
        local: str,
        remote: str,
        ours: Collection[str],
        config: FederationConfig,
        reactor: Any,
        tell: Tell,
        ask: Ask | None = None,
    ) -> None:
        nameservers = [(endpoint.host, endpoint.port) for endpoint in config.nameservers]
        ask = ask or Dns(reactor, nameservers, config.dnssec).ask
        self._local, self._remote, self._ours = local, remote, frozenset(ours)
        self._config = config
        self._reactor = reactor
        self._tell = tell
        self._policy = PeerPolicies(config).of(remote)
        self._resolver = Resolver(told(ask, tell), SystemRandom(), system_hosts())
        secret = config.dialback_secret
        self._keys = Keys(token_bytes(SECRET_BYTES) if secret is None else secret.reveal().encode())

    async def run(self) -> bool:
        """Return whether the server takes our stanzas."""
        self._tell(_policy_text(self._policy))
        if self._policy.refused:
            return False
        try:
            self._contexts = TlsContexts(self._config, lambda: frozenset({self._local}))
            targets = await self._targets()
        except (NoServer, LookupFailed, CertificateError) as error:
            self._tell(f"{error}")
            return False
        for target in targets[:TARGETS]:
            if await self._try(target):
                return True
        self._tell("no target is left")
        return False

    async def _targets(self) -> Sequence[Target]:
        if self._policy.servers:
            return override(self._policy.servers)
        return await self._resolver.find(self._remote)

    async def _try(self, target: Target) -> bool:
        kind = "direct TLS" if target.direct_tls else "STARTTLS"
        self._tell(f"→ {target.host}, port {target.port}, {kind}")
        if target.direct_tls and self._policy.encryption == "never":
            self._tell("left out: encryption is never wanted")
            return False
        try:
            addresses = await self._resolver.addresses(target.host)
            tlsa = () if self._policy.encryption == "never" else await self._resolver.tlsa(target)
        except (NoServer, LookupFailed) as error:
            self._tell(str(error))
            return False
        for address in addresses:
            attempt = self._attempt(target, tlsa)
            connection = await self._connect(address, target.port, attempt, dane.decides(tlsa))
            if connection is not None:
                return await self._negotiate(connection, attempt)
        return False

    def _attempt(self, target: Target, tlsa: Sequence[Tlsa]) -> Attempt:
        contexts, host = self._contexts, target.host if target.secure else ""
        return Attempt(
            lambda: contexts.client(self._local, self._remote, direct=target.direct_tls),
            lambda transport: self._judge(transport, host, tlsa),
            self._tell,
            direct_tls=target.direct_tls,
        )

    async def _connect(self, address: str, port: int, attempt: Attempt, named: bool) -> Connection | None:
        endpoint = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
        factory = Factory.forProtocol(lambda: Connection(self._stream(named), attempt, self._reactor))
        factory.noisy = False
        try:
            made = await endpoint(self._reactor, address, port, ADDRESS_TIMEOUT).connect(factory)
        except ConnectError as error:
            self._tell(f"{address}: {error}")
            return None
        self._tell(f"{address}: connected")
        assert isinstance(made, Connection)
        return made

    async def _negotiate(self, connection: Connection, attempt: Attempt) -> bool:
        stream = connection.stream
        assert isinstance(stream, ToldStream)
        try:
            reached = await attempt.done.addTimeout(NEGOTIATION_TIMEOUT, self._reactor, _too_late)
            connection.close()
        except TimeoutError:
            self._tell(f"given up after {NEGOTIATION_TIMEOUT:.0f} s")
            connection.abort()
            reached = False
        if not reached and stream.has_dialback and self._config.dialback_secret is None:
            self._tell(
                "dialback from a probe needs a dialback_secret in the configuration, and a running bridge"
            )
        return reached

    def _stream(self, named: bool) -> ToldStream:
        """`named`: the DNS says which certificate the server must have."""
        return ToldStream(
            self._local,
            self._remote,
            self._keys,
            self._ours.__contains__,
            Limits(stanza_bytes=self._config.limits.stanza_bytes),
            encryption=self._policy.encryption,
            certificate_required=self._policy.authentication == "certificate" or named,
            external=self._contexts.has(self._local),
            bidirectional=False,
        )

    async def _judge(self, transport: Any, host: str, tlsa: Sequence[Tlsa]) -> str:
        shown = peer(transport)
        usages = shown.usages
        if shown.expires is not None:
            purposes = "any purpose" if usages is None else " and ".join(usages)
            self._tell(
                f"certificate: {', '.join(shown.names())} ({purposes}), until {shown.expires:%Y-%m-%d}"
            )
        pkix = shown.problem(self._remote)
        self._tell(f"authorities (PKIX): {pkix or 'valid'}")
        by_dns = dane.problem(shown, self._remote, host, tlsa)
        if by_dns is not None:
            self._tell(f"DNS (DANE): {by_dns or 'valid'}")
        posh = Posh(self._reactor, self._resolver, lambda: self._contexts.authorities)
        verifier = Verifier(posh if self._config.posh else None)
        problem = await verifier.problem(shown, self._remote, tlsa, host)
        if pkix and by_dns is None and self._config.posh:
            self._tell(f"web server (POSH): {problem or 'valid'}")
        if problem and by_dns is None and self._policy.authentication == "dialback":
            self._tell("goes on without a valid certificate, as the policy allows")
        return problem


def told(ask: Ask, tell: Tell) -> Ask:
    """Have each question and its answer told, once."""
    questions: set[tuple[str, int]] = set()

    def asked(name: str, type: int) -> Deferred[Answer]:
        answer = ask(name, type)
        if (name, type) not in questions:
            questions.add((name, type))
            answer.addCallback(answered, name, type)
        return answer

    def answered(answer: Answer, name: str, type: int) -> Answer:
        records = "no answer, or not a credible one" if answer.failed else "no such record"
        if answer.records:
            records = "; ".join(_record(record, type) for record in answer.records)
        kind = "TLSA" if type == TLSA else dns.QUERY_TYPES.get(type, str(type))
        tell(f"DNS: {name} {kind}: {records}{' (signed)' if answer.secure else ''}")
        return answer

    return asked


def _record(record: Any, type: int) -> str:
    if type == dns.SRV:
        host = record.target.name.decode("latin-1")
        return f"{record.priority} {record.weight} {record.port} {host or '.'}"
    if type == TLSA:
        usage, selector, matching = record.data[:3] if len(record.data) > 3 else (0, 0, 0)
        return f"{usage} {selector} {matching} {record.data[3:].hex()}"
    return str(record.dottedQuad() if type == dns.A else record._address)


def _policy_text(policy: PeerPolicy) -> str:
    if policy.refused:
        return "policy: the configuration does not allow this server"
    where = f", servers {', '.join(policy.servers)}" if policy.servers else ""
    return f"policy: authentication {policy.authentication}, encryption {policy.encryption}{where}"


def _too_late(result: object, timeout: float) -> Any:
    raise TimeoutError
