"""What each side of a room of XMPP that people of Matrix are in brings about on the other."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Affiliation,
    ChangeNick,
    Decline,
    Depart,
    Enter,
    Entered,
    Exit,
    Exited,
    Failed,
    Invite,
    Join,
    Kick,
    Leave,
    Message,
    MessageId,
    NickChange,
    NickRefused,
    NotEntered,
    Occupant,
    OccupantChange,
    Profile,
    Reaction,
    Receipt,
    Ref,
    Reply,
    Retraction,
    Role,
    RoomId,
    RoomNotice,
    Sent,
    SetAffiliation,
    Text,
    Topic,
    Typing,
    TypingState,
    UserId,
)
from transports.matrix import portal as module
from transports.matrix.actions import actions
from transports.matrix.content import mapping
from transports.matrix.portal import Portal
from transports.matrix.portal_steps import (
    Act,
    Dress,
    Expel,
    Notice,
    Promote,
    Read,
    Redacted,
    Retry,
    Say,
    Seat,
    SetTopic,
    Type,
    Unseat,
)
from transports.matrix.tables import MARKER

from .raw import ALICE, BOB, IDS, create, event, levels, member, said, state

BOT = "@xmppbridge:hs.example"
MUC = RoomId("balcony@conf.example")
ROMEO = Occupant(nick="Romeo", address="romeo@montague.example/a", identity="romeo@montague.example")
GHOST = IDS.ghost("romeo@montague.example")
NURSE = Occupant(nick="Nurse", identity="id-of-nurse")
NURSES = IDS.ghost(f"{MUC}/id-of-nurse")


def empty(*members) -> Portal:
    """A portal whose state was loaded."""
    numbers = count(1)
    made = Portal(
        MUC,
        "!p:hs.example",
        IDS,
        BOT,
        lambda: Ref(next(numbers)),
        lambda user: "mallory" not in user,
        lambda name, filename: f"https://gw.example/{name}/{filename}",
    )
    for _ in made.session.load([create(BOT), levels(BOT, users={BOT: 100}), member(BOT), *members]):
        continue
    return made


def me(nick: str, role: Role = Role.PARTICIPANT) -> Occupant:
    return Occupant(nick=nick, role=role)


def entered(nick: str, *others: Occupant, role: Role = Role.PARTICIPANT, topic: Topic | None = None):
    return Entered(room=MUC, me=me(nick, role), occupants={one.nick: one for one in others}, topic=topic)


def inside(*others: Occupant) -> Portal:
    """A portal where Alice of Matrix is, and others on XMPP."""
    made = empty(member(ALICE, "Alice"))
    made.begin()
    made.heard(ALICE, entered("Alice", *others))
    return made


def sent(portal: Portal, steps, id: str = "s1"):
    """Have the room on XMPP take what the only step says."""
    [act] = steps
    portal.heard(
        act.user_id, Sent(ref=act.event.ref, message=Message(room=MUC, body=Text(plain=""), id=MessageId(id)))
    )
    return act.event


def words(sender: str, body: str, event_id: str, **content):
    return {**said(sender, body, **content), "event_id": event_id}


def spoken(body: str, id: str, nick: str = "Romeo", **more) -> Message:
    return Message(room=MUC, nick=nick, body=Text(plain=body), id=MessageId(id), **more)


# ---- who is in


def test_people_of_matrix_enter_by_their_display_names():
    """Our own user and ghosts do not."""
    portal = empty(member(ALICE, "Alice"), member(GHOST, "Romeo"))
    assert portal.begin() == [Act(ALICE, Enter(room=MUC, nick="Alice"))]
    assert portal.is_entering(ALICE)
    assert portal.hear(member(BOB, "Bob")) == [Act(BOB, Enter(room=MUC, nick="Bob"))]
    assert portal.hear(member(BOT)) == []


def test_who_is_not_allowed_is_put_out():
    """The operator's rules decide who may be a guest where."""
    [expelled] = inside().hear(member("@mallory:hs.example"))
    assert isinstance(expelled, Expel) and expelled.user_id == "@mallory:hs.example"


