"""Calls between XMPP users and sipp, by Kamailio and past it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.peers.sipp_calls import (
    LEARN,
    ask,
    ask_back,
    cancel,
    confirm,
    give_up,
    invite,
    receive,
    respond,
    says,
    sdp,
    sipp,
)
from tests.live.sip.stage import STRANGER, SipStage, with_trunk

KEY = "Content-Type: application/dtmf-relay\nContent-Length: [len]\n\nSignal=5\nDuration=160\n"
TRYING = receive("100", is_optional=True)


def called(*ringing: str) -> tuple[str, ...]:
    """Begin a scenario of one who is called, rings and answers."""
    return (
        receive("INVITE", LEARN),
        *(ringing or (respond("180 Ringing"),)),
        respond("200 OK", body=sdp(), is_resent=True),
        receive("ACK"),
    )


async def test_phone_calls_holds_resumes_presses_a_key_and_hangs_up(sip_stage: SipStage, tmp_path: Path):
    """The user is told each, and nothing of what is the telephone's alone."""
    romeo = await sip_stage.caller("romeo")
    uri = sip_stage.uri(romeo)
    steps = (
        *(invite(uri), TRYING, receive("180", is_optional=True), receive("200", says("m=audio"))),
        ask("ACK", 1, uri),
        *(ask("INVITE", 2, uri, body=sdp("sendonly", 2)), TRYING, receive("200", says("a=recvonly"))),
        ask("ACK", 2, uri),
        *(ask("INFO", 3, uri, body=KEY), receive("200")),
        *(ask("INVITE", 4, uri, body=sdp("sendrecv", 3)), TRYING, receive("200", says("a=sendrecv"))),
        ask("ACK", 4, uri),
        *(ask("BYE", 5, uri), receive("200")),
    )
    async with sipp(tmp_path, sip_stage.port, *steps) as phone:
        call = await romeo.is_called()
        call.answer()
        for told in ("info hold", "info dtmf", "info active", "session-terminate success"):
            await call.sees(told)
        await phone.done()


async def test_phone_that_wants_its_ringing_acknowledged_is_hung_up_on(sip_stage: SipStage, tmp_path: Path):
    """PRACK (RFC 3262), and BYE from XMPP."""
    romeo = await sip_stage.caller("romeo")
    uri = sip_stage.uri(romeo)
    rseq = '<ereg regexp="[0-9]+" search_in="hdr" header="RSeq:" check_it="true" assign_to="seen"/>'
    steps = (
        *(invite(uri, "Require: 100rel"), TRYING, receive("180", rseq)),
        *(ask("PRACK", 2, uri, "RAck: [$seen] 1 INVITE"), receive("200"), receive("200")),
        *(ask("ACK", 1, uri), receive("BYE"), confirm()),
    )
    async with sipp(tmp_path, sip_stage.port, *steps) as phone:
        call = await romeo.is_called()
        call.answer()
        await call.connected()
        await call.hang_up()
        await phone.done()


async def test_phone_gives_up(sip_stage: SipStage, tmp_path: Path):
    """CANCEL: the user's devices stop to ring."""
    romeo = await sip_stage.caller("romeo")
    uri = sip_stage.uri(romeo)
    steps = (
        *(invite(uri), TRYING, receive("180"), cancel(uri)),
        *(receive("200"), receive("487"), give_up(uri)),
    )
    async with sipp(tmp_path, sip_stage.port, *steps) as phone:
        call = await romeo.is_called()
        await call.sees("retract cancel")
        await phone.done()


@pytest.mark.parametrize(("reason", "status"), [("busy", "486"), ("decline", "603")])
async def test_user_refuses(sip_stage: SipStage, tmp_path: Path, reason: str, status: str):
    """Each has its status."""
    romeo = await sip_stage.caller("romeo")
    uri = sip_stage.uri(romeo)
    steps = (invite(uri), TRYING, receive("180", is_optional=True), receive(status), give_up(uri))
    async with sipp(tmp_path, sip_stage.port, *steps) as phone:
        (await romeo.is_called()).refuse(reason)
        await phone.done()


