"""The whole network in front of a homeserver in memory."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    NO_REF,
    ChangeNick,
    Depart,
    Enter,
    Entered,
    Exit,
    Exited,
    Failed,
    Join,
    Kick,
    Kind,
    Leave,
    Message,
    MessageId,
    NickChange,
    NickRefused,
    NotEntered,
    Reaction,
    Ref,
    Retraction,
    RoomId,
    RoomNotice,
    Sent,
    ServerId,
    Text,
    Topic,
    Typing,
    TypingState,
)
from bridge.events import Command as ServerCommand
from bridge.network import ContactQuery, ContactVersion, RoomInfo, RoomList, RoomPage, RoomQuery
from tests.transports.matrix.homeserver import GARDEN, JULIET, ROMEO, ROOM_ID, Scene, ghost
from tests.transports.matrix.raw import ALICE, BOB, member, said, state
from tests.transports.matrix.web import outcome, watch
from transports.matrix.rooms import AWAY, AWAY_AFTER, BACK

PERCENT = RoomId("#garden%hs.example")


def say(scene: Scene, body: str, ref: int = 1, user=ROMEO, **more) -> None:
    scene.network.submit(user, Message(room=GARDEN, body=Text(plain=body), ref=Ref(ref), **more))
    scene.turn()


# ---- in and out


def test_enter_joins_the_ghost_and_shows_the_room():
    """The first user has the room loaded; he sees who is in it, himself and the subject."""
    scene = Scene()
    [entered] = scene.enter()
    assert isinstance(entered, Entered)
    assert set(entered.occupants) == {"Alice", "romeo"}
    assert (entered.me.nick, entered.topic.text) == ("romeo", "roses")
    assert scene.server.names == {ghost(ROMEO): "romeo"}
    assert scene.network.users() == [ROMEO]
    assert scene.network.snapshot(ROMEO, GARDEN) == entered
    scene.told[ROMEO].clear()
    assert scene.enter() == [entered]


def test_second_user_is_seen_to_come_and_enters_by_his_own_address():
    """Who is in is told of a join; who comes sees the room under the address that he used."""
    scene = Scene()
    scene.inside()
    [entered] = scene.enter(JULIET, "juliet", PERCENT)
    assert isinstance(entered, Entered)
    assert (entered.room, entered.topic.room) == (PERCENT, PERCENT)
    [joined] = scene.told[ROMEO]
    assert isinstance(joined, Join) and joined.occupant.nick == "juliet"


def test_enter_with_another_nick_in_another_room_is_renamed_there():
    """A ghost has one profile; in a room it is called as its user wants there."""
    scene = Scene()
    scene.remember(ROMEO, "profile", b"")
    scene.server.names[ghost(ROMEO)] = "montague"
    entered, renamed = scene.enter()
    assert entered.me.nick == "montague"
    assert (renamed.old, renamed.occupant.nick) == ("montague", "romeo")


@pytest.mark.parametrize(
    ("nick", "trouble"), [("Alice", Trouble.NICK_IN_USE), ("ro\u202emeo", Trouble.BAD_NICK)]
)
def test_enter_with_a_nick_that_cannot_be_had_is_refused(nick, trouble):
    """Also when that turns out only after the join: the ghost leaves again."""
    scene = Scene()
    [refused] = scene.enter(nick=nick)
    assert isinstance(refused, NotEntered) and refused.error.trouble is trouble
    assert scene.network.users() == []
    assert scene.network._stays.sessions == {}
    members = [one for one in scene.server.state[ROOM_ID] if one["state_key"] == ghost(ROMEO)]
    assert all(one["content"]["membership"] == "leave" for one in members)


def test_enter_of_a_known_room_with_a_taken_nick_does_not_even_join():
    """Who is in the room sees nothing of it."""
    scene = Scene()
    scene.inside()
    [refused] = scene.enter(JULIET, "romeo")
    assert refused.error.trouble is Trouble.NICK_IN_USE
    assert scene.server.asked == []


@pytest.mark.parametrize("trouble", [Trouble.BANNED, Trouble.INVITE_ONLY, Trouble.UNREACHABLE])
def test_enter_that_the_homeserver_refuses_says_why(trouble):
    """Whatever the homeserver says is the answer, and nothing is left of the attempt."""
    scene = Scene()
    scene.server.refused["join"] = BridgeError(trouble)
    [refused] = scene.enter()
    assert (refused.room, refused.nick, refused.error.trouble) == (GARDEN, "romeo", trouble)
    assert scene.network.users() == []
    scene.server.refused.clear()
    assert isinstance(scene.enter()[-1], Entered)


@pytest.mark.parametrize(
    ("rule", "joins"),
    [(f"deny * {GARDEN}", 0), (f"deny {ROMEO} {ROOM_ID}", 1), ("deny montague.example *", 0)],
)
def test_enter_that_the_operator_forbids_is_refused(rule, joins):
    """By the alias before anything is asked; by another of the room's names as soon as that is known."""
    scene = Scene()
    scene.network.reload(replace(scene.config, room_rules=(rule,)))
    [refused] = scene.enter()
    assert isinstance(refused, NotEntered) and refused.error.trouble is Trouble.NOT_ALLOWED
    assert [one[0] for one in scene.server.asked].count("join") == joins
    assert scene.network._stays.sessions == {}


