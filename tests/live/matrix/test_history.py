"""What was said in rooms of a real homeserver: history on joining, and the archive of XMPP over it."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

import nio
import pytest

from tests.live.cast.archive import bodies, query
from tests.live.cast.matrix import MatrixPerson
from tests.live.cast.stanzas import Pattern, Stanza, value
from tests.live.cast.xmpp import Person
from tests.live.matrix.stage import MatrixStage

COUNT = 250
FIELD = "<field var='{name}'><value>{value}</value></field>"


def ids(found: list[Stanza]) -> list[str]:
    """Return the archive's ids of messages."""
    return [value(one, "mam:result/@id") for one in found]


def field(**values: str) -> str:
    """Write fields of a query's form."""
    return "".join(FIELD.format(name=name.replace("_", "-"), value=text) for name, text in values.items())


def asked(fields: str, more: str = "") -> str:
    """Write a query."""
    kind = "<field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
    form = f"<x xmlns='jabber:x:data' type='submit'>{kind}{fields}</x>"
    return f"<query xmlns='urn:xmpp:mam:2'>{more}{form}</query>"


def stamp(milliseconds: float) -> str:
    """Write a time as XMPP does."""
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC).isoformat()


def is_complete(fin: Stanza) -> bool:
    """Tell whether a page was the last one."""
    return bool(fin.xpath("*[local-name()='fin']/@complete"))


async def lines(person: MatrixPerson, room: str, count: int) -> list[str]:
    """Have somebody say `count` lines and return their events."""
    return [await person.say(room, f"line {number}") for number in range(count)]


async def edit(person: MatrixPerson, room: str, event: str, text: str) -> str:
    """Correct a message."""
    new = {"msgtype": "m.text", "body": text}
    relation = {"rel_type": "m.replace", "event_id": event}
    return await person.send(
        room, {**new, "body": f"* {text}", "m.new_content": new, "m.relates_to": relation}
    )


async def pages(
    person: Person, room: str, size: int, *, backwards: bool = False
) -> tuple[list[list[str]], list[str]]:
    """Page through the whole archive; return the pages as they came, and the ids from first to last."""
    found: list[list[str]] = []
    seen: list[str] = []
    place = "<before/>" if backwards else ""
    while True:
        page, fin = await query(person, room, f"<max>{size}</max>{place}")
        found.append(bodies(page))
        seen = [*ids(page), *seen] if backwards else [*seen, *ids(page)]
        if is_complete(fin):
            return found, seen
        name, end = ("before", "first") if backwards else ("after", "last")
        place = f"<{name}>{value(fin, f'mam:fin/rsm:set/rsm:{end}')}</{name}>"


async def test_history_from_before_the_first_visit_is_shown_on_join(matrix_stage: MatrixStage):
    """With the ids and times of Matrix, as much as the client asks for."""
    juliet = await matrix_stage.on_matrix("Juliet")
    room = await matrix_stage.open_room(juliet)
    said = await lines(juliet, room, 5)
    romeo = await matrix_stage.on_xmpp("romeo")
    seen = await romeo.join(matrix_stage.room, "romeo")
    assert [one.findtext("body") for one in seen.history] == [f"line {number}" for number in range(5)]
    assert [value(one, "sid:stanza-id/@id") for one in seen.history] == said
    assert all(one.get("from") == f"{matrix_stage.room}/Juliet" for one in seen.history)
    assert all(Pattern("message", has="delay:delay").matches(one) for one in seen.history)
    for wish, count in (("maxstanzas='2'", 2), ("maxchars='0'", 0), ("seconds='3600'", 5)):
        await romeo.left(matrix_stage.room, "romeo")
        seen = await romeo.join(matrix_stage.room, "romeo", history=f"<history {wish}/>")
        assert [one.findtext("body") for one in seen.history] == [f"line {n}" for n in range(5)][5 - count :]
    await romeo.nothing_more(matrix_stage.bridge.domain)