def test_occupants_are_seen_as_ghosts():
    """By their own ghosts where the room shows who they are, by ghosts of this room elsewhere."""
    portal = empty(member(ALICE, "Alice"))
    portal.begin()
    steps = portal.heard(ALICE, entered("Alice", ROMEO, NURSE))
    assert steps == [Seat(GHOST, "Romeo"), Seat(NURSES, "Nurse")]
    assert portal.heard(ALICE, Join(room=MUC, occupant=Occupant(nick="Peter"))) == [
        Seat(IDS.ghost(f"{MUC}/Peter"), "Peter")
    ]
    assert portal.heard(ALICE, Leave(room=MUC, nick="Romeo", reason="bye")) == [Unseat(GHOST, "bye")]
    kicked = Kick(room=MUC, nick="Nurse", actor="Peter", reason="spam")
    assert portal.heard(ALICE, kicked) == [Unseat(NURSES, "Peter: spam", by_us=True)]


def test_ghosts_of_those_who_left_meanwhile_leave():
    """After a restart the room on Matrix is as the one on XMPP."""
    portal = empty(member(ALICE, "Alice"), member(GHOST, "Romeo"))
    portal.begin()
    assert portal.heard(ALICE, entered("Alice", NURSE)) == [Seat(NURSES, "Nurse"), Unseat(GHOST)]


def test_entering_again_shows_what_changed_meanwhile():
    """Somebody else may have the nick now; another guest who sees less changes nothing."""
    portal = inside(ROMEO, NURSE)
    impostor = Occupant(nick="Romeo", identity="id-of-paris")
    steps = portal.heard(ALICE, entered("Alice", impostor))
    assert steps == [Unseat(NURSES), Unseat(GHOST), Seat(IDS.ghost(f"{MUC}/id-of-paris"), "Romeo")]
    portal.hear(member(BOB, "Bob"))
    assert portal.heard(BOB, entered("Bob", Occupant(nick="Romeo", identity="other"), me("Alice"))) == []


def test_nick_change_renames_the_ghost():
    """On Matrix it is the same person under another name."""
    portal = inside(ROMEO)
    renamed = NickChange(room=MUC, old="Romeo", occupant=Occupant(nick="Montague", identity="x"))
    assert portal.heard(ALICE, renamed) == [Seat(GHOST, "Montague")]
    assert portal.heard(ALICE, Leave(room=MUC, nick="Montague")) == [Unseat(GHOST)]


def test_last_guest_takes_all_ghosts_along():
    """Nobody is told any more of who is in the room."""
    portal = inside(ROMEO)
    portal.hear(member(GHOST, "Romeo"))
    steps = portal.hear(member(ALICE, membership="leave", reason="night"))
    assert steps == [Act(ALICE, Depart(room=MUC, reason="night")), Unseat(GHOST)]
    assert portal.heard(ALICE, Exited(room=MUC, nick="Alice", exit=Exit.LEFT)) == []


def test_nick_in_use_is_told_apart():
    """The next choice names the user, and in the end a name is found or the guest is refused."""
    portal = empty(member(ALICE, "Alice"))
    portal.begin()
    in_use = NotEntered(room=MUC, nick="", error=BridgeError(Trouble.NICK_IN_USE))
    tried = []
    while isinstance((steps := portal.heard(ALICE, in_use))[0], Act):
        tried.append(steps[0].event.nick)
    assert tried[:3] == ["Alice (alice:hs.example)", "alice", "alice2"]
    assert isinstance(steps[0], Expel)


@pytest.mark.parametrize("trouble", [Trouble.BANNED, Trouble.BAD_PASSWORD, Trouble.LOGIN_NEEDED])
def test_who_is_refused_is_put_out_with_the_reason(trouble):
    """He would speak to nobody."""
    portal = empty(member(ALICE, "Alice"))
    portal.begin()
    error = BridgeError(trouble, "no")
    assert portal.heard(ALICE, NotEntered(room=MUC, nick="", error=error)) == [Expel(ALICE, "no")]
    assert portal.guests == {}


def test_room_that_cannot_be_reached_is_tried_again():
    """The guest stays where he is, and is told once."""
    portal = empty(member(ALICE, "Alice"))
    portal.begin()
    lost = NotEntered(room=MUC, nick="", error=BridgeError(Trouble.TIMED_OUT, "silence"))
    notice, retry = portal.heard(ALICE, lost)
    assert isinstance(notice, Notice) and "silence" in notice.text
    assert retry == Retry(ALICE, 10.0)
    [answer] = portal.hear(words(ALICE, "anybody?", "$lost"))
    assert (answer.event_id, "Not delivered" in answer.text) == ("$lost", True)
    assert portal.enter_again(ALICE) == [Act(ALICE, Enter(room=MUC, nick="Alice"))]
    assert portal.heard(ALICE, lost) == [Retry(ALICE, 20.0)]
    portal.enter_again(ALICE)
    portal.heard(ALICE, entered("Alice"))
    assert portal.enter_again(ALICE) == []