def test_new_rules_put_out_whom_they_forbid():
    """After SIGHUP nobody stays where he may not be."""
    scene = Scene()
    scene.inside((ROMEO, "romeo"), (JULIET, "juliet"))
    scene.network.reload(replace(scene.config, room_rules=("deny montague.example hs.example",)))
    scene.turn()
    assert [(event.exit, event.nick) for event in scene.told[ROMEO]] == [(Exit.KICKED, "romeo")]
    assert [type(event) for event in scene.told[JULIET]] == [Leave]
    assert scene.network.users() == [JULIET]


def test_enter_that_fails_after_the_join_leaves_again():
    """A room whose state cannot be had is not entered; the next attempt begins anew."""
    scene = Scene()
    scene.server.refused["state"] = BridgeError(Trouble.TIMED_OUT)
    [refused] = scene.enter()
    assert refused.error.trouble is Trouble.TIMED_OUT
    assert scene.network._stays.sessions == {}
    scene.server.refused.clear()
    assert isinstance(scene.enter()[-1], Entered)


def test_enter_of_an_encrypted_room_is_refused_in_clear_words():
    """Nothing of it could be read."""
    scene = Scene()
    scene.server.state[ROOM_ID].append(state("m.room.encryption", ALICE, {"algorithm": "megolm"}))
    [refused] = scene.enter()
    assert "encrypted" in refused.error.text


def test_enter_by_a_second_address_is_refused():
    """One ghost is in a room once."""
    scene = Scene()
    scene.inside()
    [refused] = scene.enter(room=PERCENT)
    assert refused.room == PERCENT and refused.error.trouble is Trouble.NOT_ACCEPTABLE
    assert isinstance(scene.network.snapshot(ROMEO, GARDEN), Entered)


def test_enter_whose_join_is_never_pushed_ends_in_time():
    """The homeserver agreed, but does not tell us: the user waits no longer than half a minute."""
    scene = Scene()
    scene.inside()
    scene.lost = True
    assert scene.enter(JULIET, "juliet") == []
    scene.turn(31)
    assert scene.told[JULIET][0].error.trouble is Trouble.TIMED_OUT


def test_leave_while_entering_ends_outside():
    """The answer is an exit; the ghost turns round as soon as it is in."""
    scene = Scene()
    waiting = scene.server.held["join"] = Deferred()
    scene.network.submit(ROMEO, Enter(room=GARDEN, nick="romeo"))
    scene.network.submit(ROMEO, Depart(room=GARDEN))
    assert [type(event) for event in scene.told[ROMEO]] == [Exited]
    waiting.callback(None)
    scene.turn()
    assert [type(event) for event in scene.told[ROMEO]] == [Exited]
    assert ("POST", ghost(ROMEO), "rooms", ROOM_ID, "leave", {}) in scene.server.asked


