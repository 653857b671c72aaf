"""Our application service and a real homeserver."""

from __future__ import annotations

import asyncio
import itertools

import nio
import pytest
from msgspec.structs import replace
from nio.api import Api
from twisted.internet.defer import Deferred, gatherResults

from bridge.errors import BridgeError, Trouble
from bridge.secret import Secret
from tests.live.cast.proxy import Proxy
from tests.live.matrix.service import Service
from tests.live.peers.daemon import HOST, free_port
from transports.matrix.client import transaction_id
from transports.matrix.ping import Way, ping
from transports.matrix.probe import homeserver_probes
from transports.matrix.refusal import Refusal

NUMBERS = itertools.count(1)


def ghost(service: Service, name: str = "romeo") -> str:
    """The id of a ghost that was not there before."""
    config = service.config
    return f"@{config.prefix}{name}{next(NUMBERS)}=40montague.lit:{config.server_name}"


def text(body: str) -> dict[str, str]:
    """The content of a message."""
    return {"msgtype": "m.text", "body": body}


async def test_ping_goes_both_ways(service):
    """The homeserver took our registration: it knows us, and we are where it looks for us."""
    assert await service.wait(ping(service.homeserver, service.config.id, "t")) is Way.BOTH
    whoami = await service.wait(service.homeserver.api(Api.whoami("")))
    assert whoami["user_id"] == service.config.bot


async def test_ping_that_fails_says_what_is_wrong(service, synapse, matrix_config, reactor, tmp_path):
    """A wrong token of ours, a wrong one of theirs and a gateway that does not listen are told apart."""

    async def find(**changed) -> Way:
        other = Service(replace(matrix_config, **changed), reactor, tmp_path / f"{next(NUMBERS)}.sqlite")
        way: Way = await other.wait(ping(other.homeserver, other.config.id))
        await other.wait(other.homeserver.close())
        return way

    assert await find(as_token=Secret("wrong")) is Way.NOT_KNOWN
    assert await find(homeserver="http://127.0.0.1:1") is Way.NOT_THERE
    await service.wait(service.web.stop())
    stranger = Service(replace(matrix_config, hs_token=Secret("wrong")), reactor, tmp_path / "w.sqlite")
    assert await find() is Way.NO_WAY_BACK
    stranger.web.listen(reactor, matrix_config.listen_host, matrix_config.listen_port)
    assert await find() is Way.BAD_TOKEN
    await stranger.wait(stranger.web.stop())


async def test_check_finds_both_directions_before_the_first_start(synapse, matrix_config, reactor):
    """`xmppbridge check --live` listens in the gateway's place, and beside a running one lets that answer."""
    [probe] = homeserver_probes(matrix_config, reactor)
    loop = asyncio.get_running_loop()
    assert await asyncio.wait_for(probe.result.asFuture(loop), 20) == Way.BOTH.value


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"as_token": Secret("wrong")}, "does not know our as_token"),
        ({"hs_token": Secret("wrong")}, "does not use our hs_token"),
        ({"id": "other"}, "but not by our id"),
        ({"listen": f"{HOST}:{free_port()}"}, "cannot reach us at the url of its registration"),
        ({"server_name": "example.org"}, "it knows us as @xmppbridge:hs.test"),
        ({"sender": "other"}, "the configuration says @other:hs.test"),
        ({"prefix": "_other_"}, "does not give us what begins with _other_"),
    ],
)
async def test_check_finds_a_registration_of_another_configuration(
    synapse, matrix_config, reactor, changed, words
):
    """Whatever was changed since the homeserver was given its registration has words of its own."""
    [probe] = homeserver_probes(replace(matrix_config, **changed), reactor)
    with pytest.raises(BridgeError) as found:
        await asyncio.wait_for(probe.result.asFuture(asyncio.get_running_loop()), 20)
    assert words in found.value.text


