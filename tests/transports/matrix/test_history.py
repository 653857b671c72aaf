"""The past of a room, from a homeserver that remembers it."""

from __future__ import annotations

import json
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail, succeed

from bridge.errors import BridgeError, Trouble
from bridge.events import Message, MessageId, Reaction, Retraction
from bridge.network import HistoryQuery, Tombstone
from transports.matrix.history import REQUESTS, History, Reader, corrected, settled
from transports.matrix.refusal import Refusal
from transports.matrix.translate import live

from .raw import ALICE, BOB, ROMEO, ROOM, event, garden, member, room, said
from .web import outcome

ASKED = HistoryQuery(room=ROOM)
SETTLED = HistoryQuery(room=ROOM, settled=True)
BEGIN = 1_700_000_000


WAYS = ("messages", "context", "event", "timestamp_to_event", "state", "relations")


class Memory:
    """A homeserver's memory of one room: the events, one a second; `hidden` are not for who asks."""

    def __init__(self, *events: dict, bundles: bool = True, hidden: int = 0) -> None:
        self.events = [
            {**one, "origin_server_ts": (BEGIN + second) * 1000} for second, one in enumerate(events)
        ]
        self.hidden = hidden
        self.membership: str | None = None
        self.asked: list[str] = []
        self.refused: dict[str, Refusal] = {}
        if bundles:
            self._bundle()

    def _bundle(self) -> None:
        for one in self.events:
            original = corrected(one)
            for target in self.events:
                if target["event_id"] == original and target["content"]:
                    target["unsigned"] = {"m.relations": {"m.replace": one}}

    def api(self, request: tuple, **options) -> Deferred:
        return self.call(request[0], request[1].partition("?")[0], **options)

    def call(self, method: str, path: str, *, query=None, user: str, patience: float) -> Deferred:
        assert (method, user) == ("GET", ROMEO)
        parts = [unquote(part) for part in path.split("/")]
        what = next(part for part in parts if part in WAYS)
        self.asked.append(what)
        if what in self.refused:
            return fail(self.refused[what])
        return getattr(self, f"_{what}")(parts[-3] if what == "relations" else parts[-1], query or {})

    def _place(self, event_id: str) -> int | None:
        found = [place for place, one in enumerate(self.events) if one["event_id"] == event_id]
        return found[0] if found else None

    def _state(self, *_) -> Deferred:
        return succeed({"membership": self.membership}) if self.membership else self._missing()

    def _context(self, event_id: str, query) -> Deferred:
        assert query["limit"] == "0"
        place = self._place(event_id)
        return succeed({"end": f"t{place + 1}"}) if place is not None else self._missing()

    def _event(self, event_id: str, query) -> Deferred:
        place = self._place(event_id)
        return succeed(self.events[place]) if place is not None else self._missing()

    def _relations(self, event_id: str, query) -> Deferred:
        """The latest first, one at a time; a redacted one tells no more what it was on."""
        found = [
            one
            for one in reversed(self.events)
            if one["type"] == "m.reaction"
            and one["content"].get("m.relates_to", {}).get("event_id") == event_id
        ]
        place = int(query.get("from", 0))
        more = {"next_batch": str(place + 1)} if place + 1 < len(found) else {}
        return succeed({"chunk": found[place : place + 1], **more})

    def _timestamp_to_event(self, _, query) -> Deferred:
        assert query["dir"] == "b"
        found = [one for one in self.events if one["origin_server_ts"] <= int(query["ts"])]
        return succeed({"event_id": found[-1]["event_id"]}) if found else self._missing()

    def _missing(self) -> Deferred:
        return fail(Refusal(404, {"errcode": "M_NOT_FOUND"}))

    def _messages(self, _, query) -> Deferred:
        wanted = json.loads(query["filter"])
        backwards = query["dir"] == "b"
        places = list(enumerate(self.events, 1))
        low, high = 0, len(places)
        low, high = (
            (int(query.get("to", "t0")[1:]), int(query.get("from", f"t{high}")[1:]))
            if backwards
            else (int(query.get("from", "t0")[1:]), int(query.get("to", f"t{high}")[1:]))
        )
        chunk = [
            (place, one)
            for place, one in (reversed(places) if backwards else places)
            if low < place <= high
            and one["type"] in wanted["types"]
            and one["sender"] in wanted.get("senders", [one["sender"]])
        ][: int(query["limit"])]
        if not chunk:
            return succeed({"chunk": []})
        last = chunk[-1][0]
        shown = [one for place, one in chunk if place > self.hidden]
        state = [member(one["sender"], one["sender"][1:4]) for one in shown]
        known = {"state": state} if wanted.get("lazy_load_members") else {}
        return succeed({"chunk": shown, "end": f"t{last - 1 if backwards else last}", **known})

    def page(self, asked: HistoryQuery = ASKED, **more):
        """Ask as Romeo, who is in, or from outside."""
        reader = Reader(ROMEO, "!garden:hs.example", more.pop("room", None) or garden(), **more)
        return outcome(Deferred.fromCoroutine(History(self).page(asked, reader)))  # type: ignore[arg-type]


