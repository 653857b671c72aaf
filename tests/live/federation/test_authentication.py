"""How servers prove to each other who they are: certificates, dialback, both, and neither."""

import asyncio
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.live.cast.stanzas import Pattern
from tests.live.federation.conftest import BuildStage
from tests.live.federation.stage import BAD, GOOD, A, B, Federation, FederationStage

PING = "<ping xmlns='urn:xmpp:ping'/>"
STRICT = {"federation": {"authentication": "certificate"}}


async def talk(stage: FederationStage, domain: str) -> None:
    """See that a user of `domain` and a component of the bridge reach each other."""
    person = await stage.at(domain)
    await person.result(stage.domain, PING)
    component = await stage.component()
    try:
        component.say(person.jid, "hello", type="chat")
        await person.mailbox.find(Pattern("message", type="chat", body="hello"))
    finally:
        await component.log_out()


async def refused(stage: FederationStage, domain: str) -> None:
    """See that they do not: each gets an error, whose text shows nothing of ours."""
    person = await stage.at(domain)
    assert (await person.iq(stage.domain, PING)).get("type") == "error"
    component = await stage.component()
    try:
        component.say(person.jid, "hello", type="chat")
        answer = await component.mailbox.find(Pattern("message", type="error", frm=person.jid))
        assert answer.find("error") is not None
        assert not [one for one in person.mailbox.waiting if one.get("type") != "error"]
    finally:
        await component.log_out()


async def delivers(stage: FederationStage, domain: str) -> str | None:
    """Return the type of what becomes of a component's message: "chat" as it arrives, or "error" as it returns."""
    person, component = await stage.at(domain), await stage.component()
    component.say(person.jid, "hello", type="chat", ident=f"m{stage.number}")
    wanted = Pattern("message", id=f"m{stage.number}")
    waits = [asyncio.ensure_future(talker.mailbox.find(wanted)) for talker in (component, person)]
    done, others = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()
    return done.pop().result().get("type")


@pytest.mark.parametrize("domain", [A, B, f"strict.{A}", f"strict.{B}"])
async def test_valid_certificates_both_ways_suffice(federated: FederationStage, domain: str):
    """SASL EXTERNAL; the strict domains know no dialback at all (XEP-0178)."""
    await talk(federated, domain)


@pytest.mark.parametrize("domain", [f"self-signed.{A}", f"self-signed.{B}", f"expired.{A}"])
async def test_invalid_certificate_is_made_good_by_dialback(federated: FederationStage, domain: str):
    """XEP-0220: TLS is used though it proves nothing, the authoritative server decides."""
    await talk(federated, domain)


async def test_bridge_with_self_signed_certificate_uses_dialback(build: BuildStage, federation: Federation):
    """Servers that take dialback take the bridge; those that do not answer their users with an error."""
    certificate = federation.house.authority.issue("dialback", "gw.test", self_signed=True)
    stage = build(certificate)
    for domain in (A, B):
        await talk(stage, domain)
    for domain in (f"strict.{A}", f"strict.{B}"):
        await refused(stage, domain)


async def test_bridge_with_address_in_its_certificate_talks_to_ejabberd(
    build: BuildStage, federation: Federation
):
    """ejabberd drops the connection when it is shown an XmppAddr; dialback on a new one goes through."""
    certificate = federation.house.authority.issue("address", "gw.test", addresses=["gw.test"])
    stage = build(certificate)
    await talk(stage, B)
    await talk(stage, A)


async def test_bridge_without_tls_talks_in_the_clear(build: BuildStage):
    """Where the configuration says so, to servers that allow it; the others refuse."""
    stage = build(tables={"federation": {"encryption": "never"}})
    for domain in (f"clear.{A}", f"clear.{B}"):
        await talk(stage, domain)
    await refused(stage, A)


async def test_direct_tls_both_ways_without_starttls(build: BuildStage, federation: Federation):
    """XEP-0368: the only record of each side is _xmpps-server; the bridge's port is that of STARTTLS."""
    stage = build()
    federation.publish(stage.bridge, direct=stage.bridge.server_port)
    for domain in (f"direct.{A}", f"direct.{B}"):
        await talk(stage, domain)


@pytest.fixture(scope="module")
def strict_bridge(federation: Federation):
    """A bridge that accepts certificates only."""
    bridge = federation.start_bridge(tables=STRICT)
    yield bridge
    bridge.daemon.close()


@pytest.fixture
def strict(federation, strict_bridge, loop):
    """A stage around it."""
    stage = FederationStage(federation, strict_bridge)
    yield stage
    loop.run_until_complete(stage.close())


@pytest.mark.parametrize("kind", BAD)
async def test_bad_certificate_where_one_is_required_is_refused(strict: FederationStage, kind: str):
    """Self-signed, expired, not yet valid, for another name, for another purpose."""
    await refused(strict, f"{kind}.{A}")


@pytest.mark.parametrize("kind", GOOD)
async def test_good_certificate_of_any_kind_is_accepted(strict: FederationStage, kind: str):
    """SRVName, XmppAddr, an intermediate authority, without clientAuth, a wildcard."""
    await talk(strict, f"{kind}.{A}")


@pytest.mark.parametrize("domain", [B, f"strict.{B}"])
async def test_strict_bridge_and_ejabberd_talk(strict: FederationStage, domain: str):
    """Certificates decide on both sides."""
    await talk(strict, domain)


async def test_ejabberd_with_self_signed_certificate_is_refused(strict: FederationStage):
    """It would like to use dialback, which is not offered."""
    await refused(strict, f"self-signed.{B}")


async def test_exception_for_one_peer_leaves_the_rule_for_others(build: BuildStage):
    """[federation.peers] lets one domain use dialback; its neighbour still may not."""
    one = f"self-signed.{A}"
    stage = build(tables={**STRICT, f'federation.peers."{one}"': {"authentication": "dialback"}})
    await talk(stage, one)
    await refused(stage, f"expired.{A}")


async def test_signed_tlsa_record_vouches_for_a_self_signed_certificate(
    build: BuildStage, federation: Federation
):
    """DANE (RFC 7673): the key is in DNS, and the resolver says that the answer is signed."""
    domain = f"dane.{A}"
    assert await delivers(build(tables=STRICT), domain) == "error"
    found = x509.load_pem_x509_certificate(federation.certificates[domain].certificate.read_bytes())
    key = found.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    name = f"_{federation.prosody.server_port}._tcp.localhost"
    federation.nameserver.publish(name, "TLSA", f"3 1 1 {hashlib.sha256(key).hexdigest()}")
    federation.nameserver.is_authentic = True
    try:
        assert await delivers(build(tables=STRICT), domain) == "chat"
    finally:
        federation.nameserver.is_authentic = False
        federation.nameserver.withdraw(name, "TLSA")
