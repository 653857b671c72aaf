"""History on joining (XEP-0045 §7.2.13) and the archive (XEP-0313)."""

import asyncio

from tests.live.cast.archive import bodies, query
from tests.live.cast.irc import IrcPerson
from tests.live.cast.stanzas import NAMESPACES, Pattern, value
from tests.live.cast.xmpp import Person
from tests.live.stage import Stage


async def fill(stage: Stage, count: int) -> tuple[Person, IrcPerson]:
    """Put Romeo into the room and let Juliet say `count` lines, which he sees."""
    romeo, juliet = await stage.together()
    for number in range(count):
        juliet.say(stage.channel, f"line {number}")
    await romeo.mailbox.find(Pattern("message", body=f"line {count - 1}"))
    return romeo, juliet


async def rejoin(stage: Stage, romeo: Person, history: str = "") -> list[str]:
    """Leave, join again, and return the bodies of the history."""
    await romeo.left(stage.room, stage.nick("romeo"))
    seen = await romeo.join(stage.room, stage.nick("romeo"), history=history)
    assert all(Pattern("message", has="delay:delay").matches(one) for one in seen.history)
    return [one.findtext("body") or "" for one in seen.history]


async def test_history_of_a_rejoin_is_the_last_lines_in_order(stage: Stage):
    """At most twenty, the oldest first, each with its delay."""
    romeo, _ = await fill(stage, 25)
    assert await rejoin(stage, romeo) == [f"line {number}" for number in range(5, 25)]


async def test_history_keeps_to_what_the_client_asks(stage: Stage):
    """maxstanzas and maxchars='0' (XEP-0045 §7.2.14)."""
    romeo, _ = await fill(stage, 5)
    assert await rejoin(stage, romeo, "<history maxstanzas='2'/>") == ["line 3", "line 4"]
    assert await rejoin(stage, romeo, "<history maxchars='0'/>") == []
    assert await rejoin(stage, romeo, "<history seconds='3600'/>") == [
        f"line {number}" for number in range(5)
    ]


async def test_archive_gives_all_messages_of_both_sides(stage: Stage):
    """Own and others' messages are in it, in order, with sender and stamp."""
    romeo, juliet = await fill(stage, 3)
    romeo.say(stage.room, "mine")
    await romeo.mailbox.find(Pattern("message", body="mine"))
    found, fin = await query(romeo, stage.room)
    assert bodies(found) == ["line 0", "line 1", "line 2", "mine"]
    senders = [value(one, "mam:result/forward:forwarded/message/@from") for one in found]
    assert senders == [f"{stage.room}/{juliet.nick}"] * 3 + [f"{stage.room}/{stage.nick('romeo')}"]
    assert value(fin, "mam:fin/@complete") == "true"


async def test_archive_ids_are_the_stanza_ids(stage: Stage):
    """XEP-0359: the live message's stanza-id is its archive id."""
    romeo, juliet = await stage.together()
    juliet.say(stage.channel, "remember me")
    live = await romeo.message(body="remember me")
    found, _ = await query(romeo, stage.room)
    assert value(found[0], "mam:result/@id") == value(live, "sid:stanza-id/@id")


async def test_archive_is_paged_both_ways(stage: Stage):
    """RSM after and before: pages add up to the whole, none is doubled."""
    romeo, _ = await fill(stage, 7)
    seen: list[str] = []
    after = ""
    while True:
        found, fin = await query(romeo, stage.room, f"<max>3</max>{after}")
        seen += bodies(found)
        if fin.xpath("mam:fin/@complete", namespaces=NAMESPACES) == ["true"]:
            break
        after = f"<after>{value(fin, 'mam:fin/rsm:set/rsm:last')}</after>"
    assert seen == [f"line {number}" for number in range(7)]
    last, fin = await query(romeo, stage.room, "<max>2</max><before/>")
    assert bodies(last) == ["line 5", "line 6"]
    before = value(fin, "mam:fin/rsm:set/rsm:first")
    previous, _ = await query(romeo, stage.room, f"<max>2</max><before>{before}</before>")
    assert bodies(previous) == ["line 3", "line 4"]


async def test_archive_between_two_times(stage: Stage):
    """A start in the future gives nothing, one in the past all."""
    romeo, _ = await fill(stage, 3)
    future = "<field var='start'><value>2100-01-01T00:00:00Z</value></field>"
    past = "<field var='start'><value>2000-01-01T00:00:00Z</value></field>"
    assert bodies((await query(romeo, stage.room, form=future))[0]) == []
    assert len((await query(romeo, stage.room, form=past))[0]) == 3


async def test_archive_of_another_is_not_shown(stage: Stage):
    """Who was not in the room reads nothing of it."""
    await fill(stage, 3)
    mercutio = await stage.on_xmpp("mercutio")
    answer = await mercutio.iq(stage.room, "<query xmlns='urn:xmpp:mam:2'/>", "set")
    assert not mercutio.mailbox.waiting
    assert answer.get("type") in ("result", "error")


async def test_archive_survives_a_restart_of_the_gateway(own_stage: Stage):
    """What was said before a polite end is in the archive after it."""
    romeo, _ = await fill(own_stage, 3)
    await asyncio.to_thread(own_stage.gateway.daemon.stop)
    await asyncio.to_thread(own_stage.gateway.daemon.start)
    romeo.mailbox.clear()
    await romeo.join(own_stage.room, own_stage.nick("romeo"))
    found, _ = await query(romeo, own_stage.room)
    assert bodies(found) == ["line 0", "line 1", "line 2"]
