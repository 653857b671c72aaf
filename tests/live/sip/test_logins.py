"""A trunk without an address of its own, which logs in: a phone, sipp and baresip, from elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.live.cast.sip import Phone, SipMessage, proof_for
from tests.live.conftest import MakeTelephone
from tests.live.peers.branch import Branch
from tests.live.peers.daemon import HOST
from tests.live.peers.sipp import play
from tests.live.sip.stage import BRANCH, BRANCH_PASSWORD, GUESSER, STRANGER, SipStage
from tests.live.stage import House

GUESSES = 10
CALLS = 3
CALL = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="calls that log in">
  <send retrans="500"><![CDATA[
    INVITE {uri} SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    Max-Forwards: 70
    From: "Branch" <sip:+1666[call_number]@old.test>;tag=[call_number]
    To: <{uri}>
    Call-ID: [call_id]
    CSeq: 1 INVITE
    Contact: <sip:+1666@[local_ip]:[local_port]>
    Content-Length: 0

  ]]></send>
  <recv response="100" optional="true"/>
  <recv response="401" auth="true"/>
  <send><![CDATA[
    ACK {uri} SIP/2.0
    [last_Via:]
    Max-Forwards: 70
    [last_From:]
    [last_To:]
    [last_Call-ID:]
    CSeq: 1 ACK
    Content-Length: 0

  ]]></send>
  <send retrans="500"><![CDATA[
    INVITE {uri} SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    Max-Forwards: 70
    From: "Branch" <sip:+1666[call_number]@old.test>;tag=[call_number]
    To: <{uri}>
    Call-ID: [call_id]
    CSeq: 2 INVITE
    Contact: <sip:+1666@[local_ip]:[local_port]>
    [authentication username=old password={password}]
    Content-Length: 0

  ]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="{status}"/>
  <send><![CDATA[
    ACK {uri} SIP/2.0
    [last_Via:]
    Max-Forwards: 70
    [last_From:]
    [last_To:]
    [last_Call-ID:]
    CSeq: 2 ACK
    Content-Length: 0

  ]]></send>
</scenario>
"""


@asynccontextmanager
async def phone_at(stage: SipStage, host: str) -> AsyncIterator[Phone]:
    """Switch a phone on that knows the gateway itself."""
    made = Phone("+16661", "branch.test", (HOST, stage.port))
    await made.start(host)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.spec("RFC 8760 §2.3")
@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
async def test_phone_from_elsewhere_writes_with_the_trunks_password(sip_stage: SipStage, algorithm: str):
    """It is asked for it; then what it asserts is believed, and its number is one."""
    romeo = await sip_stage.on_xmpp("romeo")
    uri, asserted = sip_stage.uri(romeo), "P-Asserted-Identity: <sip:+16662@branch.test>"
    async with phone_at(sip_stage, BRANCH) as phone:
        challenged = await phone.ask("MESSAGE", uri, "one", asserted)
        proof = proof_for(challenged, "branch", BRANCH_PASSWORD, "MESSAGE", uri, algorithm=algorithm)
        assert await phone.say(uri, "two", asserted, proof) == 202
        assert (await romeo.message(frm=f"+16662@{sip_stage.bridge.domain}")).findtext("body") == "two"
        await romeo.nothing_more(sip_stage.bridge.domain)


@pytest.mark.spec("RFC 7616 §5.7")
async def test_credentials_are_refused_to_everybody_else(sip_stage: SipStage):
    """Replayed, from another address, for another address, method or realm; then they are used by their owner."""
    romeo = await sip_stage.on_xmpp("romeo")
    uri = sip_stage.uri(romeo)

    def proof(challenged: SipMessage, count: int = 1, **forged: str) -> str:
        return proof_for(challenged, "branch", BRANCH_PASSWORD, "MESSAGE", uri, count, **forged)

    async with phone_at(sip_stage, BRANCH) as phone, phone_at(sip_stage, STRANGER) as thief:
        challenged = await phone.ask("MESSAGE", uri, "challenge me")
        assert await phone.say(uri, "first", proof(challenged)) == 202
        replayed = await phone.ask("MESSAGE", uri, "replay", proof(challenged))
        assert replayed.status == 401 and "stale=true" in replayed.fields["www-authenticate"]
        assert await thief.say(uri, "stolen", proof(challenged, 2)) == 401
        assert await phone.say(uri, "realm", proof(challenged, 2, realm="else.test")) == 401
        assert await phone.say(uri, "uri", proof(challenged, 2, uri="sip:juliet@sip.test")) == 400
        assert await phone.say(uri, "nonce", proof(challenged, 2, nonce="7f-1-0123456789")) == 401
        other = await phone.ask("OPTIONS", uri, "", proof(challenged, 2))
        assert other.status == 401
        assert await phone.say(uri, "last", proof(challenged, 3)) == 202
    bodies = [(await romeo.message()).findtext("body") for _ in range(2)]
    assert bodies == ["first", "last"]
    await romeo.nothing_more(sip_stage.bridge.domain)


