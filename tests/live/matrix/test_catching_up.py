"""Who was away learns from the archive what was done to what he has: edits, reactions, retractions."""

from __future__ import annotations

import asyncio

import pytest

from tests.live.cast.archive import query
from tests.live.cast.matrix import MatrixPerson
from tests.live.cast.stanzas import NAMESPACES, Pattern, Stanza, value, values
from tests.live.cast.xmpp import Person
from tests.live.matrix.stage import MatrixStage
from tests.live.matrix.test_history import edit, is_complete, like, lines

REACTIONS = "<reactions xmlns='urn:xmpp:reactions:0' id='{}'>{}</reactions>"
RETRACT = "<retract xmlns='urn:xmpp:message-retract:1' id='{}'/>"
PEOPLE = ("romeo", "Juliet")


class Reader:
    """What a client has of the room: words by stanza-id, reactions by message and author."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}
        self.reactions: dict[tuple[str, str], list[str]] = {}
        self.last = ""
        self._named: dict[str, str] = {}

    def take(self, message: Stanza, id: str) -> None:
        """Take in a message of the room: live, or from its archive."""
        self.last = id
        replaces, body = values(message, "correct:replace/@id"), message.findtext("body")
        original = self._named[replaces[0]] if replaces else id
        self._named[message.get("id") or id] = original
        if body is not None:
            self.words[original] = body
        for target in values(message, "react:reactions/@id"):
            keys = values(message, "react:reactions/react:reaction")
            self.reactions[target, str(message.get("from"))] = sorted(keys)
        for gone in [*values(message, "retract:retract/@id"), *([id] if _is_tombstone(message) else ())]:
            self.words.pop(gone, None)

    async def listen(self, person: Person, room: str, until: str) -> None:
        """Take in all that is said by the people of the room up to certain words."""
        senders = [f"{room}/{nick}" for nick in PEOPLE]
        body = ""
        while body != until:
            heard = await person.mailbox.find_where(
                lambda one: one.tag == "message" and one.get("from") in [room, *senders], "what is said"
            )
            ids = values(heard, "sid:stanza-id/@id")
            if ids:
                self.take(heard, ids[0])
            body = heard.findtext("body") or ""

    async def catch_up(self, person: Person, room: str, size: int) -> list[Stanza]:
        """Ask for all after the last that is known; return the messages of the archive."""
        told: list[Stanza] = []
        while True:
            after = f"<after>{self.last}</after>" if self.last else ""
            page, fin = await query(person, room, f"<max>{size}</max>{after}")
            for one in page:
                [message] = one.xpath("mam:result/forward:forwarded/message", namespaces=NAMESPACES)
                self.take(message, value(one, "mam:result/@id"))
                told.append(message)
            if is_complete(fin):
                return told

    @property
    def state(self) -> tuple[dict[str, str], dict[tuple[str, str], list[str]]]:
        """What is left in the end."""
        left = {key: keys for key, keys in self.reactions.items() if keys and key[0] in self.words}
        return self.words, left


def _is_tombstone(message: Stanza) -> bool:
    return message.find("{urn:xmpp:message-retract:1}retracted") is not None


async def change_everything(
    stage: MatrixStage, romeo: Person, juliet: MatrixPerson, room: str, said: list[str], mine: str
) -> list[str]:
    """Have both sides edit, react, retract and moderate; return what was taken back."""
    to = f"to='{stage.room}' type='groupchat'"
    await edit(juliet, room, said[1], "line one")
    rose = await like(juliet, room, mine, "🌹")
    await like(juliet, room, mine, "🌞")
    await juliet.client.room_redact(room, rose)
    for keys, kind in (("👍🎉", "m.reaction"), ("🎉", "m.room.redaction")):
        marks = "".join(f"<reaction>{key}</reaction>" for key in keys)
        romeo.send(f"<message {to} id='{romeo.fresh_id()}'>{REACTIONS.format(said[0], marks)}</message>")
        await juliet.find(kind, lambda event: event["sender"] == stage.ghost("romeo"))
    await juliet.client.room_redact(room, said[2])
    romeo.say(stage.room, "oops")
    oops = (await juliet.hears(room, "oops"))["event_id"]
    romeo.send(f"<message {to} id='r1'>{RETRACT.format(oops)}</message>")
    await juliet.find("m.room.redaction", lambda event: event["content"].get("redacts") == oops)
    romeo.say(stage.room, "rude")
    rude = (await juliet.hears(room, "rude"))["event_id"]
    await juliet.client.room_redact(room, rude, reason="manners")
    return [said[2], oops, rude]


@pytest.mark.parametrize("size", [2, 100])
async def test_who_was_away_catches_up_with_who_stayed(matrix_stage: MatrixStage, size: int):
    """XEP-0313: after the last id that he knows, in pages of any size, of what both sides did."""
    romeo, juliet, room = await matrix_stage.together()
    mercutio = await matrix_stage.on_xmpp("mercutio")
    await mercutio.join(matrix_stage.room, "mercutio")
    stays, away = Reader(), Reader()
    said = await lines(juliet, room, 3)
    for reader, person in ((stays, romeo), (away, mercutio)):
        await reader.listen(person, matrix_stage.room, "line 2")
    mine = romeo.say(matrix_stage.room, "teh sun")
    sun = (await juliet.hears(room, "teh sun"))["event_id"]
    for reader, person in ((stays, romeo), (away, mercutio)):
        await reader.listen(person, matrix_stage.room, "teh sun")
    assert stays.state == away.state and len(stays.words) == 4
    await mercutio.left(matrix_stage.room, "mercutio")

    gone = await change_everything(matrix_stage, romeo, juliet, room, said, sun)
    replace = f"<replace xmlns='urn:xmpp:message-correct:0' id='{mine}'/>"
    romeo.say(matrix_stage.room, "the sun", extra=replace)
    await juliet.hears(room, "* the sun")
    await juliet.say(room, "the end")
    await stays.listen(romeo, matrix_stage.room, "the end")
    assert sorted(stays.words.values()) == ["line 0", "line one", "the end", "the sun"]
    assert sorted(stays.reactions.values()) == [["🌞"], ["🎉"]]

    await mercutio.join(matrix_stage.room, "mercutio", history="<history maxstanzas='0'/>")
    told = await away.catch_up(mercutio, matrix_stage.room, size)
    assert away.state == stays.state
    entered = Reader()
    told = await entered.catch_up(mercutio, matrix_stage.room, size)
    assert entered.state == stays.state
    tombs = [one for one in told if _is_tombstone(one)]
    retracts = {value(one, "retract:retract/@id"): one for one in told if values(one, "retract:retract")}
    assert sorted(retracts) == sorted(gone)
    for tomb in tombs:
        [act] = [one for one in retracts.values() if one.get("id") == value(tomb, "retract:retracted/@id")]
        assert tomb.find("body") is None
        by = values(act, "retract:retract/moderate:moderated/@by")
        assert values(tomb, "retract:retracted/moderate:moderated/@by") == by
        assert by == ([f"{matrix_stage.room}/Juliet"] if value(act, "retract:retract/@id") == gone[2] else [])
    assert len(tombs) == len(gone)
    assert values(retracts[gone[2]], "retract:retract/retract:reason") == ["manners"]


@pytest.mark.last
async def test_what_was_done_is_told_after_a_restart_of_the_bridge(matrix_stage: MatrixStage):
    """It is the homeserver that remembers; and our ghosts' own words that say what a reaction was on."""
    romeo, juliet, room = await matrix_stage.together()
    said = await lines(juliet, room, 3)
    stays = Reader()
    await stays.listen(romeo, matrix_stage.room, "line 2")
    romeo.say(matrix_stage.room, "teh sun")
    sun = (await juliet.hears(room, "teh sun"))["event_id"]
    await change_everything(matrix_stage, romeo, juliet, room, said, sun)
    await juliet.say(room, "the end")
    await stays.listen(romeo, matrix_stage.room, "the end")
    await matrix_stage.restart()
    await juliet.say(room, "again")
    await stays.listen(romeo, matrix_stage.room, "again")
    entered = Reader()
    await entered.catch_up(romeo, matrix_stage.room, 4)
    assert entered.state == stays.state
    assert [key for key, keys in entered.reactions.items() if keys == ["🎉"]] == [
        (said[0], f"{matrix_stage.room}/romeo")
    ]