async def test_ghost_registers_joins_and_talks_both_ways(service, person):
    """A ghost is made on its first request; its words are heard, and others' words reach us, once."""
    juliet = await person("juliet")
    room, romeo = await juliet.create_room(visibility=nio.RoomVisibility.public), ghost(service)
    joined = await service.wait(service.homeserver.join(romeo, room))
    await service.wait(Deferred.fromCoroutine(service.homeserver.set_profile(romeo, "Romeo")))
    assert joined == room
    sent = await service.wait(service.homeserver.send(romeo, room, "m.room.message", text("hello"), "t1", 60))
    heard = await juliet.hears(room, "hello", sender=romeo)
    assert heard["event_id"] == sent
    await juliet.say(room, "good evening")
    await service.until(lambda: "good evening" in service.bodies(), "the answer")
    assert service.bodies().count("good evening") == 1
    assert service.store.failing is False


async def test_message_that_is_sent_twice_is_said_once(service, person):
    """After a crash the same message is sent again, and the homeserver knows it."""
    juliet = await person("juliet")
    room, romeo = await juliet.create_room(visibility=nio.RoomVisibility.public), ghost(service)
    await service.wait(service.homeserver.join(romeo, room))
    txn = transaction_id("romeo@montague.lit", room, "stanza-1")
    first, second = [
        await service.wait(service.homeserver.send(romeo, room, "m.room.message", text("once"), txn, 60))
        for _ in range(2)
    ]
    await service.wait(service.homeserver.send(romeo, room, "m.room.message", text("end"), "end", 60))
    assert first == second
    await juliet.hears(room, "once")
    await juliet.hears(room, "end")
    await service.until(lambda: "end" in service.bodies(), "the end")
    assert service.bodies() == ["once", "end"]


async def test_burst_of_a_hundred_stays_in_order(service, person):
    """What each of two ghosts says in a room is heard in the order in which it said it."""
    juliet = await person("juliet")
    room, ghosts = (
        await juliet.create_room(visibility=nio.RoomVisibility.public),
        [ghost(service), ghost(service)],
    )
    for one in ghosts:
        await service.wait(service.homeserver.join(one, room))
    said = [f"{n}" for n in range(100)]
    sending = [
        service.homeserver.send(ghosts[n % 2], room, "m.room.message", text(body), f"b{n}", 60)
        for n, body in enumerate(said)
    ]
    await service.wait(gatherResults(sending))
    await service.until(lambda: len(service.bodies()) == 100, "all of them")
    assert sorted(service.bodies(), key=int) == said
    for one in ghosts:
        heard = [int(event["content"].get("body", -1)) for event in service.seen if event["sender"] == one]
        assert heard == sorted(heard)


async def test_room_that_forbids_is_told_apart(service, person):
    """A room for the invited, a ban and a room that is not there have words of their own."""
    juliet = await person("juliet")
    closed, romeo = await juliet.create_room(), ghost(service)
    found = []
    for room in (closed, f"#nowhere:{service.config.server_name}"):
        with pytest.raises(Refusal) as refused:
            await service.wait(service.homeserver.join(romeo, room))
        found.append(refused.value.trouble)
    await juliet.client.room_ban(closed, romeo)
    with pytest.raises(Refusal) as refused:
        await service.wait(service.homeserver.join(romeo, closed))
    assert [*found, refused.value.trouble] == [Trouble.INVITE_ONLY, Trouble.NO_SUCH_ROOM, Trouble.BANNED]


async def test_alias_of_ours_is_asked_for(service, person):
    """A Matrix user who joins an XMPP room by its alias has us asked whether it is there."""
    juliet = await person("juliet")
    alias = f"#_xmpp_room{next(NUMBERS)}=40conf.test:{service.config.server_name}"
    refused = await juliet.client.join(alias)
    assert (service.asked, getattr(refused, "status_code", "")) == ([alias], "M_NOT_FOUND")


async def test_typing_and_receipts_reach_us(service, person):
    """What passes by comes with the transactions too."""
    juliet = await person("juliet")
    room, romeo = await juliet.create_room(visibility=nio.RoomVisibility.public), ghost(service)
    await service.wait(service.homeserver.join(romeo, room))
    await juliet.client.room_typing(room, True, 10_000)

    def is_typing() -> bool:
        return any(
            event["type"] == "m.typing" and event["content"]["user_ids"] == [juliet.id]
            for event in service.passed
            if event.get("room_id") == room
        )

    await service.until(is_typing, "Juliet's typing")