def edit(original: dict, words: str, sender: str | None = None) -> dict:
    relation = {"rel_type": "m.replace", "event_id": original["event_id"]}
    new = {"msgtype": "m.text", "body": words}
    return said(
        sender or original["sender"], f"* {words}", **{"m.new_content": new, "m.relates_to": relation}
    )


def lines(count: int, sender: str = ALICE) -> list[dict]:
    return [said(sender, f"line {number}") for number in range(count)]


def words(page) -> list[str]:
    return [message.body.plain for message in page.entries]


def react(target: str, sender: str, key: str) -> dict:
    return event(
        "m.reaction", sender, {"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": key}}
    )


def redact(events: list[dict], gone: dict, sender: str, **content) -> dict:
    """Have somebody redact an event: the homeserver has it without its content from then on."""
    act = event("m.room.redaction", sender, {"redacts": gone["event_id"], **content})
    place = next(place for place, one in enumerate(events) if one["event_id"] == gone["event_id"])
    events[place] = {**gone, "content": {}, "unsigned": {"redacted_because": act}}
    events.append(act)
    return act


def test_page_of_a_quiet_room_costs_two_requests_and_of_a_busy_one_one():
    """The first or the last messages, oldest first; the room's other events are none."""
    memory = Memory(*lines(3), event("m.reaction", BOB, {}), member(BOB, "Bob"), said(BOB, "hello"))
    assert words(memory.page(SETTLED)) == words(memory.page()) == ["line 0", "line 1", "line 2", "hello"]
    assert memory.asked == ["messages"] * 4
    page = memory.page(replace(ASKED, limit=2, last=True))
    assert words(page) == ["line 2", "hello"] and not page.complete
    assert words(memory.page(replace(SETTLED, limit=2, last=True))) == ["line 2", "hello"]
    # a reaction that is gone is no entry, but an event of the chunk
    assert memory.asked == ["messages"] * 7
    first, second = page.entries
    assert (first.room, first.nick, first.time, second.nick) == (ROOM, "Alice", BEGIN + 2, "Bob")
    assert memory.page(replace(ASKED, limit=0)).complete is False


sayings = st.lists(st.sampled_from(["say", "edit", "redacted", "react", "name"]), max_size=30)


def story(plan: list[str]) -> tuple[list[dict], list[str]]:
    """Return events, and the words that are left of them in the end."""
    events, left = [], {}
    for number, step in enumerate(plan):
        if step == "edit" and left:
            original = next(one for one in events if one["event_id"] in left)
            events.append(edit(original, f"edit {number}"))
            left[original["event_id"]] = f"edit {number}"
        elif step == "redacted":
            events.append(event("m.room.message", BOB, {}, unsigned={"redacted_because": {}}))
        elif step == "react":
            events.append(event("m.reaction", BOB, {}))
        elif step == "name":
            events.append(member(BOB, f"Bob {number}"))
        else:
            events.append(said(ALICE, f"line {number}"))
            left[events[-1]["event_id"]] = f"line {number}"
    return events, list(left.values())


