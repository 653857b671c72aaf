"""Servers whose certificates their domains' web servers vouch for (RFC 7711), at the port that is for root."""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from bridge.federation.posh import PATH
from tests.live.federation.stage import Federation, FederationStage
from tests.live.federation.test_authentication import refused, talk
from tests.live.peers.certificates import Certificate
from tests.live.peers.federated import Host

WEB, HOSTING = "127.0.0.43", "127.0.0.44"
"""Addresses of loopback where nobody else has a web server."""
HTTPS = 443


def document(*certificates: Certificate, **more: object) -> bytes:
    """Name certificates, as a fingerprints document does."""
    digests = [b64encode(bytes.fromhex(each.fingerprint())).decode() for each in certificates]
    return json.dumps(
        {"fingerprints": [{"sha-256": each} for each in digests], "expires": 600} | more
    ).encode()


@asynccontextmanager
async def website(address: str, certificate: Certificate, pages: dict[str, bytes]) -> AsyncIterator[None]:
    """Serve pages by HTTPS."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        page = pages.get(request.split()[1])
        status, body = ("404 Not Found", b"") if page is None else ("200 OK", page)
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    # the port is root's, who runs the tests
    async with await asyncio.start_server(serve, address, HTTPS, ssl=context):
        yield


@pytest.fixture(scope="module")
def hosts(federation: Federation) -> Iterator[Iterator[Host]]:
    """Domains of one server, with certificates of their own making."""
    made = [federation.own_host(self_signed=True) for _ in range(4)]
    server = federation.start_prosody(*made)
    for host in made:
        federation.nameserver.publish(host.name, "A", WEB)
    yield iter(made)
    server.daemon.close()


@pytest.fixture(scope="module")
def bridge(federation: Federation):
    """A bridge that accepts valid certificates only, and asks web servers about the others."""
    made = federation.start_bridge(tables={"federation": {"authentication": "certificate", "posh": True}})
    yield made
    made.daemon.close()


@pytest.fixture
def curious(federation: Federation, bridge, loop) -> Iterator[FederationStage]:
    """A stage around it."""
    made = FederationStage(federation, bridge)
    yield made
    loop.run_until_complete(made.close())


def issue(federation: Federation, name: str) -> Certificate:
    """Make a certificate for a web server."""
    return federation.house.authority.issue(f"web-{name}", name)


async def test_certificate_that_the_web_server_names_is_believed(
    curious: FederationStage, federation: Federation, hosts: Iterator[Host]
):
    """Both ways, whoever connects."""
    host = next(hosts)
    page = document(issue(federation, "other.test"), host.certificate)
    async with website(WEB, issue(federation, host.name), {PATH: page}):
        await talk(curious, host.name)


async def test_other_certificate_is_not_believed(
    curious: FederationStage, federation: Federation, hosts: Iterator[Host]
):
    """The document is there, but not for this one."""
    host = next(hosts)
    page = document(issue(federation, "other.test"))
    async with website(WEB, issue(federation, host.name), {PATH: page}):
        await refused(curious, host.name)


async def test_web_server_may_refer_to_another(
    curious: FederationStage, federation: Federation, hosts: Iterator[Host]
):
    """RFC 7711 §3.2: as that of a hosting company."""
    host, hosting = next(hosts), "hosting.posh.test"
    federation.nameserver.publish(hosting, "A", HOSTING)
    reference = json.dumps({"url": f"https://{hosting}/posh.json", "expires": 600}).encode()
    page = document(host.certificate)
    async with (
        website(WEB, issue(federation, host.name), {PATH: reference}),
        website(HOSTING, issue(federation, hosting), {"/posh.json": page}),
    ):
        await talk(curious, host.name)


async def test_web_server_that_is_not_the_domains_vouches_for_nothing(
    curious: FederationStage, federation: Federation, hosts: Iterator[Host]
):
    """Its own certificate names somebody else."""
    host = next(hosts)
    page = document(host.certificate)
    async with website(WEB, issue(federation, "other.test"), {PATH: page}):
        await refused(curious, host.name)