async def test_guesser_is_stopped_and_logged_once(sip_stage: SipStage):
    """After some wrong passwords the right one is of no use either, from there."""
    romeo = await sip_stage.on_xmpp("romeo")
    uri, statuses = sip_stage.uri(romeo), []
    async with phone_at(sip_stage, GUESSER) as phone:
        challenged = await phone.ask("MESSAGE", uri, "challenge me")
        for number in range(1, GUESSES + 3):
            password = BRANCH_PASSWORD if number > GUESSES else f"guess {number}"
            proof = proof_for(challenged, "branch", password, "MESSAGE", uri, number)
            statuses.append(await phone.say(uri, "guess", proof))
    assert statuses == [401] * GUESSES + [403] * 2
    assert sip_stage.bridge.daemon.output().count(f"{GUESSER} gives wrong passwords") == 1
    await romeo.nothing_more(sip_stage.bridge.domain)


async def test_calls_of_sipp_log_in(sip_stage: SipStage, tmp_path: Path):
    """It is asked for each call, and told what the user says; with a wrong password nobody is rung."""
    romeo = await sip_stage.caller("romeo")
    uri = sip_stage.uri(romeo)

    def calling(password: str, status: int, calls: int) -> Coroutine[object, object, None]:
        scenario = CALL.format(uri=uri, password=password, status=status)
        options = ("-m", str(calls), "-auth_uri", uri.removeprefix("sip:"))
        return play(tmp_path, sip_stage.port, scenario, *options, host=BRANCH)

    await calling("wrong", 401, 1)
    played = asyncio.create_task(calling(BRANCH_PASSWORD, 486, CALLS))
    for _ in range(CALLS):
        (await romeo.is_called()).refuse()
    await played


@pytest.fixture
def branch(house: House, sip_stage: SipStage) -> Iterator[Branch]:
    """A Kamailio that logs in as the trunk "old"."""
    folder = house.make_folder(f"branch-{house.number()}")
    made = Branch(folder, BRANCH, sip_stage.port, "old", BRANCH_PASSWORD, sip_stage.domain)
    made.daemon.start()
    yield made
    made.daemon.kill()


async def test_kamailio_logs_in_for_its_phones(sip_stage: SipStage, branch: Branch):
    """It answers the challenge itself, by a request of the same number."""
    romeo = await sip_stage.on_xmpp("romeo")
    async with phone_at(sip_stage, BRANCH) as phone:
        phone.domain, phone.server = "old.test", (BRANCH, branch.port)
        assert await phone.say(sip_stage.uri(romeo), "from the branch") == 202
    heard = await romeo.message(frm=sip_stage.jid(phone.user, "old.test"))
    assert heard.findtext("body") == "from the branch"


async def test_baresip_logs_in_and_is_answered(sip_stage: SipStage, telephone: MakeTelephone):
    """A telephone that is registered nowhere; on loopback its sound comes from elsewhere, and is not taken."""
    juliet = await sip_stage.caller("juliet")
    way = f';auth_user=old;auth_pass={BRANCH_PASSWORD};outbound="sip:{HOST}:{sip_stage.port}"'
    facts = {"domain": "old.test", "account": way, "host": BRANCH, "regint": 0}
    bob = await telephone("+16669", **facts)
    await bob.dial(sip_stage.uri(juliet))
    call = await juliet.is_called()
    call.answer()
    await bob.sees("CALL_ESTABLISHED")
    await bob.hang_up()
    await call.sees("session-terminate success")