def test_leave_is_answered_at_once_and_seen_by_others():
    """The room is forgotten when the last of our users is out."""
    scene = Scene()
    scene.inside((ROMEO, "romeo"), (JULIET, "juliet"))
    scene.network.submit(ROMEO, Depart(room=GARDEN, reason="banished"))
    assert scene.told[ROMEO] == [Exited(room=GARDEN, nick="romeo", exit=Exit.LEFT, reason="banished")]
    scene.turn()
    assert [type(event) for event in scene.told[JULIET]] == [Leave]
    assert scene.network.disconnect(JULIET, "bye") and not scene.network.disconnect(JULIET, "bye")
    scene.turn()
    assert (scene.network._stays.sessions, scene.network._stays.by_address) == ({}, {})
    scene.told[ROMEO].clear()
    assert isinstance(scene.enter()[-1], Entered)


def test_leave_of_a_room_one_is_not_in_is_answered():
    """There is nothing to leave, and that is soon done."""
    scene = Scene()
    scene.network.submit(ROMEO, Depart(room=GARDEN))
    assert scene.told[ROMEO] == [Exited(room=GARDEN, nick="", exit=Exit.LEFT)]


@pytest.mark.parametrize(("membership", "how"), [("leave", Exit.KICKED), ("ban", Exit.BANNED)])
def test_who_is_put_out_is_told_so(membership, how):
    """The user himself is out; the others see a kick, or a ban."""
    scene = Scene()
    scene.inside((ROMEO, "romeo"), (JULIET, "juliet"))
    put_out = member(ghost(ROMEO), membership=membership, sender=ALICE, reason="spam")
    assert scene.happens(put_out) == [
        Exited(room=GARDEN, nick="romeo", exit=how, actor="Alice", reason="spam")
    ]
    banned = how is Exit.BANNED
    assert scene.told[JULIET] == [
        Kick(room=GARDEN, nick="romeo", actor="Alice", reason="spam", banned=banned)
    ]
    assert scene.network.users() == [JULIET]


def test_stop_takes_out_whoever_does_not_stay():
    """A ghost leaves with its user; one in a persistent room is there still after the restart."""
    scene = Scene()
    scene.inside()
    outcome(scene.network.stop("bye"))
    assert scene.told[ROMEO][0].exit is Exit.SHUTDOWN
    assert scene.server.asked[0][:2] == ("POST", ghost(ROMEO)) and scene.server.closed

    scene = Scene()
    scene.persistent = True
    scene.inside()
    outcome(scene.network.stop("bye"))
    assert scene.server.asked == []


def test_stop_does_not_wait_for_a_homeserver_that_hangs():
    """The bridge ends within ten seconds; the ghost leaves another time."""
    scene = Scene()
    scene.inside()
    scene.server.held["leave"] = Deferred()
    stopped = watch(scene.network.stop("bye"))
    scene.turn(7)
    assert stopped == []
    scene.turn(2)
    assert stopped == [None] and scene.server.closed
    assert not scene.reactor.getDelayedCalls()


def test_invitation_of_a_ghost_reaches_its_user():
    """He may go in by the room's id, with the help of the server that invites him."""
    scene = Scene()
    invitation = {
        **member(ghost(ROMEO), membership="invite", sender=ALICE, reason="come"),
        "room_id": "!ball:x",
    }
    [invited] = scene.happens(invitation)
    assert (invited.room, invited.nick, invited.reason) == ("!ball:x?via=hs.example", "alice", "come")
    assert scene.happens({**invitation, "state_key": BOB}) == []


def test_restart_puts_a_user_back_even_if_somebody_took_his_name():
    """A nick that was his before stays his; events that came before he is back wait for him."""
    scene = Scene()
    scene.persistent = True
    scene.inside()
    outcome(scene.network.stop("bye"))
    scene.server.state[ROOM_ID].append(member(BOB, "romeo"))
    scene.start()
    scene.told[ROMEO].clear()
    scene.push(said(ALICE, "meanwhile"))
    scene.turn()
    assert scene.told[ROMEO] == []
    entered, heard = scene.enter()
    assert (entered.me.nick, heard.body.plain) == ("romeo", "meanwhile")