async def test_what_is_said_during_a_join_is_shown_once(matrix_stage: MatrixStage):
    """Either as history or as what happens now, and nothing is missing."""
    juliet = await matrix_stage.on_matrix("Juliet")
    room = await matrix_stage.open_room(juliet)
    people = [await matrix_stage.on_xmpp(f"p{number}") for number in range(3)]
    for number, person in enumerate(people):
        saying = asyncio.ensure_future(lines(juliet, room, 6))
        person.enter(matrix_stage.room, f"p{number}")
        seen = await person.joined(matrix_stage.room)
        said = await saying
        shown = [value(one, "sid:stanza-id/@id") for one in seen.history]
        while not shown or shown[-1] != said[-1]:
            heard = await person.mailbox.find(Pattern("message", frm=f"{matrix_stage.room}/Juliet"))
            shown.append(value(heard, "sid:stanza-id/@id"))
        assert shown[-6:] == said
        assert len(set(shown)) == len(shown)


async def test_archive_is_paged_both_ways(matrix_stage: MatrixStage):
    """Pages follow each other without gap or overlap, each full but the last, and the ids are the events'."""
    romeo, juliet, room = await matrix_stage.together()
    said = await lines(juliet, room, 7)
    await romeo.mailbox.find(Pattern("message", body="line 6"))
    words = [f"line {number}" for number in range(7)]
    assert await pages(romeo, matrix_stage.room, 3) == ([words[:3], words[3:6], words[6:]], said)
    back = ([words[4:], words[1:4], words[:1]], said)
    assert await pages(romeo, matrix_stage.room, 3, backwards=True) == back
    found, fin = await query(romeo, matrix_stage.room, "<max>7</max>")
    assert (ids(found), is_complete(fin)) == (said, True)
    found, fin = await query(romeo, matrix_stage.room, "<max>0</max>")
    assert (found, is_complete(fin)) == ([], False)


async def test_archive_is_searched_by_id_and_time(matrix_stage: MatrixStage):
    """XEP-0313 §4.1: before-id, after-id, ids, start, end, with; and pages turned round."""
    romeo, juliet, room = await matrix_stage.together()
    said = await lines(juliet, room, 6)
    await romeo.mailbox.find(Pattern("message", body="line 5"))

    async def find(form: str, rsm: str = "") -> list[str]:
        found, _ = await query(romeo, matrix_stage.room, rsm, form)
        return ids(found)

    assert await find(field(after_id=said[1], before_id=said[4])) == said[2:4]
    assert await find(field(after_id=said[1]), "<max>2</max><before/>") == said[4:]
    several = f"<field var='ids'><value>{said[4]}</value><value>{said[1]}</value></field>"
    assert await find(several) == [said[1], said[4]]
    times = [
        (await juliet.client.room_get_event(room, event)).event.source["origin_server_ts"] for event in said
    ]
    within = [event for event, time in zip(said, times, strict=True) if times[2] <= time <= times[3]]
    assert await find(field(start=stamp(times[2]), end=stamp(times[3]))) == within
    assert await find(field(start=stamp(times[2]), end=stamp(times[3])), "<before/>") == within
    assert await find(field(end=stamp(times[0] - 60_000_000))) == []
    assert await find(field(start=stamp(times[5] + 60_000_000))) == []
    romeo.say(matrix_stage.room, "mine")
    await romeo.mailbox.find(Pattern("message", body="mine"))
    assert len(await find(field(**{"with": f"{matrix_stage.room}/romeo"}))) == 1
    assert await find(field(**{"with": f"{matrix_stage.room}/Juliet"})) == said
    await romeo.result(matrix_stage.room, asked(several, "<flip-page/>"), "set")
    assert ids(list(romeo.mailbox.waiting)) == [said[4], said[1]]
    for wrong in (field(after_id="$never"), field(ids="$never"), field(before_id="nonsense")):
        assert await romeo.error(matrix_stage.room, asked(wrong), "set") == "item-not-found"


