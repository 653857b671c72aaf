"""SIP over secure WebSocket: other domains, found by the DNS and known by their certificates."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterator

import pytest
from aiohttp import web

from tests.live.cast.sip import TIMEOUT, SipMessage, answer, read
from tests.live.cast.xmpp import condition
from tests.live.peers.certificates import Certificate
from tests.live.peers.dns import Nameserver
from tests.live.sip.stage import STRANGER, SipStage
from tests.live.stage import House


class SecureServer:
    """A SIP server by wss, made of aiohttp; it knows its certificate's name and where it was asked for."""

    def __init__(self, certificate: Certificate) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.certificate, certificate.key)
        self._sockets: list[web.WebSocketResponse] = []
        self.heard: asyncio.Queue[tuple[str, SipMessage, web.WebSocketResponse]] = asyncio.Queue()

    async def start(self) -> None:
        """Listen on a free port of the stranger's."""
        application = web.Application()
        application.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, STRANGER, 0, ssl_context=self._context)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("sip",))
        await socket.prepare(request)
        self._sockets.append(socket)
        async for message in socket:
            heard = read(message.data.encode())
            self.heard.put_nowait((f"{request.host}{request.path}", heard, socket))
            if not heard.status:
                await socket.send_str(answer(heard, "200 OK").decode())
        return socket

    async def next(self) -> tuple[str, SipMessage, web.WebSocketResponse]:
        """Return where the next message was sent to, itself, and by what to answer it."""
        return await asyncio.wait_for(self.heard.get(), TIMEOUT)

    async def close(self) -> None:
        """End it."""
        for socket in self._sockets:
            await socket.close()
        await self._runner.cleanup()


@pytest.fixture
def secure_server(
    request: pytest.FixtureRequest, house: House, loop: asyncio.AbstractEventLoop
) -> Iterator[SecureServer]:
    """A server whose certificate is of the domain that the test's parameter says."""
    made = SecureServer(house.authority.issue(f"wss-{house.number()}", request.param))
    loop.run_until_complete(made.start())
    yield made
    loop.run_until_complete(made.close())


@pytest.mark.parametrize("secure_server", ["web.far.test"], indirect=True)
async def test_domain_that_names_its_websocket_in_the_dns_is_reached_and_heard(
    sip_stage: SipStage, sip_names: Nameserver, secure_server: SecureServer
):
    """NAPTR, SRV and certificate (RFC 7118 §5.5); what it says by that connection is its own."""
    romeo, domain = await sip_stage.on_xmpp("romeo"), "web.far.test"
    sip_names.publish(domain, "NAPTR", f"10 10 s SIPS+D2W _sips._ws.{domain}")
    sip_names.publish(f"_sips._ws.{domain}", "SRV", f"0 5 {secure_server.port} host.{domain}")
    sip_names.publish(f"host.{domain}", "A", STRANGER)
    romeo.say(sip_stage.jid("eve", domain), "whisper", type="chat")
    place, asked, socket = await secure_server.next()
    assert place == f"{domain}:{secure_server.port}/" and asked.body == "whisper"
    assert re.fullmatch(r"SIP/2\.0/WSS [0-9a-f]+\.invalid;.*", asked.fields["via"])
    lines = [
        f"MESSAGE {sip_stage.uri(romeo)} SIP/2.0",
        "Via: SIP/2.0/WSS x.invalid;branch=z9hG4bKback",
        f"From: <sip:eve@{domain}>;tag=1",
        f"To: <{sip_stage.uri(romeo)}>",
        "Call-ID: back",
        "CSeq: 1 MESSAGE",
        "Content-Type: text/plain",
    ]
    await socket.send_bytes("\r\n".join([*lines, "", "schön"]).encode())
    assert (await secure_server.next())[1].status == 202
    assert (await romeo.message(frm=sip_stage.jid("eve", domain))).findtext("body") == "schön"


@pytest.mark.parametrize("secure_server", ["else.far.test"], indirect=True)
async def test_websocket_whose_certificate_is_of_another_domain_is_told_nothing(
    sip_stage: SipStage, sip_names: Nameserver, secure_server: SecureServer
):
    """The sender is told."""
    romeo, domain = await sip_stage.on_xmpp("romeo"), "mine.far.test"
    sip_names.publish(domain, "NAPTR", f"10 10 s SIPS+D2W _sips._ws.{domain}")
    sip_names.publish(f"_sips._ws.{domain}", "SRV", f"0 5 {secure_server.port} host.{domain}")
    sip_names.publish(f"host.{domain}", "A", STRANGER)
    romeo.say(sip_stage.jid("eve", domain), "whisper", type="chat")
    refused = await romeo.message(frm=sip_stage.jid("eve", domain), type="error")
    assert condition(refused) == "item-not-found" and secure_server.heard.empty()