async def test_user_calls_holds_and_hangs_up(sip_stage: SipStage, tmp_path: Path):
    """By the proxy, which stays on the way; the phone sees re-INVITEs."""
    romeo = await sip_stage.caller("romeo")
    user, port = await sip_stage.listed("bob")
    steps = (
        *called(),
        *(receive("INVITE", says("a=sendonly")), confirm(sdp("recvonly", 2)), receive("ACK")),
        *(receive("INVITE", says("a=sendrecv")), confirm(sdp("sendrecv", 3)), receive("ACK")),
        *(ask_back("INFO", 1, body=KEY), receive("200")),
        *(receive("BYE"), confirm()),
    )
    async with sipp(tmp_path, sip_stage.port, *steps, port=port) as phone:
        call = romeo.call(sip_stage.jid(user))
        await call.sees("info ringing")
        await call.sees("session-accept")
        await call.hold()
        await call.resume()
        await call.sees("info dtmf")
        await call.hang_up()
        await phone.done()


async def test_phone_hangs_up_on_the_user(sip_stage: SipStage, tmp_path: Path):
    """With the reason that it gives."""
    romeo = await sip_stage.caller("romeo")
    user, port = await sip_stage.listed("bob")
    steps = (*called(), ask_back("BYE", 1, 'Reason: Q.850;cause=16;text="Normal"'), receive("200"))
    async with sipp(tmp_path, sip_stage.port, *steps, port=port) as phone:
        call = romeo.call(sip_stage.jid(user))
        await call.sees("session-terminate success")
        await phone.done()


async def test_phone_is_busy_or_does_not_answer(sip_stage: SipStage, tmp_path: Path):
    """The user is told why; he may give up."""
    romeo = await sip_stage.caller("romeo")
    user, port = await sip_stage.listed("bob")
    refuses = (receive("INVITE"), respond("486 Busy Here"), receive("ACK"))
    async with sipp(tmp_path / "busy", sip_stage.port, *refuses, port=port) as phone:
        call = romeo.call(sip_stage.jid(user))
        await call.sees("session-terminate busy")
        await phone.done()
    rings = (*(receive("INVITE"), respond("180 Ringing"), receive("CANCEL"), respond("200 OK")),)
    async with sipp(tmp_path / "rings", sip_stage.port, *rings, port=port) as phone:
        call = romeo.call(sip_stage.jid(user))
        await call.sees("info ringing")
        call.hang_up("cancel")
        await phone.done()


@pytest.mark.parametrize(("early_media", "told"), [("ringing", "info ringing"), ("answer", "session-accept")])
async def test_announcement_is_ringing_or_the_answer(
    sip_stage: SipStage, tmp_path: Path, early_media: str, told: str
):
    """RFC 3960: as the trunk wants it; nobody has answered yet, and the user gives up."""
    romeo = await sip_stage.caller("romeo")
    number, port = await sip_stage.listed("+1777")
    steps = (
        receive("INVITE"),
        respond("183 Session Progress", body=sdp()),
        receive("CANCEL"),
        respond("200 OK"),
    )
    options = {"users": [sip_stage.xmpp.domain], "numbers": ["+1777*"], "early_media": early_media}
    async with (
        with_trunk(sip_stage, early_media, **options),
        sipp(tmp_path, sip_stage.port, *steps, port=port) as phone,
    ):
        call = romeo.call(f"{number}@{sip_stage.bridge.domain}")
        await call.sees(told)
        call.hang_up("cancel")
        await phone.done()
    assert ("session-accept" in call.seen) is (early_media == "answer")


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        ("603 Decline", "decline"),
        ("480 Temporarily Unavailable", "expired"),
        ("408 Request Timeout", "timeout"),
        ("488 Not Acceptable Here", "incompatible-parameters"),
        ("500 Server Internal Error", "general-error"),
    ],
)
async def test_user_is_told_why_the_phone_refuses(
    sip_stage: SipStage, tmp_path: Path, status: str, ending: str
):
    """Each status has its reason."""
    romeo = await sip_stage.caller("romeo")
    user, port = await sip_stage.listed("bob")
    steps = (receive("INVITE"), respond("180 Ringing"), respond(status), receive("ACK"))
    async with sipp(tmp_path, sip_stage.port, *steps, port=port) as phone:
        call = romeo.call(sip_stage.jid(user))
        await call.sees(f"session-terminate {ending}")
        await phone.done()