def test_lost_room_is_entered_again_from_where_it_was_left():
    """What was said meanwhile is asked for by the first who is back."""
    portal = inside(ROMEO)
    portal.seen = 5.0
    gone = Exited(room=MUC, nick="Alice", exit=Exit.DISCONNECTED, reason="link")
    notice, retry = portal.heard(ALICE, gone)
    assert isinstance(notice, Notice) and isinstance(retry, Retry)
    assert portal.enter_again(ALICE) == [Act(ALICE, Enter(room=MUC, nick="Alice", since=5.0))]


@pytest.mark.parametrize("how", [Exit.KICKED, Exit.STRUCK, Exit.BANNED])
def test_who_is_put_out_there_is_put_out_here(how):
    """If he comes back, the room on XMPP decides anew."""
    portal = inside(ROMEO)
    [expel, unseat] = portal.heard(ALICE, Exited(room=MUC, nick="Alice", exit=how, reason="spam"))
    assert isinstance(expel, Expel) and "spam" in expel.reason
    assert unseat == Unseat(GHOST)
    portal.hear(member(ALICE, membership="leave", sender=BOT))
    [again] = portal.hear(member(ALICE, "Alice"))
    assert isinstance(again.event, Enter)


def test_display_name_is_the_nick():
    """A change is asked for there; if it is refused, once more with a nick that tells apart."""
    portal = inside(ROMEO)
    assert portal.hear(member(ALICE, "Capulet")) == [Act(ALICE, ChangeNick(room=MUC, nick="Capulet"))]
    refused = NickRefused(room=MUC, nick="Capulet", error=BridgeError(Trouble.NICK_IN_USE))
    telling = "Capulet (alice:hs.example)"
    assert portal.heard(ALICE, refused) == [Act(ALICE, ChangeNick(room=MUC, nick=telling))]
    assert portal.heard(ALICE, NickRefused(room=MUC, nick=telling, error=refused.error)) == []
    assert portal.heard(ALICE, NickChange(room=MUC, old="Alice", occupant=me(telling))) == []
    assert portal.guests[ALICE].nick == telling


def test_moderator_there_may_moderate_here():
    """And not any more when he is none any more."""
    portal = inside()
    promoted = OccupantChange(room=MUC, occupant=me("Alice", Role.MODERATOR))
    assert portal.heard(ALICE, promoted) == [Promote(ALICE, moderates=True)]
    portal.hear(levels(BOT, users={BOT: 100, ALICE: 50}))
    assert portal.heard(ALICE, promoted) == []
    demoted = OccupantChange(room=MUC, occupant=me("Alice"))
    assert portal.heard(ALICE, demoted) == [Promote(ALICE, moderates=False)]


# ---- what is said


def test_words_of_matrix_are_said_by_the_guest():
    """By the event's id a correction finds them later."""
    portal = inside(ROMEO)
    steps = portal.hear(words(ALICE, "hello", "$one"))
    message = sent(portal, steps)
    assert (message.room, message.body.plain, message.origin) == (MUC, "hello", "$one")
    new = {"msgtype": "m.text", "body": "hallo"}
    relation = {"rel_type": "m.replace", "event_id": "$one"}
    edit = said(ALICE, "* hallo", **{"m.new_content": new, "m.relates_to": relation})
    corrected = sent(portal, portal.hear(edit), "s2")
    assert (corrected.replaces, corrected.body.plain) == ("$one", "hallo")
    assert portal.hear(said(GHOST, "echo")) == []


def test_words_of_xmpp_are_said_by_the_ghost_once():
    """Their id on XMPP names them for ever."""
    [say] = inside(ROMEO).heard(ALICE, spoken("But soft", "s1", origin="o1"))
    assert isinstance(say, Say)
    assert (say.stay.ghost, say.event.body.plain, say.event.origin, say.key) == (
        GHOST,
        "But soft",
        "o1",
        "s1",
    )