@given(sayings, st.integers(1, 8), st.booleans())
def test_pages_add_up_to_the_whole(plan, size, backwards):
    """Each is full but the last, nothing comes twice, and only the last one is complete."""
    events, left = story(plan)
    memory = Memory(*events)
    asked, seen = replace(SETTLED, limit=size, last=backwards), []
    for _ in range(len(left) // size + 2):
        page = memory.page(asked)
        seen = words(page) + seen if backwards else seen + words(page)
        if page.complete:
            break
        assert len(page.entries) == size
        end = page.entries[0 if backwards else -1].id
        asked = replace(asked, **{"before" if backwards else "after": end})
    assert page.complete
    assert seen == left


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("bundles", [False, True])
def test_edited_message_has_its_last_words(last, bundles):
    """Whether the homeserver sends them along or not; who is not its author cannot edit it."""
    first, second = lines(2)
    events = [first, second, edit(first, "better"), edit(second, "forged", BOB), edit(first, "best")]
    assert words(Memory(*events, bundles=bundles).page(replace(SETTLED, last=last))) == ["best", "line 1"]


def test_edit_keeps_what_the_message_answers_and_was_made_of():
    """An edit tells of neither."""
    relation = {"m.in_reply_to": {"event_id": "$asked"}}
    first = said(ROMEO, "teh", **{"xmppbridge.origin": {"id": "m1"}, "m.relates_to": relation})
    [message] = Memory(first, edit(first, "the")).page(SETTLED).entries
    assert (message.body.plain, message.origin, message.reply.id) == ("the", "m1", "$asked")
    assert message.replaces == "" and message.id == first["event_id"]


def test_redacted_message_is_not_brought_back_by_its_edit():
    """It stays gone."""
    gone = event("m.room.message", ALICE, {})
    assert settled(gone, {gone["event_id"]: edit(gone, "back")}) == gone
    assert words(Memory(gone, edit(gone, "back")).page(SETTLED)) == []


def test_range_is_between_ids_and_times():
    """Ids are left out, times are included; those ask the homeserver for places in the timeline."""
    events = lines(6)
    memory = Memory(*events)
    after, before = (MessageId(events[place]["event_id"]) for place in (1, 4))
    for last in (False, True):
        asked = replace(ASKED, last=last)
        assert words(memory.page(replace(asked, after=after, before=before))) == ["line 2", "line 3"]
        assert words(memory.page(replace(asked, start=BEGIN + 1.5, end=BEGIN + 3))) == ["line 2", "line 3"]
        assert words(memory.page(replace(asked, start=BEGIN - 5, end=BEGIN))) == ["line 0"]
        assert words(memory.page(replace(asked, end=BEGIN - 5))) == []
        assert words(memory.page(replace(asked, after=before, end=BEGIN + 9))) == ["line 5"]
    memory.refused["timestamp_to_event"] = Refusal(404, {"errcode": "M_UNRECOGNIZED"})
    assert words(memory.page(replace(ASKED, start=BEGIN + 2, end=BEGIN + 3))) == ["line 2", "line 3"]


def test_certain_messages_are_had_by_their_ids():
    """Oldest first; all of them, or none."""
    events = [*lines(3), event("m.reaction", BOB, {})]
    ids = [MessageId(one["event_id"]) for one in events]
    memory = Memory(*events)
    page = memory.page(replace(ASKED, ids=[ids[2], ids[0]]))
    assert (words(page), page.complete) == (["line 0", "line 2"], True)
    for wrong in ("$never", ids[3]):
        error = memory.page(replace(ASKED, ids=[ids[0], MessageId(wrong)]))
        assert isinstance(error, BridgeError) and error.trouble is Trouble.NOT_FOUND


@pytest.mark.parametrize(
    ("place", "code", "trouble"),
    [
        ("context", "M_NOT_FOUND", Trouble.NOT_FOUND),
        ("context", "M_FORBIDDEN", Trouble.FORBIDDEN),
        ("messages", "M_FORBIDDEN", Trouble.FORBIDDEN),
        ("messages", "M_UNKNOWN", Trouble.BUSY),
    ],
)
def test_what_the_homeserver_refuses_is_an_error(place, code, trouble):
    """Not known, not allowed, not now."""
    memory = Memory(*lines(1))
    status = {"M_NOT_FOUND": 404, "M_FORBIDDEN": 403}.get(code, 500)
    memory.refused[place] = Refusal(status, {"errcode": code})
    error = memory.page(replace(ASKED, after=MessageId("$event")))
    if place == "messages":
        error = memory.page()
    assert isinstance(error, BridgeError) and error.trouble is trouble


def test_one_author_is_asked_for_by_his_nick():
    """Who is in is asked for by his id; who is not is looked for in what everybody said."""
    memory = Memory(*lines(2), said(BOB, "hello"), said("@dan:hs.example", "gone"))
    assert words(memory.page(replace(ASKED, nick="Bob"))) == ["hello"]
    assert words(memory.page(replace(ASKED, nick=garden().nick("@dan:hs.example")))) == ["gone"]
    assert words(memory.page(replace(ASKED, nick="nobody"))) == []


def test_nicks_of_a_room_where_nobody_is_come_with_what_was_said():
    """The homeserver sends along who they are."""
    page = Memory(*lines(1), said(BOB, "hi")).page(room=room(), strange=True)
    assert [message.nick for message in page.entries] == ["ali", "bob"]


@pytest.mark.parametrize("membership", ["leave", "ban", "invite", "join", None])
def test_who_left_reads_nothing_until_he_is_in_again(membership):
    """Who never was in, or is, reads what the homeserver shows him."""
    memory = Memory(*lines(1))
    memory.membership = membership
    found = memory.page(room=room(), strange=True)
    if membership in ("join", None):
        assert words(found) == ["line 0"]
    else:
        assert isinstance(found, BridgeError) and found.trouble is Trouble.FORBIDDEN


def test_what_is_still_to_be_heard_is_no_past_yet():
    """It comes as what happens now; what was heard, or is older, is past."""
    events = lines(3)
    memory, seen = Memory(*events), garden()
    assert words(memory.page(room=seen, heard=BEGIN + 0.5)) == ["line 0"]
    seen.timeline.learn(events[2]["event_id"], ALICE)
    assert words(memory.page(room=seen, heard=BEGIN + 0.5)) == ["line 0", "line 2"]


def test_search_behind_what_may_not_be_seen_ends():
    """After a bounded number of requests, as at the end if nothing was found."""
    memory = Memory(*lines(4_000), bundles=False, hidden=3_998)
    page = memory.page(replace(ASKED, limit=1, last=True))
    assert (words(page), page.complete) == (["line 3999"], False)
    memory.asked.clear()
    page = memory.page(replace(ASKED, limit=10, last=True))
    assert (words(page), page.complete) == (["line 3998", "line 3999"], False)
    assert memory.asked == ["messages"] * REQUESTS
    page = memory.page(replace(ASKED, last=True, before=page.entries[0].id))
    assert (words(page), page.complete) == ([], True)


def test_answer_that_makes_no_sense_is_an_empty_page():
    """Whatever another homeserver leaves out."""

    class Odd(Memory):
        def _messages(self, _, query) -> Deferred:
            return succeed(["chunk"])

    assert Odd().page().entries == []


def test_place_that_is_not_told_is_an_error_and_no_other_place():
    """A client that was shown the newest page again and again would ask for ever."""

    class Odd(Memory):
        def _context(self, event_id: str, query) -> Deferred:
            return succeed({})

    error = Odd(*lines(3)).page(replace(ASKED, last=True, before=MessageId("$event")))
    assert isinstance(error, BridgeError) and error.trouble is Trouble.REFUSED


# ---- what happened


def test_correction_is_an_entry_of_its_own():
    """The message has its first words; the correction, which a stranger cannot make, names its author's id."""
    first = said(ROMEO, "teh", **{"xmppbridge.origin": {"id": "m1"}})
    other = said(ALICE, "line")
    memory = Memory(
        first, other, better := edit(first, "the"), edit(other, "forged", BOB), edit(other, "words")
    )
    page = memory.page()
    assert words(page) == ["teh", "line", "the", "words"]
    assert [message.replaces for message in page.entries] == ["", "", "m1", other["event_id"]]
    assert page.entries[2].id == better["event_id"]
    memory.asked.clear()
    [last] = memory.page(replace(ASKED, limit=1, after=MessageId(other["event_id"]))).entries
    assert last.replaces == "m1"
    assert memory.asked == ["context", "messages", "event", "event", "messages"]


def test_correction_of_what_may_not_be_seen_is_shown():
    """Its words are for who asks; what it corrects was said before he may look."""
    first = said(ALICE, "teh")
    memory = Memory(edit(first, "the"))
    [message] = memory.page().entries
    assert (message.body.plain, message.replaces) == ("the", first["event_id"])


def test_retraction_leaves_a_tombstone_and_is_an_entry():
    """By the author, or by a moderator with his reason; the words of corrections go as well."""
    mine, hers = said(ROMEO, "teh"), said(BOB, "rude")
    events = [mine, hers, edit(mine, "the")]
    own, moderated = redact(events, mine, ROMEO), redact(events, hers, ALICE, reason="manners")
    memory = Memory(*events)
    mine_gone, hers_gone, edit_gone, own_act, moderation = memory.page().entries
    assert all(isinstance(one, Tombstone) for one in (mine_gone, hers_gone, edit_gone))
    assert (mine_gone.id, mine_gone.nick, mine_gone.time) == (mine["event_id"], "romeo", BEGIN)
    assert (mine_gone.retraction.act, mine_gone.retraction.time) == (own["event_id"], BEGIN)
    assert hers_gone.retraction.reason == "manners" and hers_gone.retraction.actor == "Alice"
    assert (edit_gone.id, edit_gone.retraction.act) == (events[2]["event_id"], own["event_id"])
    assert own_act == Retraction(
        room=ROOM, id=mine["event_id"], nick="romeo", act=own["event_id"], identity=ROMEO, time=BEGIN + 3
    )
    assert moderation == Retraction(
        room=ROOM,
        id=hers["event_id"],
        nick="Bob",
        actor="Alice",
        reason="manners",
        act=moderated["event_id"],
        identity=ALICE,
        time=BEGIN + 4,
    )
    memory.asked.clear()
    page = memory.page(replace(ASKED, after=MessageId(events[2]["event_id"])))
    assert page.entries == [own_act, moderation]
    assert memory.asked == ["context", "messages", "event", "event", "messages"]


def test_reaction_tells_all_that_stand_now():
    """Whatever part of them is on the page, and whichever way it is paged."""
    target = said(ALICE, "hello")
    events = [target, react(target["event_id"], BOB, "👍"), react(target["event_id"], ALICE, "🌹")]
    events += [react(target["event_id"], BOB, "🌞"), react(target["event_id"], BOB, "🎉")]
    gone = redact(events, events[3], BOB)
    memory = Memory(*events)
    for asked in (ASKED, replace(ASKED, last=True), replace(ASKED, after=MessageId(events[2]["event_id"]))):
        page = memory.page(asked)
        told = [(one.nick, one.emojis) for one in page.entries if isinstance(one, Reaction)]
        assert told[-1] == ("Bob", ("👍", "🎉"))
        assert all(emojis == ("👍", "🎉") for nick, emojis in told if nick == "Bob")
    assert gone["event_id"] not in [getattr(one, "act", "") for one in page.entries]


@pytest.mark.parametrize("reactor", [ROMEO, BOB])
def test_end_of_a_reaction_is_told_as_far_as_it_is_known_what_it_was_on(reactor):
    """The room remembers it while the bridge runs; the redaction by a ghost of ours says it for ever."""
    target = said(ALICE, "hello")
    like = react(target["event_id"], reactor, "👍")
    events, seen = [target, like], garden()
    for one in events:
        live(one, seen)
    marker = {"xmppbridge.origin": {"id": "m1", "on": target["event_id"]}}
    act = redact(events, like, reactor, **(marker if reactor == ROMEO else {}))
    live(act, seen)
    memory = Memory(*events)
    [_, end] = memory.page(room=seen).entries
    assert (end.id, end.emojis, end.act) == (target["event_id"], (), act["event_id"])
    assert end.nick == seen.nick(reactor)
    assert len(memory.page().entries) == (2 if reactor == ROMEO else 1)


def test_marker_of_a_stranger_is_not_believed():
    """Only our own ghosts say what a reaction was on."""
    target = said(ALICE, "hello")
    like = react(target["event_id"], BOB, "👍")
    events = [target, like]
    redact(events, like, BOB, **{"xmppbridge.origin": {"on": target["event_id"]}})
    assert words(Memory(*events).page()) == ["hello"]


@pytest.mark.parametrize("status", [403, 404, 500])
def test_reactions_that_cannot_be_looked_up_are_told_one_by_one(status):
    """Unless the homeserver is in trouble, which is an error: the client asks again."""
    memory = Memory(said(ALICE, "hello"), react("$elsewhere", BOB, "👍"))
    memory.refused["relations"] = Refusal(status, {"errcode": "M_UNKNOWN"})
    page = memory.page()
    if status == 500:
        assert isinstance(page, BridgeError)
    else:
        assert page.entries[1].emojis == ("👍",)


class Client:
    """What somebody on XMPP has of the room: words by the message's id, reactions by message and nick."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.reactions: dict[tuple[str, str], tuple[str, ...]] = {}

    def take(self, one) -> None:
        if isinstance(one, Message):
            original = self.names.get(one.replaces, one.replaces) or one.id
            self.names[one.origin or one.id] = original
            if one.replaces:
                self.words[original] = one.body.plain
            else:
                self.words.setdefault(original, one.body.plain)
        elif isinstance(one, Reaction):
            self.reactions[one.id, one.nick] = tuple(sorted(one.emojis))
        elif isinstance(one, Retraction | Tombstone):
            self.words.pop(one.id, None)

    @property
    def state(self) -> tuple[dict, dict]:
        left = {key: emojis for key, emojis in self.reactions.items() if emojis and key[0] in self.words}
        return self.words, left


deeds = st.lists(
    st.tuples(
        st.sampled_from(["say", "edit", "react", "unreact", "retract", "moderate"]),
        st.sampled_from([BOB, ROMEO]),
        st.integers(0, 5),
    ),
    max_size=25,
)


def happen(plan) -> tuple[list[dict], list[dict]]:
    """Return what happened, as it was pushed and as the homeserver remembers it."""
    kept: list[dict] = []
    pushed: list[dict] = []
    for number, (deed, who, which) in enumerate(plan):
        standing = [one for one in kept if one["type"] == "m.room.message" and not corrected(one)]
        standing = [one for one in standing if one["content"]]
        own = [one for one in standing if one["sender"] == who]
        likes = [
            one for one in kept if one["type"] == "m.reaction" and one["content"] and one["sender"] == who
        ]
        if deed == "edit" and own:
            kept.append(edit(own[which % len(own)], f"edit {number}"))
        elif deed == "react" and standing:
            kept.append(react(standing[which % len(standing)]["event_id"], who, "👍🌹🌞🎉👎😀"[which]))
        elif deed == "unreact" and likes:
            redact(kept, likes[which % len(likes)], who)
        elif deed == "retract" and own:
            redact(kept, own[which % len(own)], who)
        elif deed == "moderate" and standing:
            redact(kept, standing[which % len(standing)], ALICE)
        else:
            kept.append(said(who, f"line {number}"))
        pushed.append(kept[-1])
    return pushed, kept


@given(deeds, st.integers(0, 25), st.integers(1, 6), st.booleans())
def test_who_was_away_ends_where_who_stayed_does(plan, away, size, backwards):
    """However much he heard before, and however he pages through the rest."""
    pushed, kept = happen(plan)
    seen, stayed, client = garden(), Client(), Client()
    last = None
    for number, one in enumerate(pushed):
        for told in live(one, seen):
            stayed.take(told)
            if number < away:
                client.take(told)
        last = one["event_id"] if number < away else last
    memory = Memory(*kept, bundles=False)
    asked = replace(ASKED, limit=size, after=None if last is None else MessageId(last), last=backwards)
    pages = []
    while True:
        page = memory.page(asked, room=seen)
        pages.append(page.entries)
        if page.complete:
            break
        assert len(page.entries) == size
        end = page.entries[0 if backwards else -1]
        place = MessageId(getattr(end, "act", "") or end.id)
        asked = replace(asked, **{"before" if backwards else "after": place})
    for entries in reversed(pages) if backwards else pages:
        for told in entries:
            client.take(told)
    assert client.state == stayed.state
