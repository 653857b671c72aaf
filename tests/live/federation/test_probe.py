"""`xmppbridge probe` and `check --live` tell how the bridge reaches real servers, and how they reach it."""

import asyncio
import sys

import pytest

from tests.live.federation.conftest import BuildStage
from tests.live.federation.stage import A, B, Federation, FederationStage
from tests.live.peers.daemon import free_port
from tests.live.peers.gateway import ROOT


async def run(stage: FederationStage, *arguments: str) -> tuple[int | None, str]:
    """Run a command with the bridge's configuration; returns its exit code and what it printed."""
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge.cli", *arguments, "--config", str(stage.bridge.config)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await command.communicate()
    return command.returncode, output.decode()


@pytest.mark.parametrize("domain", [A, B, f"direct.{A}", f"direct.{B}", f"strict.{A}", f"strict.{B}"])
async def test_server_that_trusts_our_certificate_is_reached(federated: FederationStage, domain: str):
    """By STARTTLS or direct TLS, whatever DNS says."""
    code, steps = await run(federated, "probe", domain)
    assert code == 0, steps
    assert ("direct TLS" in steps) is domain.startswith("direct.")
    assert "authorities (PKIX): valid" in steps and "EXTERNAL: our certificate is accepted" in steps
    assert f"can be sent: {federated.domain} → {domain}" in steps


@pytest.mark.parametrize(
    ("domain", "problem"), [(f"expired.{A}", "expired"), (f"misnamed.{A}", f"issued for other.{A}")]
)
async def test_what_is_wrong_with_a_certificate_is_told(
    federated: FederationStage, domain: str, problem: str
):
    """And that the policy goes on with dialback."""
    _, steps = await run(federated, "probe", domain)
    assert f"authorities (PKIX): {problem}" in steps
    assert "goes on without a valid certificate, as the policy allows" in steps


async def test_dialback_of_a_probe_is_confirmed_by_the_running_bridge(
    federation: Federation, build: BuildStage
):
    """They make keys of the same secret, if the configuration has one; nothing else proves who we are."""
    untrusted = federation.house.authority.issue("untrusted", "untrusted.test", self_signed=True)
    stage = build(untrusted, {"federation": {"dialback_secret": "hush"}})
    for domain in (A, B):
        code, steps = await run(stage, "probe", domain)
        assert code == 0 and "dialback: asked for" in steps, steps


async def test_domain_without_a_server_is_not_reached(federated: FederationStage):
    """With what DNS said."""
    code, steps = await run(federated, "probe", "nowhere.test")
    assert code == 1 and "DNS: nowhere.test A: no such record" in steps


async def test_running_bridge_is_found_by_the_records_that_are_published(federated: FederationStage):
    """Each of its domains, at the port that it listens on, with a certificate that names it and is shown there."""
    code, findings = await run(federated, "check", "--live")
    port = federated.bridge.server_port
    for domain in (federated.domain, *federated.bridge.components):
        found = f"_xmpp-server._tcp.{domain}: localhost:{port} (127.0.0.1), shows our certificate"
        assert f"ok      {found}" in findings
        assert f"ok      {domain}: " in findings
    assert code == 0, findings


async def test_what_else_is_behind_a_published_port_is_told(build: BuildStage, federation: Federation):
    """Another server, nobody, direct TLS as well, and a certificate that the bridge has not read again."""
    issue, domain = federation.house.authority.issue, f"seen{federation.house.number()}.test"
    gateway, echo, other = (f"{name}.{domain}" for name in ("irc", "echo", "other"))
    own = issue(domain, domain, f"*.{domain}")
    stage = build(own, domain=domain)
    nameserver, port = federation.nameserver, stage.bridge.server_port
    nameserver.serves(gateway, port, direct=stage.bridge.direct_port)
    nameserver.serves(echo, federation.prosody.server_port)
    nameserver.serves(other, closed := free_port())
    _, findings = await run(stage, "check", "--live")
    for service, found in (("_xmpp-server", port), ("_xmpps-server", stage.bridge.direct_port)):
        assert f"ok      {service}._tcp.{gateway}: localhost:{found} (127.0.0.1), shows our" in findings
    assert f"warning _xmpp-server._tcp.{echo}: localhost:{federation.prosody.server_port}" in findings
    assert "host-unknown" in findings and "is it forwarded?" in findings
    assert f"localhost:{closed} (127.0.0.1): the server refuses connections" in findings
    nameserver.serves(echo, port)
    issue(domain, domain, f"*.{domain}")
    _, findings = await run(stage, "check", "--live")
    assert f"{echo}: localhost:{port} (127.0.0.1) shows another certificate than ours" in findings
    await stage.bridge.reload()
    _, findings = await run(stage, "check", "--live")
    assert "shows another certificate" not in findings
