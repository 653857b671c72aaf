"""Loss, TLS, other domains, and what the operator is told of a trunk."""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
from pathlib import Path

from tests.live.cast.sip import SipMessage, answer, read
from tests.live.peers.daemon import HOST
from tests.live.peers.dns import Nameserver
from tests.live.peers.gateway import ROOT
from tests.live.peers.kamailio import PASSWORD
from tests.live.peers.sipp import send_messages
from tests.live.sip.stage import STRANGER, SipStage

DOMAIN = "far.test"
COUNT = 40


async def test_messages_of_a_lossy_network_arrive_once_each(sip_stage: SipStage, tmp_path: Path):
    """Each is answered in the end, and none is heard twice."""
    romeo = await sip_stage.on_xmpp("romeo")
    await send_messages(tmp_path, sip_stage.port, sip_stage.uri(romeo), COUNT, rate=60, lost=5)
    heard = [await romeo.message(frm=sip_stage.jid("sipp")) for _ in range(COUNT)]
    assert {one.findtext("body") for one in heard} == {f"message {n}" for n in range(1, COUNT + 1)}
    await romeo.nothing_more(sip_stage.bridge.domain)


async def test_message_is_sent_again_until_it_is_answered(sip_stage: SipStage):
    """The first datagram is lost."""
    romeo, eve = await sip_stage.on_xmpp("romeo"), await sip_stage.stranger()
    seen: list[str] = []

    def lose_the_first(request: SipMessage) -> str | None:
        seen.append(request.fields["cseq"])
        return "200 OK" if len(seen) > 1 else None

    eve.status_of = lose_the_first
    romeo.say(sip_stage.jid("eve", eve.domain), "once", type="chat")
    await eve.hears("once")
    assert len(seen) == 2


async def read_one(reader: asyncio.StreamReader) -> SipMessage:
    """Take a message out of a stream."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 15)
    length = re.search(rb"\r\nContent-Length: (\d+)", head)
    assert length is not None
    return read(head + await reader.readexactly(int(length[1])))


async def test_another_domain_is_reached_and_heard_over_tls(
    sip_stage: SipStage, sip_names: Nameserver, sip_tls_port: int
):
    """Found by its SRV records, known by its certificate; our own is checked by the other side."""
    romeo = await sip_stage.on_xmpp("romeo")
    heard: asyncio.Queue[SipMessage] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            request = await read_one(reader)
            heard.put_nowait(request)
            writer.write(answer(request, "200 OK"))

    authority = sip_stage.house.authority
    issued = authority.issue("far", DOMAIN)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    server = await asyncio.start_server(serve, STRANGER, 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    sip_names.publish(f"_sips._tcp.{DOMAIN}", "SRV", f"0 5 {port} host.{DOMAIN}")
    sip_names.publish(f"host.{DOMAIN}", "A", STRANGER)
    romeo.say(sip_stage.jid("eve", DOMAIN), "whisper", type="chat")
    request = await asyncio.wait_for(heard.get(), 15)
    assert request.body == "whisper" and request.start == f"MESSAGE sip:eve@{DOMAIN} SIP/2.0"

    trusting = ssl.create_default_context(cafile=str(authority.root))
    reader, writer = await asyncio.open_connection(
        HOST, sip_tls_port, ssl=trusting, server_hostname=sip_stage.domain, local_addr=(STRANGER, 0)
    )
    lines = [
        f"MESSAGE {sip_stage.uri(romeo)} SIP/2.0",
        f"Via: SIP/2.0/TLS {STRANGER}:{port};branch=z9hG4bKtls{port}",
        f"From: <sip:eve@{DOMAIN}>;tag=1",
        f"To: <{sip_stage.uri(romeo)}>",
        f"Call-ID: {port}",
        "CSeq: 1 MESSAGE",
        "Content-Type: text/plain",
        "Content-Length: 4",
    ]
    writer.write(b"\r\n\r\n" + "\r\n".join([*lines, "", "back"]).encode())
    assert await asyncio.wait_for(reader.readexactly(2), 15) == b"\r\n"
    assert (await read_one(reader)).status == 202
    assert (await romeo.message(frm=sip_stage.jid("eve", DOMAIN))).findtext("body") == "back"
    writer.close()
    server.close()


async def check(config: Path) -> tuple[int | None, str]:
    """Run the operator's check."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge.cli", "check", "--live", "--config", str(config)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_check_tells_which_trunk_answers_and_takes_the_password(sip_stage: SipStage, tmp_path: Path):
    """Beside the gateway that runs, whose registration stays."""
    good = sip_stage.bridge.config
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(good.read_text().replace(f'"{PASSWORD}"', '"wrong"'))
    (_, told), (code, refused) = await asyncio.gather(check(good), check(wrong))
    assert re.search(r"trunk desk .*answers OPTIONS with 200 over UDP in \d+ ms, takes the password", told), (
        told
    )
    assert re.search(r"trunk pbx .*answers OPTIONS with 200", told), told
    assert code and "401" in refused, refused
    owner, bob = await sip_stage.on_xmpp("owner", is_owner=True), await sip_stage.phone()
    assert await bob.say("sip:4711@pbx.test", "still there") == 202
    assert (await owner.message(frm=sip_stage.jid(bob.user))).findtext("body") == "still there"