async def test_events_of_a_gateway_that_was_away_come_afterwards(service, person, start):
    """What was said while the gateway was stopped comes when it is back, at once, in order, and once."""
    juliet = await person("juliet")
    room, romeo = await juliet.create_room(visibility=nio.RoomVisibility.public), ghost(service)
    await service.wait(service.homeserver.join(romeo, room))
    await juliet.say(room, "before")
    await service.until(lambda: service.bodies() == ["before"], "the first")
    await service.stop()
    for n in range(5):
        await juliet.say(room, f"away {n}")
    again = await start()
    await again.until(lambda: len(again.bodies()) >= 5, "what was missed")
    await juliet.say(room, "after")
    await again.until(lambda: "after" in again.bodies(), "the last")
    assert again.bodies() == [*(f"away {n}" for n in range(5)), "after"]


async def test_event_that_was_taken_and_not_passed_on_survives(service, person, start):
    """The homeserver has forgotten it; we have it on disk, and pass it on after the restart, once."""
    juliet = await person("juliet")
    room, romeo = await juliet.create_room(visibility=nio.RoomVisibility.public), ghost(service)
    await service.wait(service.homeserver.join(romeo, room))
    await service.until(lambda: any(e["type"] == "m.room.member" for e in service.seen), "the join")
    service.blocked[room] = Deferred()
    await juliet.say(room, "taken")
    await service.until(lambda: "taken" in service.bodies(), "the message")
    await juliet.say(room, "behind it")
    # another room shows that what was said before has come
    other = await juliet.create_room(visibility=nio.RoomVisibility.public)
    await service.wait(service.homeserver.join(romeo, other))
    await juliet.say(other, "mark")
    await service.until(lambda: "mark" in service.bodies(), "the mark")
    await service.stop()
    again = await start()
    await juliet.say(room, "end")
    await again.until(lambda: "end" in again.bodies(), "the end")
    bodies = [body for body in again.bodies() if body != "mark"]
    assert bodies == ["taken", "behind it", "end"]


async def test_restart_of_the_homeserver_loses_and_doubles_nothing(service, synapse, person):
    """Messages said while the homeserver is down arrive when it is up again, each once, in order."""
    juliet = await person("juliet")
    room, romeo = await juliet.create_room(visibility=nio.RoomVisibility.public), ghost(service)
    await service.wait(service.homeserver.join(romeo, room))
    send = service.homeserver.send
    await service.wait(send(romeo, room, "m.room.message", text("before"), "r-before", 60))
    # Synapse keeps what it has not begun to push in memory alone, and forgets it when it is killed
    await service.until(lambda: "before" in service.bodies(), "the first")
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, synapse.daemon.kill)
    waiting = [send(romeo, room, "m.room.message", text(f"down {n}"), f"r-{n}", 60) for n in range(5)]
    await loop.run_in_executor(None, synapse.daemon.start)
    await service.wait(gatherResults(waiting))
    await juliet.say(room, "after")
    await service.until(lambda: "after" in service.bodies(), "the last")
    assert service.bodies() == ["before", *(f"down {n}" for n in range(5)), "after"]
    assert Way.NOT_THERE in service.ways


async def test_message_that_was_taken_before_the_homeserver_was_killed_is_there_once(
    service, synapse, matrix_config, reactor, person, tmp_path
):
    """Its answer was not heard, and the homeserver has forgotten under which id it was sent."""
    juliet = await person("juliet")
    room, romeo = await juliet.create_room(visibility=nio.RoomVisibility.public), ghost(service)
    await service.wait(service.homeserver.join(romeo, room))
    proxy = Proxy(synapse.port)
    await proxy.start()
    through = replace(matrix_config, homeserver=f"http://{HOST}:{proxy.port}")
    homeserver = Service(through, reactor, tmp_path / "other.sqlite").homeserver
    await service.wait(homeserver.register(romeo))
    proxy.keep_answers()
    once, then = (
        homeserver.send(romeo, room, "m.room.message", text(body), f"r-{body}", 60)
        for body in ("once", "then")
    )
    said = await juliet.hears(room, "once")
    await asyncio.to_thread(synapse.daemon.kill)
    await asyncio.to_thread(synapse.daemon.start)
    proxy.cut()
    proxy.speak()
    assert await service.wait(once) == said["event_id"]
    event = await juliet.find("m.room.message", room=room)
    assert event["content"]["body"] == "then" and await service.wait(then) == event["event_id"]
    await service.wait(homeserver.close())
    await proxy.close()