def test_events_of_a_room_that_nobody_comes_back_to_do_not_wait_for_ever():
    """A minute after the start they are dropped."""
    scene = Scene()
    scene.push(said(ALICE, "nobody hears"))
    scene.turn(61)
    assert scene.network._rooms._waiting == {}


# ---- what is said


def test_message_is_sent_and_shown_to_its_author_once():
    """The author is answered when the homeserver took it; the push of his own message is no second one."""
    scene = Scene()
    scene.inside((ROMEO, "romeo"), (JULIET, "juliet"))
    say(scene, "But soft", origin="m1")
    [sent] = scene.told[ROMEO]
    assert isinstance(sent, Sent) and (sent.ref, sent.last) == (1, True)
    assert (sent.message.nick, sent.message.id[:5], sent.message.ref) == ("romeo", "$sent", NO_REF)
    [heard] = scene.told[JULIET]
    assert (heard.nick, heard.id, heard.origin) == ("romeo", sent.message.id, "m1")
    assert scene.archived == []


def test_message_of_matrix_is_one_tuple_for_all():
    """What everybody sees alike is rendered once."""
    scene = Scene()
    scene.inside((ROMEO, "romeo"), (JULIET, "juliet"))
    scene.happens(said(ALICE, "good evening"))
    [to_romeo], [to_juliet] = scene.tuples[ROMEO], scene.tuples[JULIET]
    assert to_romeo is to_juliet
    assert to_romeo[0].body.plain == "good evening"


def test_long_message_is_answered_part_by_part():
    """Only the last part ends it."""
    scene = Scene()
    scene.inside()
    say(scene, "word " * 20_000)
    assert [event.last for event in scene.told[ROMEO]] == [False, True]
    assert "".join(event.message.body.plain for event in scene.told[ROMEO]) == "word " * 20_000


def test_message_that_fails_is_reported():
    """The sender is told, whatever the reason."""
    scene = Scene()
    scene.inside()
    scene.server.refused["send"] = BridgeError(Trouble.CANNOT_SPEAK)
    say(scene, "But soft")
    [failed] = scene.told[ROMEO]
    assert isinstance(failed, Failed) and failed.error.trouble is Trouble.CANNOT_SPEAK


def test_submissions_from_outside_are_refused():
    """Nobody speaks in a room that he is not in; what is not carried is refused everywhere."""
    scene = Scene()
    say(scene, "anybody?")
    scene.network.submit(ROMEO, ChangeNick(room=GARDEN, nick="r"))
    scene.network.submit(ROMEO, ServerCommand(server=ServerId(""), line="help", ref=Ref(2)))
    scene.network.submit(ROMEO, Typing(room=GARDEN, state=TypingState.COMPOSING))
    failed, refused, unsupported = scene.told[ROMEO]
    assert failed.error.trouble is Trouble.NOT_IN_ROOM
    assert isinstance(refused, NickRefused)
    assert (unsupported.ref, unsupported.error.trouble) == (2, Trouble.UNSUPPORTED)


def test_emote_correction_and_reply_find_what_they_refer_to():
    """Corrections name the event that an earlier stanza became."""
    scene = Scene()
    scene.inside()
    say(scene, "/me waits", origin="m1")
    say(scene, "waits long", 2, origin="m2", replaces="m1", kind=Kind.EMOTE)
    first, second = (content for *_, content in scene.server.asked)
    assert first["msgtype"] == "m.emote"
    [sent, corrected] = scene.told[ROMEO]
    assert second["m.relates_to"] == {"rel_type": "m.replace", "event_id": sent.message.id}
    assert corrected.message.replaces == "m1"