async def test_who_joins_sees_how_things_stand(matrix_stage: MatrixStage):
    """Edits of both sides show in the message itself, redacted messages are gone, reactions are no messages."""
    romeo, juliet, room = await matrix_stage.together()
    said = await lines(juliet, room, 4)
    await romeo.mailbox.find(Pattern("message", body="line 3"))
    await edit(juliet, room, said[1], "line one")
    await juliet.client.room_redact(room, said[2])
    relation = {"rel_type": "m.annotation", "event_id": said[0], "key": "👍"}
    await juliet.send(room, {"m.relates_to": relation}, "m.reaction")
    first = romeo.say(matrix_stage.room, "teh sun")
    replace = f"<replace xmlns='urn:xmpp:message-correct:0' id='{first}'/>"
    await romeo.mailbox.find(Pattern("message", body="teh sun"))
    romeo.say(matrix_stage.room, "the sun", extra=replace)
    await romeo.mailbox.find(Pattern("message", body="the sun"))
    await romeo.left(matrix_stage.room, "romeo")
    seen = await romeo.join(matrix_stage.room, "romeo")
    assert [one.findtext("body") for one in seen.history] == ["line 0", "line one", "line 3", "the sun"]
    assert [value(one, "sid:stanza-id/@id") for one in seen.history][:3] == [said[0], said[1], said[3]]
    assert seen.history[3].get("id") == first


VISIBILITY = {"type": "m.room.history_visibility", "state_key": ""}


@pytest.mark.parametrize(
    ("visibility", "before", "outside"),
    [("world_readable", True, True), ("shared", True, False), ("joined", False, False)],
)
async def test_homeserver_decides_who_reads_what(
    matrix_stage: MatrixStage, visibility: str, before: bool, outside: bool
):
    """By the room's history visibility: before the first visit, and from outside."""
    juliet = await matrix_stage.on_matrix("Juliet")
    state = [{**VISIBILITY, "content": {"history_visibility": visibility}}]
    room = await matrix_stage.open_room(juliet, initial_state=state)
    await juliet.say(room, "before")
    romeo = await matrix_stage.on_xmpp("romeo")
    answer = await romeo.iq(matrix_stage.room, "<query xmlns='urn:xmpp:mam:2'/>", "set")
    assert answer.get("type") == ("result" if outside else "error")
    assert len(romeo.mailbox.waiting) == outside
    for one in romeo.mailbox.waiting:
        assert value(one, "mam:result/forward:forwarded/message/@from") == f"{matrix_stage.room}/Juliet"
    romeo.mailbox.clear()
    seen = await romeo.join(matrix_stage.room, "romeo")
    assert [one.findtext("body") for one in seen.history] == ["before"] * before
    await juliet.say(room, "after")
    await romeo.mailbox.find(Pattern("message", body="after"))
    found, fin = await query(romeo, matrix_stage.room)
    assert bodies(found) == [*["before"] * before, "after"]
    assert is_complete(fin)


async def test_private_room_has_its_history_for_who_is_in(matrix_stage: MatrixStage):
    """And for nobody else."""
    juliet = await matrix_stage.on_matrix("Juliet")
    room = await matrix_stage.open_room(
        juliet, preset=nio.RoomPreset.private_chat, visibility=nio.RoomVisibility.private
    )
    await juliet.say(room, "secret")
    romeo = await matrix_stage.on_xmpp("romeo")
    everything = "<query xmlns='urn:xmpp:mam:2'/>"
    assert await romeo.error(matrix_stage.room, everything, "set") == "forbidden"
    await juliet.client.room_invite(room, matrix_stage.ghost("romeo"))
    seen = await romeo.join(matrix_stage.room, "romeo")
    assert [one.findtext("body") for one in seen.history] == ["secret"]
    await romeo.left(matrix_stage.room, "romeo")
    await juliet.find("m.room.member", lambda event: event["content"]["membership"] == "leave")
    await juliet.say(room, "he is gone")
    assert await romeo.error(matrix_stage.room, everything, "set") == "forbidden"