@given(st.lists(st.sampled_from(["said", "taken", "answered", "crash"]), max_size=40))
def test_words_of_xmpp_are_on_matrix_once_whatever_crashes(steps):
    """The room there tells what was missed; the events of ghosts tell what a run that has ended had said."""
    portal, there, timeline, waiting = inside(ROMEO), [], [], []

    def begin() -> None:
        nonlocal portal
        portal = inside(ROMEO)
        portal.links.learn(timeline[::-1], IDS)
        waiting[:] = [step for id in there for step in portal.heard(ALICE, spoken(id, id, time=1.0))]

    def take(*, is_answered: bool) -> None:
        """The homeserver takes what is next; it is known only if its answer comes."""
        say = waiting[0]
        if timeline and timeline[-1]["key"] == say.key:
            # by its transaction id
            event = timeline[-1]
        else:
            [action] = actions(say.event, portal.room, say.stay.ghost)
            event = {"event_id": f"${say.key}", "sender": GHOST, "content": action.content, "key": say.key}
            timeline.append(event)
        if is_answered:
            portal.links.join(event["event_id"], MessageId(say.key))
            waiting.pop(0)

    for step in steps:
        if step == "said":
            there.append(f"s{len(there)}")
            waiting += portal.heard(ALICE, spoken(there[-1], there[-1]))
        elif step == "crash":
            begin()
        elif waiting:
            take(is_answered=step == "answered")
    begin()
    while waiting:
        take(is_answered=True)
    assert [event["key"] for event in timeline] == there


def test_words_of_somebody_who_left_are_said_by_his_ghost_for_a_moment():
    """What was missed is told in the name of who said it."""
    say, unseat = inside().heard(ALICE, spoken("gone", "s1", "Nurse", identity="id-of-nurse"))
    assert (say.stay.ghost, unseat) == (NURSES, Unseat(NURSES))