def test_topic_reaction_retraction_and_kick_are_done_and_seen():
    """Each is answered once, and shown to everybody in the room when the homeserver tells of it."""
    scene = Scene()
    scene.inside((ROMEO, "romeo"), (JULIET, "juliet"))
    submit = scene.network.submit
    said_id = MessageId("$said")
    scene.happens({**said(ALICE, "a rose"), "event_id": said_id})
    scene.told[ROMEO].clear()
    submit(ROMEO, Topic(room=GARDEN, text="night", ref=Ref(1)))
    submit(ROMEO, Reaction(room=GARDEN, id=said_id, emojis=("🌹",), ref=Ref(2)))
    scene.turn()
    submit(ROMEO, Reaction(room=GARDEN, id=said_id, emojis=(), ref=Ref(3)))
    submit(ROMEO, Retraction(room=GARDEN, id=said_id, ref=Ref(4)))
    submit(ROMEO, Kick(room=GARDEN, nick="juliet", reason="dawn", ref=Ref(5)))
    scene.turn()
    refs = [event.ref for event in scene.told[ROMEO] if isinstance(event, Sent)]
    assert sorted(refs) == [1, 2, 3, 4, 5]
    shown = [event for event in scene.told[ROMEO] if not isinstance(event, Sent)]
    assert [type(event) for event in shown] == [Topic, Reaction, Reaction, Retraction, Kick]
    assert [event.emojis for event in shown if isinstance(event, Reaction)] == [("🌹",), ()]
    assert scene.told[JULIET][-1].exit is Exit.KICKED


@pytest.mark.parametrize("what", ["put", "kick", "redact"])
def test_deed_that_is_refused_is_reported(what):
    """The homeserver decides who may do what."""
    scene = Scene()
    scene.inside()
    scene.server.refused[what] = BridgeError(Trouble.NO_PRIVILEGE)
    events = {
        "put": Topic(room=GARDEN, text="night", ref=Ref(1)),
        "kick": Kick(room=GARDEN, nick="Alice", ref=Ref(1)),
        "redact": Retraction(room=GARDEN, id=MessageId("$said"), ref=Ref(1)),
    }
    scene.network.submit(ROMEO, events[what])
    scene.turn()
    assert [event.error.trouble for event in scene.told[ROMEO]] == [Trouble.NO_PRIVILEGE]


def test_nick_is_changed_in_the_room_only():
    """The answer is the change that all see; a nick of somebody else, or one's own, is refused."""
    scene = Scene()
    scene.inside((ROMEO, "romeo"), (JULIET, "juliet"))
    for nick in ("montague", "montague", "Alice"):
        scene.network.submit(ROMEO, ChangeNick(room=GARDEN, nick=nick))
        scene.turn()
    changed, *refused = scene.told[ROMEO]
    assert (changed.old, changed.occupant.nick) == ("romeo", "montague")
    assert [type(event) for event in refused] == [NickRefused, NickRefused]
    assert [type(event) for event in scene.told[JULIET]] == [NickChange]
    assert scene.server.names[ghost(ROMEO)] == "romeo"


def test_typing_goes_both_ways_but_not_back_to_oneself():
    """Who writes is shown to the others."""
    scene = Scene()
    scene.inside()
    scene.network.submit(ROMEO, Typing(room=GARDEN, state=TypingState.COMPOSING))
    assert scene.server.asked[0][-1] == {"typing": True, "timeout": 30000}
    writing = {"type": "m.typing", "room_id": ROOM_ID, "content": {"user_ids": [ALICE, ghost(ROMEO)]}}
    scene.network.inbox.receive("typing", [], [json.dumps(writing).encode()])
    [seen] = scene.told[ROMEO]
    assert (seen.nick, seen.state) == ("Alice", TypingState.COMPOSING)


def test_malformed_event_is_skipped_and_the_room_goes_on():
    """One server's nonsense is nobody's trouble."""
    scene = Scene()
    scene.inside()
    nonsense = {"type": "m.room.member", "state_key": BOB, "sender": BOB, "content": 5, "event_id": "$x"}
    assert scene.happens(nonsense) == []
    assert [event.body.plain for event in scene.happens(said(ALICE, "hello"))] == ["hello"]


def test_membership_older_than_the_state_that_was_loaded_is_not_told():
    """What was pushed late must not bring back who has left."""
    scene = Scene()
    gone = member(BOB, membership="leave")
    scene.server.state[ROOM_ID].append({**gone, "origin_server_ts": gone["origin_server_ts"] + 9})
    scene.inside()
    scene.push(member(BOB, "Bob"))
    scene.turn()
    assert scene.told[ROMEO] == []
    assert [type(event) for event in scene.happens(member(BOB, "Bob"))] == [Join]