async def test_large_archive_is_paged_to_its_end(matrix_stage: MatrixStage):
    """However much was said, all of it is there, in order, both ways."""
    juliet = await matrix_stage.on_matrix("Juliet")
    room = await matrix_stage.open_room(juliet)
    saying: list[Any] = [juliet.say(room, f"line {number}") for number in range(COUNT)]
    said = set(await asyncio.gather(*saying))
    romeo = await matrix_stage.on_xmpp("romeo")
    await romeo.join(matrix_stage.room, "romeo", history="<history maxstanzas='0'/>")
    forward, one_way = await pages(romeo, matrix_stage.room, 100)
    backward, other_way = await pages(romeo, matrix_stage.room, 100, backwards=True)
    assert one_way == other_way
    assert len(one_way) == COUNT and set(one_way) == said
    assert [len(page) for page in forward] == [len(page) for page in backward]


@pytest.mark.last
async def test_archive_is_there_after_a_restart_of_the_bridge(matrix_stage: MatrixStage):
    """Nothing of it is the bridge's own."""
    romeo, juliet, room = await matrix_stage.together()
    said = await lines(juliet, room, 3)
    romeo.say(matrix_stage.room, "mine", ident="m1")
    await romeo.mailbox.find(Pattern("message", body="mine"))
    daemon = matrix_stage.bridge.daemon
    await asyncio.to_thread(daemon.kill)
    await asyncio.to_thread(daemon.start)
    await juliet.say(room, "again")
    await romeo.mailbox.find(Pattern("message", body="again"), timeout=60)
    found, _ = await query(romeo, matrix_stage.room)
    assert bodies(found) == ["line 0", "line 1", "line 2", "mine", "again"]
    assert ids(found)[:3] == said
    assert value(found[3], "mam:result/forward:forwarded/message/@id") == "m1"


@pytest.mark.last
async def test_what_was_said_before_a_restart_is_still_referred_to(matrix_stage: MatrixStage):
    """Corrections, reactions and their ends, of both sides."""
    romeo, juliet, room = await matrix_stage.together()
    hers = await juliet.say(room, "Romoe")
    await romeo.mailbox.find(Pattern("message", body="Romoe"))
    romeo.say(matrix_stage.room, "teh sun", ident="m1")
    mine = await juliet.hears(room, "teh sun")
    await romeo.mailbox.find(Pattern("message", body="teh sun"))
    likes = [await like(juliet, room, mine["event_id"], key) for key in "👍🌹"]
    for _ in likes:
        await romeo.mailbox.find(Pattern("message", frm=f"{matrix_stage.room}/Juliet", has="react:reactions"))
    daemon = matrix_stage.bridge.daemon
    await asyncio.to_thread(daemon.kill)
    await asyncio.to_thread(daemon.start)
    await juliet.say(room, "again")
    await romeo.mailbox.find(Pattern("message", body="again"), timeout=60)

    await edit(juliet, room, hers, "Romeo")
    corrected = await romeo.message(body="Romeo")
    assert corrected.xpath("//*[local-name()='replace']/@id") == [hers]
    replace = "<replace xmlns='urn:xmpp:message-correct:0' id='m1'/>"
    romeo.say(matrix_stage.room, "the sun", extra=replace)
    heard = await juliet.hears(room, "* the sun")
    assert heard["content"]["m.relates_to"]["event_id"] == mine["event_id"]
    await romeo.message(body="the sun")
    await like(juliet, room, mine["event_id"], "🌞")
    for keys in (["👍", "🌹", "🌞"], ["🌹", "🌞"]):
        seen = await romeo.message(frm=f"{matrix_stage.room}/Juliet")
        assert seen.xpath("//*[local-name()='reaction']/text()") == keys
        if len(keys) == 3:
            await juliet.client.room_redact(room, likes[0])


async def like(person: MatrixPerson, room: str, event: str, key: str) -> str:
    """React to a message."""
    relation = {"rel_type": "m.annotation", "event_id": event, "key": key}
    return await person.send(room, {"m.relates_to": relation}, "m.reaction")
