"""Users of two servers in one IRC channel, each reached over s2s."""

import pytest

from tests.live.cast.irc import IrcPerson
from tests.live.cast.stanzas import Pattern
from tests.live.cast.xmpp import Person
from tests.live.federation.conftest import BuildStage
from tests.live.federation.stage import A, B, Federation, FederationStage
from tests.live.test_archive import bodies, query

PING = "<ping xmlns='urn:xmpp:ping'/>"


WAYS = {
    "certificates": ("", "certificate", "TLS"),
    "dialback over untrusted TLS": ("self-signed.", "dialback", "TLS"),
    "dialback in the clear": ("clear.", "dialback", "no TLS"),
    "direct TLS on a port of its own": ("direct.", "certificate", "TLS"),
}
"""Ways of authentication: what stands before `A` and `B`, and what the bridge's log says."""


async def together(stage: FederationStage, prefix: str = "") -> tuple[Person, Person, IrcPerson]:
    """Put Alice of Prosody, Bob of ejabberd and Juliet of IRC into the test's channel."""
    juliet = await stage.on_irc("juliet", stage.channel)
    alice, bob = await stage.alice(f"{prefix}{A}"), await stage.bob(f"{prefix}{B}")
    people = {stage.nick("alice"): alice, stage.nick("bob"): bob}
    for nick, person in people.items():
        person.enter(stage.room, nick)
    for person in people.values():
        await person.joined(stage.room)
    return alice, bob, juliet


async def test_users_of_two_servers_talk_in_one_channel(federated: FederationStage):
    """What any of the three says, the two others read, from the right nick."""
    await talk(federated, *await together(federated))


@pytest.mark.parametrize("way", WAYS)
async def test_users_meet_whatever_proves_their_servers(build: BuildStage, federation: Federation, way: str):
    """The same channel, the same talk; the bridge says how it let each server in."""
    prefix, how, tls = WAYS[way]
    stage = build(tables={"federation": {"encryption": "never"}} if tls == "no TLS" else None)
    if prefix == "direct.":
        federation.publish(stage.bridge, direct=stage.bridge.direct_port)
    await talk(stage, *await together(stage, prefix))
    for domain in (A, B):
        admitted = f"{prefix}{domain} → {stage.domain}: admitted by {how} (127.0.0.1, {tls})"
        assert admitted in stage.bridge.daemon.output()


async def talk(stage: FederationStage, alice: Person, bob: Person, juliet: IrcPerson) -> None:
    """Have each say something, and all hear it."""
    room = stage.room
    alice.say(room, "from Alice ♥")
    await juliet.hears(stage.channel, "from Alice ♥", nick=stage.nick("alice"))
    for person in (alice, bob):
        await person.mailbox.find(
            Pattern("message", body="from Alice ♥", frm=f"{room}/{stage.nick('alice')}")
        )
    bob.say(room, "from Bob")
    await juliet.hears(stage.channel, "from Bob", nick=stage.nick("bob"))
    for person in (alice, bob):
        await person.mailbox.find(Pattern("message", body="from Bob", frm=f"{room}/{stage.nick('bob')}"))
    juliet.say(stage.channel, "from Juliet")
    for person in (alice, bob):
        await person.mailbox.find(Pattern("message", body="from Juliet", frm=f"{room}/{juliet.nick}"))


async def test_second_user_sees_the_first_of_another_server(federated: FederationStage):
    """Bob's join lists Alice and Juliet; Alice sees him come and, when his client dies, go."""
    juliet = await federated.on_irc("juliet", federated.channel)
    alice, bob = await federated.alice(), await federated.bob()
    await federated.enter(alice, juliet)
    nick = federated.nick("bob")
    seen = await bob.join(federated.room, nick)
    assert seen.nicks == {juliet.nick, federated.nick("alice")}
    await alice.mailbox.find(Pattern("presence", frm=f"{federated.room}/{nick}", type=None))
    await bob.log_out()
    await alice.mailbox.find(Pattern("presence", frm=f"{federated.room}/{nick}", type="unavailable"))
    await juliet.find("PART", nick=nick)


async def test_private_messages_of_both_servers_reach_irc(federated: FederationStage):
    """A chat to a nick and its answer, at each of the servers."""
    alice, bob, juliet = await together(federated)
    for person, name in ((alice, "alice"), (bob, "bob")):
        person.say(federated.contact(juliet.nick), f"psst, {name}", type="chat")
        await juliet.hears(juliet.nick, f"psst, {name}", nick=federated.nick(name))
        juliet.say(federated.nick(name), f"yes, {name}?")
        await person.mailbox.find(Pattern("message", type="chat", body=f"yes, {name}?"))


async def test_private_message_within_the_room_crosses_servers(federated: FederationStage):
    """Alice writes to Bob's occupant JID; he reads it from hers."""
    alice, bob, _ = await together(federated)
    alice.say(f"{federated.room}/{federated.nick('bob')}", "between us", type="chat")
    await bob.mailbox.find(Pattern("message", type="chat", body="between us"))


async def test_archive_is_read_over_s2s(federated: FederationStage):
    """XEP-0313: Bob asks for what was said while he was in the room."""
    alice, bob, _ = await together(federated)
    for number in range(3):
        alice.say(federated.room, f"line {number}")
    await bob.mailbox.find(Pattern("message", body="line 2"))
    bob.mailbox.clear()
    found, _ = await query(bob, federated.room)
    assert bodies(found) == ["line 0", "line 1", "line 2"]


async def test_gateway_answers_pings_of_both_servers(federated: FederationStage):
    """A ping goes out on one stream and comes back on another, or on the same one (XEP-0288)."""
    for person in (await federated.alice(), await federated.bob()):
        await person.result(federated.domain, PING)


async def test_many_messages_keep_their_order(federated: FederationStage):
    """Two hundred lines each way arrive in order, none doubled."""
    alice, bob, juliet = await together(federated)
    wanted = [f"line {number}" for number in range(200)]
    for line in wanted:
        bob.say(federated.room, line)
    heard = [(await juliet.find("PRIVMSG", federated.channel)).params[-1] for _ in wanted]
    assert heard == wanted
    read = []
    while len(read) < len(wanted):
        stanza = await alice.mailbox.find(Pattern("message", has="body"))
        read.append(stanza.findtext("body"))
    assert read == wanted