async def test_many_reactions_are_paged_through(matrix_stage: MatrixStage):
    """A page is never empty before the end."""
    romeo, juliet, room = await matrix_stage.together()
    [target] = await lines(juliet, room, 1)
    await asyncio.gather(*(like(juliet, room, target, chr(0x1F600 + number)) for number in range(30)))
    await juliet.say(room, "the end")
    await romeo.mailbox.find(Pattern("message", body="the end"))
    romeo.mailbox.clear()
    reader = Reader()
    told = await reader.catch_up(romeo, matrix_stage.room, 7)
    assert len(told) == 32
    [keys] = reader.reactions.values()
    assert keys == [chr(0x1F600 + number) for number in range(30)]


@pytest.mark.last
async def test_end_of_a_reaction_is_told_after_a_restart_of_the_bridge(matrix_stage: MatrixStage):
    """The homeserver does not say any more what it was on: of those that ended before, or meanwhile, we know."""
    romeo, juliet, room = await matrix_stage.together()
    mercutio, away = await matrix_stage.on_xmpp("mercutio"), Reader()
    await mercutio.join(matrix_stage.room, "mercutio")
    [target] = await lines(juliet, room, 1)
    rose, sun = [await like(juliet, room, target, key) for key in "🌹🌞"]
    await juliet.say(room, "there")
    await away.listen(mercutio, matrix_stage.room, "there")
    assert list(away.reactions.values()) == [sorted("🌹🌞")]
    await mercutio.left(matrix_stage.room, "mercutio")
    await juliet.client.room_redact(room, rose)
    await juliet.say(room, "one is gone")
    await romeo.mailbox.find(Pattern("message", body="one is gone"))
    daemon = matrix_stage.bridge.daemon
    await asyncio.to_thread(daemon.stop)
    await juliet.client.room_redact(room, sun)
    await asyncio.to_thread(daemon.start)
    mercutio.mailbox.clear()
    await mercutio.join(matrix_stage.room, "mercutio")
    await juliet.say(room, "both are gone")
    await mercutio.mailbox.find(Pattern("message", body="both are gone"))
    await away.catch_up(mercutio, matrix_stage.room, 10)
    assert away.state[1] == {}