async def test_owner_of_an_account_calls_from_it(sip_stage: SipStage, tmp_path: Path):
    """Kamailio asks for the password; From is the account."""
    owner = await sip_stage.caller("owner", is_owner=True)
    user, port = await sip_stage.listed("bob")
    steps = (
        receive("INVITE", LEARN + says("From: .sip:4711@pbx.test")),
        *(respond("180 Ringing"), respond("200 OK", body=sdp(), is_resent=True), receive("ACK")),
        *(receive("BYE"), confirm()),
    )
    async with sipp(tmp_path, sip_stage.port, *steps, port=port) as phone:
        call = owner.call(sip_stage.jid(user))
        await call.sees("session-accept")
        await call.hang_up()
        await phone.done()


async def test_phone_sends_the_user_on(sip_stage: SipStage, tmp_path: Path):
    """REFER: another phone has the call then, and the user's client knows nothing of it."""
    romeo = await sip_stage.caller("romeo")
    (bob, port), (carol, other) = await sip_stage.listed("bob"), await sip_stage.listed("carol")
    refers = (
        *called(),
        *(ask_back("REFER", 1, f"Refer-To: <sip:{carol}@pbx.test>"), receive("202")),
        *(receive("BYE"), confirm()),
    )
    takes = (*called(), receive("BYE"), confirm())
    async with (
        sipp(tmp_path / "bob", sip_stage.port, *refers, port=port) as first,
        sipp(tmp_path / "carol", sip_stage.port, *takes, port=other) as second,
    ):
        call = romeo.call(sip_stage.jid(bob))
        await call.sees("session-accept")
        await first.done()
        assert not call.over
        await call.hang_up()
        await second.done()


async def test_stranger_calls_in_open_federation(sip_stage: SipStage, tmp_path: Path):
    """From an address that is no trunk's, under a name of its own."""
    romeo = await sip_stage.caller("romeo")
    uri = sip_stage.uri(romeo)
    steps = (
        *(invite(uri), TRYING, receive("180", is_optional=True), receive("200", says("m=audio"))),
        *(ask("ACK", 1, uri), receive("BYE"), confirm()),
    )
    async with sipp(tmp_path, sip_stage.port, *steps, host=STRANGER) as phone:
        call = await romeo.is_called()
        assert call.peer.startswith(f"sipp\\40{STRANGER}@")
        call.answer()
        await call.connected()
        await call.hang_up()
        await phone.done()


async def test_session_is_refreshed_and_nothing_is_heard_of_it(sip_stage: SipStage, tmp_path: Path):
    """A telephone that asks for too short an interval is told the least (RFC 4028); then it refreshes itself."""
    romeo = await sip_stage.caller("romeo")
    uri = sip_stage.uri(romeo)
    short = (invite(uri, *timer(30)), TRYING, receive("422", says("Min-SE: 90")), give_up(uri))
    async with sipp(tmp_path / "short", sip_stage.port, *short) as phone:
        await phone.done()
    steps = (
        *(invite(uri, *timer(90)), TRYING, receive("180", is_optional=True)),
        *(receive("200", says("Session-Expires: 90; *refresher=uac")), ask("ACK", 1, uri)),
        *(ask("UPDATE", 2, uri, *timer(90, "uac")), receive("200", says("Session-Expires: 90"))),
        *(ask("INVITE", 3, uri, *timer(90, "uac"), body=sdp()), TRYING),
        *(receive("200", says("Session-Expires: 90")), ask("ACK", 3, uri)),
        *(ask("BYE", 4, uri), receive("200")),
    )
    async with sipp(tmp_path / "long", sip_stage.port, *steps) as phone:
        call = await romeo.is_called()
        call.answer()
        await call.sees("session-terminate success")
        assert [one for one in call.seen if one.startswith(("info", "content", "description"))] == []
        await phone.done()


def timer(seconds: int, refresher: str = "") -> tuple[str, str]:
    """Write the fields of a session's timer."""
    return "Supported: timer", f"Session-Expires: {seconds}" + (
        f";refresher={refresher}" if refresher else ""
    )
