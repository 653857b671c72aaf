"""What SIGHUP does to a bridge that federates: other certificates, other rules, and streams that go on."""

from __future__ import annotations

import asyncio
import ssl

from tests.live.cast.stanzas import Pattern
from tests.live.federation.conftest import BuildStage
from tests.live.federation.stage import A, Federation, FederationStage
from tests.live.federation.wire import Wire, client_context
from tests.live.peers.certificates import Certificate
from tests.live.peers.daemon import HOST

EVIL = "evil.test"


async def shown(stage: FederationStage, domain: str) -> str:
    """Return the fingerprint of the certificate that a domain shows with direct TLS (SNI)."""
    context = client_context(None)
    _, writer = await asyncio.open_connection(
        HOST, stage.bridge.server_port, ssl=context, server_hostname=domain
    )
    tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
    found = tls.getpeercert(binary_form=True)
    writer.close()
    assert found is not None
    return Certificate.digest(found)


async def hears(stage: FederationStage, peer: Wire, body: str) -> None:
    """See that what a peer says on its stream reaches a component."""
    component = await stage.component()
    peer.write(f"<message from='x@{EVIL}' to='{component.jid}' type='chat'><body>{body}</body></message>")
    await component.mailbox.find(Pattern("message", body=body))
    await component.log_out()


async def test_renewed_certificate_is_shown_and_no_stream_is_dropped(
    build: BuildStage, federation: Federation
):
    """Each domain has its own (SNI); who is connected goes on, who comes sees the new one, a broken one is refused."""
    issue, domain = federation.house.authority.issue, f"renewed{federation.house.number()}.test"
    gateway, component = f"irc.{domain}", f"echo.{domain}"
    common, own = issue(domain, domain, f"*.{domain}"), issue(component, component)
    files = {"certificate": str(own.certificate), "key": str(own.key)}
    stage = build(common, {f'federation.certificates."{component}"': files}, domain=domain)
    before = own.fingerprint()
    assert await shown(stage, gateway) == common.fingerprint()
    assert await shown(stage, component) == before
    peer = await Wire.connect(stage.bridge.server_port)
    await peer.authenticate(EVIL, component, issue(EVIL, EVIL))
    await hears(stage, peer, "before")
    renewed = issue(component, component)
    await stage.bridge.reload()
    assert renewed.fingerprint() != before
    assert await shown(stage, component) == renewed.fingerprint()
    assert await shown(stage, gateway) == common.fingerprint()
    await hears(stage, peer, "after")
    last = renewed.fingerprint()
    renewed.certificate.write_text("no certificate")
    await stage.bridge.reload()
    assert await shown(stage, component) == last
    await hears(stage, peer, "and after that")
    peer.close()


async def test_server_that_is_denied_from_now_on_is_left(build: BuildStage, federation: Federation):
    """Its stream ends with an error, others' go on."""
    stage = build()
    issue, component = federation.house.authority.issue, stage.bridge.components[0]
    peers = [await Wire.connect(stage.bridge.server_port) for _ in range(2)]
    for peer, name in zip(peers, ("spam.test", EVIL), strict=True):
        await peer.authenticate(name, component, issue(name, name))
    config = stage.bridge.config
    config.write_text(config.read_text().replace("[federation]\n", '[federation]\ndeny = ["spam.test"]\n'))
    await stage.bridge.reload()
    assert "policy-violation" in await peers[0].closed()
    await hears(stage, peers[1], "still here")
    alice = await stage.at(A)
    await alice.result(stage.domain, "<ping xmlns='urn:xmpp:ping'/>")
    peers[1].close()