# ---- names and questions


def test_names_of_rooms_and_people_read_both_ways():
    """Occupants are known outside the room by their ids."""
    scene = Scene()
    scene.inside()
    with pytest.raises(BridgeError) as nobody:
        scene.network.contact(GARDEN, "Nobody")
    assert nobody.value.trouble is Trouble.NO_SUCH_NICK
    contact = scene.network.contact(GARDEN, "Alice")
    assert scene.network.name(scene.network.address(contact)) == ALICE
    assert scene.network.nick(contact) == "alice"
    assert scene.network.name(scene.network.address(GARDEN)) == GARDEN
    assert scene.network.name(scene.network.address("")) == "hs.example"
    with pytest.raises(BridgeError):
        scene.network.contact(GARDEN, "nobody")


def test_questions_are_answered_from_what_is_seen_or_asked():
    """A room that we are in is described; one that we are not in is looked up."""
    scene = Scene()
    scene.inside()
    info = outcome(scene.network.ask(ROMEO, RoomQuery(GARDEN)))
    assert info == RoomInfo(
        room=GARDEN, name="", description="roses", occupants=2, closed=False, knocking=False
    )
    other = RoomId("#other:hs.example")
    assert outcome(scene.network.ask(ROMEO, RoomQuery(other))) == RoomInfo(room=other)
    contact = scene.network.contact(GARDEN, "Alice")
    assert outcome(scene.network.ask(ROMEO, ContactQuery(contact))).account == ALICE
    assert outcome(scene.network.ask(ROMEO, ContactVersion(contact))).trouble is Trouble.UNSUPPORTED
    assert outcome(scene.network.ask(ROMEO, RoomList(""))) == RoomPage(
        rooms=[], first_index=0, total=0, complete=True
    )
    bad = outcome(scene.network.ask(ROMEO, RoomQuery(RoomId("#nowhere"))))
    assert bad.trouble is Trouble.JID_MALFORMED


def test_homeserver_that_stays_away_is_told_to_everybody_inside():
    """The operator is told at once, users when it lasts, and again when it is over."""
    scene = Scene()
    scene.inside()
    scene.server.refused["ping"] = BridgeError(Trouble.UNREACHABLE)
    scene.turn(1000)
    assert scene.troubles[-1].startswith("we cannot reach")
    assert scene.told[ROMEO] == []
    scene.turn(AWAY_AFTER)
    assert scene.told[ROMEO] == [RoomNotice(room=GARDEN, text=AWAY)]
    del scene.server.refused["ping"]
    scene.turn(100)
    assert scene.told[ROMEO][1:] == [RoomNotice(room=GARDEN, text=BACK)]
    assert scene.troubles[-1] == ""


def test_short_restart_of_the_homeserver_troubles_nobody():
    """Messages wait for it, and nobody need know."""
    scene = Scene()
    scene.inside()
    scene.server.refused["ping"] = BridgeError(Trouble.UNREACHABLE)
    scene.turn(1000)
    del scene.server.refused["ping"]
    scene.turn(AWAY_AFTER / 2)
    scene.turn(AWAY_AFTER)
    assert (scene.told[ROMEO], scene.troubles[-1]) == ([], "")


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("https://matrix.to/#/#room:hs.example", "#room:hs.example"),
        ("https://matrix.to/#/%40bob%3Ahs.example", "@bob:hs.example"),
        ("matrix:roomid/abc:hs.example?via=other.example", "!abc:hs.example?via=other.example"),
        ("matrix:u/bob:hs.example", "@bob:hs.example"),
        ("#room:hs.example", "#room:hs.example"),
        ("https://example.org/", "https://example.org/"),
    ],
)
def test_link_to_matrix_means_whom_or_what_it_leads_to(text, local):
    """As people copy it from their clients; what is no such link is taken as it is."""
    assert Scene().network.meant(text) == local