def test_replies_reactions_and_retractions_know_both_ids():
    """What refers to a message means the same message on the other side."""
    portal = inside(ROMEO)
    portal.links.join("$spoken", MessageId("s1"))
    portal.hear(words(GHOST, "spoken", "$spoken"))
    portal.hear(member(GHOST, "Romeo"))
    answer = words(ALICE, "yes", "$answer", **{"m.relates_to": {"m.in_reply_to": {"event_id": "$spoken"}}})
    assert sent(portal, portal.hear(answer), "s2").reply == Reply(id=MessageId("s1"), nick="Romeo")
    annotation = {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$spoken", "key": "🌹"}}
    [act] = portal.hear(event("m.reaction", ALICE, annotation))
    assert (act.event.id, act.event.emojis) == ("s1", ("🌹",))
    [act] = portal.hear(event("m.room.redaction", ALICE, {"redacts": "$answer"}))
    assert isinstance(act.event, Retraction) and (act.event.id, act.event.actor) == ("s2", "")

    [say] = portal.heard(ALICE, spoken("and?", "s3", reply=Reply(id=MessageId("s2"), nick="Alice")))
    assert say.event.reply.id == "$answer"
    [say] = portal.heard(ALICE, Reaction(room=MUC, nick="Romeo", id=MessageId("s2"), emojis=("🌹",)))
    assert say.event.id == "$answer"
    [say] = portal.heard(ALICE, Retraction(room=MUC, nick="Romeo", id=MessageId("s1")))
    assert say.event.id == "$spoken"
    by_moderator = Retraction(room=MUC, nick="", actor="Nurse", id=MessageId("s2"), reason="rude")
    assert portal.heard(ALICE, by_moderator) == [Redacted("$answer", "rude")]


def test_what_refers_to_the_unknown_is_put_into_words_or_dropped():
    """A reply names whom it answers; a reaction to nothing is nothing."""
    portal = inside(ROMEO)
    portal.hear(member(GHOST, "Romeo"))
    portal.hear(words(GHOST, "old", "$old"))
    answer = said(ALICE, "yes", **{"m.relates_to": {"m.in_reply_to": {"event_id": "$old"}}})
    message = sent(portal, portal.hear(answer))
    assert (message.reply, message.body.plain) == (None, "Romeo: yes")
    annotation = {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$unknown", "key": "x"}}
    assert portal.hear(event("m.reaction", ALICE, annotation)) == []
    assert portal.heard(ALICE, Reaction(room=MUC, nick="Romeo", id=MessageId("?"), emojis=("x",))) == []


def test_what_is_not_delivered_is_told_to_its_author():
    """A notice refers to it."""
    portal = inside(ROMEO)
    [act] = portal.hear(words(ALICE, "hello", "$one"))
    [notice] = portal.heard(ALICE, Failed(ref=act.event.ref, error=BridgeError(Trouble.CANNOT_SPEAK, "hush")))
    assert (notice.event_id, "hush" in notice.text) == ("$one", True)


def test_topics_go_both_ways():
    """None comes back as an echo; one that is refused is set back."""
    portal = inside(ROMEO)
    [say] = portal.heard(ALICE, Topic(room=MUC, nick="Romeo", text="night"))
    assert (say.stay.ghost, say.event.text) == (GHOST, "night")
    assert portal.hear(state("m.room.topic", GHOST, {"topic": "night"})) == []
    [act] = portal.hear(state("m.room.topic", ALICE, {"topic": "day"}))
    assert act.event.text == "day"
    refused = portal.heard(ALICE, Failed(ref=act.event.ref, error=BridgeError(Trouble.NO_PRIVILEGE)))
    assert isinstance(refused[0], Notice) and refused[1] == SetTopic("night")
    portal.hear(state("m.room.topic", BOT, {"topic": "night"}))
    assert portal.heard(ALICE, entered("Alice", ROMEO, topic=Topic(room=MUC, text="night"))) == []


def test_typing_goes_both_ways():
    """Who is writing on Matrix, and who on XMPP."""
    portal = inside(ROMEO)
    assert portal.type({"content": {"user_ids": [ALICE, GHOST]}}) == [
        Act(ALICE, Typing(room=MUC, state=TypingState.COMPOSING))
    ]
    [step] = portal.heard(ALICE, Typing(room=MUC, nick="Romeo", state=TypingState.COMPOSING))
    assert isinstance(step, Type) and step.stay.ghost == GHOST


def test_words_of_the_room_itself_are_notices():
    """Nobody in it said them."""
    portal = inside()
    assert portal.heard(ALICE, RoomNotice(room=MUC, text="lost")) == [Notice("lost")]
    assert portal.heard(ALICE, spoken("maintenance", "s1", nick="")) == [Notice("maintenance")]


def test_occupant_is_the_same_by_another_nick():
    """He is known by his address, or by what the room calls him; who is not in has no nick."""
    portal = inside(ROMEO, NURSE)
    romeo, nurse = portal.cast.user_of("Romeo"), portal.cast.user_of("Nurse")
    assert (romeo, nurse) == (f"{MUC}/romeo@montague.example", f"{MUC}/id-of-nurse")
    portal.heard(ALICE, NickChange(room=MUC, old="Nurse", occupant=structs.replace(NURSE, nick="Angelica")))
    assert (portal.cast.nick_of(nurse), portal.cast.user_of("Angelica")) == ("Angelica", nurse)
    portal.heard(ALICE, Leave(room=MUC, nick="Romeo"))
    assert (portal.cast.nick_of(romeo), portal.speaker) == ("", ALICE)
    portal.heard(ALICE, Exited(room=MUC, nick="Alice", exit=Exit.DISCONNECTED))
    assert (portal.speaker, portal.is_inside(ALICE)) == (None, False)


# ---- who has read, and who looks how


def test_reading_is_told_both_ways_in_small_rooms(monkeypatch):
    """Of messages that are known on both sides."""
    portal = inside(ROMEO)
    portal.hear(member(GHOST, "Romeo"))
    portal.links.join("$1", MessageId("s1"))
    portal.links.join("$2", MessageId("s2"))
    read = {"m.read": {ALICE: {}, BOB: {}, GHOST: {}}}
    receipt = {"type": "m.receipt", "content": {"$1": read, "$x": read}}
    told = [Act(ALICE, Receipt(room=MUC, id=MessageId("s1")))]
    assert portal.read(receipt) == told
    heard = [Receipt(room=MUC, nick=nick, id=MessageId(id)) for nick in ("Romeo", "x") for id in ("s2", "x")]
    assert [step for one in heard for step in portal.heard(ALICE, one)] == [Read(GHOST, "$2")]
    monkeypatch.setattr(module, "READERS", 1)
    assert (portal.read(receipt), portal.heard(ALICE, heard[0])) == ([], [])


def test_guest_shows_his_picture_once_and_whenever_he_comes_in():
    """Who has none says nothing of it."""
    portal = empty(member(ALICE, "Alice"))
    portal.begin()
    assert portal.wear(ALICE, "") == portal.wear(BOB, "aa") == portal.wear(ALICE, "aa") == []
    wish = Act(ALICE, Profile(room=MUC, avatar="aa"))
    assert wish in portal.heard(ALICE, entered("Alice"))
    assert portal.wear(ALICE, "aa") == []
    assert portal.wear(ALICE, "") == [Act(ALICE, Profile(room=MUC, avatar=""))]


def test_ghost_is_dressed_anew_for_another_picture():
    """Not for anything else that changed of him, nor if he is not in."""
    portal = inside(ROMEO)
    assert portal.heard(ALICE, OccupantChange(room=MUC, occupant=NURSE)) == []
    change = OccupantChange(room=MUC, occupant=structs.replace(ROMEO, avatar="aa"))
    assert portal.heard(ALICE, change) == [Dress(GHOST, "Romeo")]
    assert portal.heard(ALICE, change) == []


# ---- moderation


@pytest.mark.parametrize("membership", ["leave", "ban"])
def test_putting_a_ghost_out_is_asked_for_on_xmpp(membership):
    """If it is refused there, the ghost is back."""
    portal = inside(ROMEO)
    portal.hear(member(GHOST, "Romeo"))
    [act] = portal.hear(member(GHOST, membership=membership, sender=ALICE, reason="spam"))
    if membership == "ban":
        assert act.event == SetAffiliation(
            room=MUC, target="Romeo", affiliation=Affiliation.OUTCAST, reason="spam", ref=act.event.ref
        )
    else:
        assert act.event == Kick(room=MUC, nick="Romeo", reason="spam", ref=act.event.ref)
    failed = Failed(ref=act.event.ref, error=BridgeError(Trouble.NO_PRIVILEGE))
    notice, seat = portal.heard(ALICE, failed)
    assert isinstance(notice, Notice) and seat == Seat(GHOST, "Romeo")
    assert portal.hear(member(GHOST, membership="leave", sender=BOT)) == []


def test_inviting_a_ghost_invites_its_user_on_xmpp():
    """Into the room there; somebody known in one room only cannot be invited."""
    portal = inside(ROMEO)
    juliet = IDS.ghost("juliet@capulet.example")
    [act] = portal.hear(member(juliet, membership="invite", sender=ALICE, reason="come"))
    assert act.event == Invite(room=MUC, nick="juliet@capulet.example", reason="come", ref=act.event.ref)
    assert portal.hear(member(NURSES, membership="invite", sender=ALICE)) == []
    assert portal.hear(member(juliet, membership="invite", sender=BOT)) == []


def test_user_of_xmpp_who_comes_in_on_matrix_is_put_out():
    """His room is the one on XMPP; who is there stays."""
    portal = inside(ROMEO)
    assert portal.hear(member(GHOST, "Romeo")) == []
    stray = IDS.ghost("paris@verona.example")
    assert portal.hear(member(stray, "Paris")) == [Unseat(stray)]


def test_malformed_event_is_skipped():
    """It says why, and nothing comes of it."""
    skipped = inside().hear({"type": "m.room.message", "sender": ALICE, "content": mapping({"body": 1})})
    assert skipped.reason == "no event id"


# ---- invitations that are not followed


def test_who_does_not_follow_an_invitation_from_xmpp_has_it_told_there():
    """Our own user asked him for somebody there; nobody else's invitations are of XMPP."""
    marked = {MARKER: {"inviter": "balcony@conf.example/Romeo"}}
    portal = inside()
    portal.hear(member(BOB, membership="invite", sender=BOT, **marked))
    wish = Decline(room=MUC, nick="balcony@conf.example/Romeo", reason="no")
    assert portal.hear(member(BOB, membership="leave", reason="no")) == [Act(BOB, wish)]
    assert portal.hear(member(BOB, membership="leave")) == []
    portal.hear(member(BOB, membership="invite", sender=ALICE, **marked))
    assert portal.hear(member(BOB, membership="leave")) == []


def test_ghost_of_who_does_not_come_leaves_with_the_reason():
    """A guest had invited its user."""
    portal = inside()
    told = portal.heard(ALICE, Decline(room=MUC, user=UserId("romeo@montague.example"), reason="no"))
    assert told == [Unseat(GHOST, "no")]
