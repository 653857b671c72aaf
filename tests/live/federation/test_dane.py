"""Servers known by their key in signed DNS (RFC 7673), looked up at a real validating resolver."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bridge.federation.dane import MISMATCH
from tests.live.cast.stanzas import Pattern
from tests.live.federation.conftest import BuildStage
from tests.live.federation.stage import Federation, FederationStage, Tables
from tests.live.federation.test_finding import fails
from tests.live.federation.test_probe import run
from tests.live.peers.certificates import Certificate
from tests.live.peers.daemon import HOST
from tests.live.peers.federated import Host
from tests.live.peers.gateway import FederatedBridge
from tests.live.peers.unbound import Unbound

NAMED, ALIEN, TORN, UNSIGNED = (
    "named.signed.test",
    "alien.signed.test",
    "torn.signed.test",
    "named.unsigned.test",
)
"""Servers with certificates of their own making; the DNS has their key, another, another that was
forged into theirs, theirs without signatures."""
VALID, REPLACED = "valid.signed.test", "replaced.signed.test"
"""Servers with certificates of an authority; the DNS has no key for the one, and another for the other."""
OTHER, BEFORE = "00" * 32, "11" * 32
"""Digests of no key."""
UNPROVEN = "a valid certificate is required"
"""What the log says of a server that did not prove who it is."""
PING = "<ping xmlns='urn:xmpp:ping'/>"


def digest(certificate: Certificate) -> str:
    """Return the SHA-256 of a certificate's key, as it stands in a TLSA record "3 1 1"."""
    own = x509.load_pem_x509_certificate(certificate.certificate.read_bytes())
    key = own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).hexdigest()


def records(zone: str, port: int, keys: Mapping[str, str]) -> str:
    """Write the records of the servers in a zone, all at one port; `keys` are digests by domain, "" for none."""
    written = ""
    for domain, key in keys.items():
        name = domain.removesuffix(f".{zone}")
        written += f"_xmpp-server._tcp.{name} IN SRV 0 5 {port} at-{name}\nat-{name} IN A {HOST}\n"
        written += f"_{port}._tcp.at-{name} IN TLSA 3 1 1 {key}\n" if key else ""
    return written


@pytest.fixture(scope="module")
def resolver(federation: Federation) -> Iterator[Unbound]:
    """An unbound that knows where a Prosody is, which is started for that."""
    issue = federation.house.authority.issue
    own = {domain: issue(domain, domain, self_signed=True) for domain in (NAMED, ALIEN, TORN, UNSIGNED)}
    issued = {domain: issue(domain, domain) for domain in (VALID, REPLACED)}
    port = federation.start_prosody(*(Host(*host) for host in (own | issued).items())).server_port
    signed = {NAMED: digest(own[NAMED]), ALIEN: OTHER, TORN: BEFORE, VALID: "", REPLACED: OTHER}
    unsigned = {UNSIGNED: digest(own[UNSIGNED])}
    unbound = Unbound(
        federation.house.make_folder("dane"),
        {"signed.test": records("signed.test", port, signed)},
        {"unsigned.test": records("unsigned.test", port, unsigned)},
        {BEFORE: digest(own[TORN])},
    )
    unbound.start()
    yield unbound
    unbound.close()


def tables(resolver: Unbound, authentication: str = "certificate", **options: object) -> Tables:
    """Have a bridge ask the resolver."""
    nameservers = [f"{HOST}:{resolver.port}"]
    return {"federation": {"authentication": authentication, "nameservers": nameservers, **options}}


@pytest.fixture(scope="module")
def bridge(federation: Federation, resolver: Unbound) -> Iterator[FederatedBridge]:
    """A bridge that asks the resolver, and requires certificates."""
    made = federation.start_bridge(tables=tables(resolver))
    yield made
    made.daemon.close()


@pytest.fixture
def strict(
    federation: Federation, bridge: FederatedBridge, loop: asyncio.AbstractEventLoop
) -> Iterator[FederationStage]:
    """A stage around it."""
    made = FederationStage(federation, bridge)
    yield made
    loop.run_until_complete(made.close())


async def talk(stage: FederationStage, domain: str) -> None:
    """See that a component's message gets to a user of `domain`, and the answer back."""
    person, component = await stage.at(domain), await stage.component(1)
    component.say(person.jid, "hello", type="chat")
    await person.mailbox.find(Pattern("message", type="chat", body="hello"))
    person.say(component.jid, "hello yourself", type="chat")
    await component.mailbox.find(Pattern("message", type="chat", body="hello yourself"))


async def refused(stage: FederationStage, domain: str, why: str = UNPROVEN) -> None:
    """See that a component's message to `domain` comes back, and that the log says why."""
    assert await fails(stage, domain) == "remote-server-timeout"
    lines = [line for line in stage.bridge.daemon.output().splitlines() if f"→ {domain}:" in line]
    assert any(why in line for line in lines), lines


@pytest.mark.spec("RFC 7673 §4.2")
async def test_key_in_signed_dns_vouches_for_a_self_signed_certificate(strict: FederationStage):
    """No authority has to; the answer comes back on the same stream."""
    await talk(strict, NAMED)


@pytest.mark.spec("RFC 6698 §4.1")
@pytest.mark.parametrize("domain", [ALIEN, REPLACED])
async def test_other_key_in_signed_dns_refuses_the_server(strict: FederationStage, domain: str):
    """Even if an authority vouches for its certificate: nothing is sent to it."""
    await refused(strict, domain)


@pytest.mark.spec("RFC 7673 §3.4")
async def test_forged_key_forbids_the_server(strict: FederationStage):
    """The record has the server's key, but the domain did not write it: the server is not connected to."""
    await refused(strict, TORN, "the DNS did not answer")


@pytest.mark.spec("RFC 7673 §3.1")
async def test_key_in_unsigned_dns_vouches_for_nothing(strict: FederationStage):
    """Anybody could have written it."""
    await refused(strict, UNSIGNED)


@pytest.mark.spec("RFC 7673 §4.1")
async def test_signed_dns_without_key_leaves_it_to_the_authorities(strict: FederationStage):
    """A signed zone alone asks for nothing more."""
    await talk(strict, VALID)


async def test_resolver_that_is_not_believed_vouches_for_nothing(build: BuildStage, resolver: Unbound):
    """dnssec = false: neither does a key count for a server, nor another against it."""
    stage = build(tables=tables(resolver, dnssec=False))
    await refused(stage, NAMED)
    await talk(stage, REPLACED)


@pytest.mark.spec("RFC 6698 §4.1")
async def test_dialback_does_not_make_up_for_another_key(build: BuildStage, resolver: Unbound):
    """Where it may stand in for authorities, it may not for a domain's own word, whoever begins."""
    stage = build(tables=tables(resolver, authentication="dialback"))
    await refused(stage, ALIEN)
    assert (await (await stage.at(ALIEN)).iq(stage.domain, PING)).get("type") == "error"
    await talk(stage, UNSIGNED)


@pytest.mark.parametrize(("domain", "verdict"), [(NAMED, "valid"), (REPLACED, MISMATCH)])
async def test_probe_tells_what_signed_dns_says(strict: FederationStage, domain: str, verdict: str):
    """With what the authorities say beside it."""
    code, steps = await run(strict, "probe", domain)
    assert f"DNS (DANE): {verdict}" in steps and "TLSA: 3 1 1" in steps
    assert f"authorities (PKIX): {'self-signed' if domain == NAMED else 'valid'}" in steps
    assert (code == 0) is (domain == NAMED), steps
