"""A room as its state events tell."""

from __future__ import annotations

from cProfile import Profile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.events import (
    Affiliation,
    Join,
    Kick,
    Leave,
    NickChange,
    Occupant,
    OccupantChange,
    Role,
    RoomConfig,
    RoomNotice,
    Topic,
)
from transports.matrix import room as module
from transports.matrix.content import Malformed
from transports.matrix.ids import RoomTarget
from transports.matrix.room import ENCRYPTED, REPLACED, SLICE, Room

from .raw import (
    ALICE,
    BOB,
    CAROL,
    IDS,
    JULIET,
    ROMEO,
    ROOM,
    create,
    garden,
    json,
    levels,
    member,
    room,
    state,
)

PARTICIPANT = {"affiliation": Affiliation.NONE, "role": Role.PARTICIPANT}


def nicks(changes):
    """What happened to whom, for short."""
    short = []
    for change in changes:
        match change:
            case Join(occupant=one):
                short.append(f"+{one.nick}")
            case Leave(nick=nick) | Kick(nick=nick):
                short.append(f"-{nick}")
            case NickChange(old=old, occupant=one):
                short.append(f"{old}>{one.nick}")
    return short


def test_state_shows_who_is_in():
    """Members with nick, address, identity, affiliation and role; XMPP users have no Matrix address."""
    found = garden()
    assert found.occupants == {
        "Alice": Occupant(
            nick="Alice", affiliation=Affiliation.OWNER, role=Role.MODERATOR,
            address="@alice:hs.example", identity=ALICE,
        ),
        "Bob": Occupant(nick="Bob", address="@bob:hs.example", identity=BOB, **PARTICIPANT),
        "Carol": Occupant(nick="Carol", address="@carol:other.example", identity=CAROL, **PARTICIPANT),
        "romeo": Occupant(nick="romeo", identity=ROMEO, user="romeo@montague.example", **PARTICIPANT),
    }  # fmt: skip
    assert (found.user("Bob"), found.user("nobody")) == (BOB, None)


def test_member_sees_the_room_with_its_topic():
    """Whatever the order of the state, the topic's author has the nick of the room, and the time is kept."""
    found = room(
        state("m.room.topic", ALICE, {"topic": "Roses"}, origin_server_ts=5_000),
        member(ALICE, "Alice"),
        create(),
    )
    entered = found.entered(ALICE)
    assert entered is not None
    assert entered.me.nick == "Alice" and entered.me.affiliation is Affiliation.OWNER
    assert entered.topic == Topic(room=ROOM, text="Roses", nick="Alice", time=5.0)
    assert found.entered(BOB) is None


def test_occupants_that_were_given_out_do_not_change():
    """Everybody who entered holds the same mapping; a later change makes a new one."""
    found = garden()
    before = found.occupants
    assert found.occupants is before
    found.apply(member(BOB, membership="leave"))
    assert "Bob" in before
    assert "Bob" not in found.occupants


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (member("@dan:hs.example", "Dan"), ["+Dan"]),
        (member(BOB, membership="leave"), ["-Bob"]),
        (member(BOB, "Bobby"), ["Bob>Bobby"]),
        (member(BOB, None), ["Bob>bob"]),
        (member(BOB, "Bob", avatar_url="mxc://a/b"), []),
        (member("@dan:hs.example", "Dan", "invite"), []),
        (member("@dan:hs.example", "Dan", "ban", sender=ALICE), []),
        (member("@dan:hs.example", "Dan", "leave"), []),
    ],
)
def test_membership_changes_are_told(change, expected):
    """Joins, leaves, new names; invitations and bans of who was not in are not seen."""
    assert nicks(garden().apply(change)) == expected


@pytest.mark.parametrize("membership", ["leave", "ban"])
def test_removal_names_actor_and_reason(membership):
    """A leave that somebody else wrote is a kick; a ban puts out as well."""
    change = member(BOB, membership=membership, sender=ALICE, reason="spam")
    kick = Kick(room=ROOM, nick="Bob", actor="Alice", reason="spam", banned=membership == "ban")
    assert garden().apply(change) == [kick]


def test_leave_keeps_its_reason():
    """What somebody says on leaving is shown."""
    change = member(BOB, membership="leave", reason="bye")
    assert garden().apply(change) == [Leave(room=ROOM, nick="Bob", reason="bye")]


def test_namesakes_are_both_told_apart():
    """Nobody passes for somebody else; alone again, one gets the plain name back."""
    found = garden()
    assert nicks(found.apply(member("@bob:other.example", "Bob"))) == [
        "Bob>Bob (bob:hs.example)",
        "+Bob (bob:other.example)",
    ]
    assert nicks(found.apply(member("@bob:third.example", "Bob"))) == ["+Bob (bob:third.example)"]
    assert nicks(found.apply(member("@bob:third.example", "Carol"))) == [
        "Carol>Carol (carol:other.example)",
        "Bob (bob:third.example)>Carol (bob:third.example)",
    ]
    assert nicks(found.apply(member(BOB, membership="leave"))) == [
        "-Bob (bob:hs.example)",
        "Bob (bob:other.example)>Bob",
    ]


def test_xmpp_user_keeps_his_nick():
    """Clients expect the nick that they asked for; a Matrix user of that name is told apart."""
    found = garden()
    assert nicks(found.apply(member(BOB, "romeo"))) == ["Bob>romeo (bob:hs.example)"]
    assert found.user("romeo") == ROMEO
    assert nicks(found.apply(member(ROMEO, membership="leave"))) == [
        "-romeo",
        "romeo (bob:hs.example)>romeo",
    ]


def test_nick_is_free_unless_somebody_has_one_like_it():
    """Asked before an XMPP user comes in."""
    found = garden()
    assert found.is_free("juliet", JULIET)
    assert not found.is_free("Bob", JULIET) and not found.is_free("Ｂob", JULIET)
    assert found.is_free("romeo", ROMEO) and not found.is_free("romeo", JULIET)


def test_name_that_looks_told_apart_is_told_apart():
    """Calling oneself by another's full nick does not help."""
    found = garden()
    assert nicks(found.apply(member("@eve:hs.example", "Bob (bob:hs.example)"))) == [
        "+Bob (bob:hs.example) (eve:hs.example)"
    ]


def test_who_is_gone_is_known_by_his_id():
    """In history, and as the actor of a ban."""
    assert garden().nick("@gone:hs.example") == "gone (gone:hs.example)"


def test_new_levels_change_who_they_concern():
    """Affiliation and role follow; the others are not mentioned."""
    found = garden()
    assert found.apply(levels(users={ALICE: 100, BOB: 50})) == [
        OccupantChange(
            room=ROOM,
            occupant=Occupant(
                nick="Bob",
                affiliation=Affiliation.OWNER,
                role=Role.MODERATOR,
                address="@bob:hs.example",
                identity=BOB,
            ),
        )
    ]


def test_muting_a_room_concerns_everybody_in_it():
    """Who may no longer speak is a visitor, and the room is moderated."""
    found = garden()
    changes = found.apply(levels(users={ALICE: 100}, events_default=50))
    assert {change.occupant.nick: change.occupant.role for change in changes[:-1]} == dict.fromkeys(
        ("Bob", "Carol", "romeo"), Role.VISITOR
    )
    assert changes[-1] == RoomConfig(room=ROOM, moderated=True)
    assert found.apply(levels(users={ALICE: 100}, events_default=50)) == []


def test_closing_a_room_makes_members():
    """Where nobody joins uninvited, those in it belong to it."""
    found = garden()
    changes = found.apply(state("m.room.join_rules", ALICE, {"join_rule": "invite"}))
    assert changes[-1] == RoomConfig(room=ROOM)
    assert {one.affiliation for one in found.occupants.values()} == {Affiliation.OWNER, Affiliation.MEMBER}


def test_topic_name_and_alias_are_told():
    """The subject is new now; a new name or alias is a new configuration."""
    found = garden()
    assert found.apply(state("m.room.topic", BOB, {"topic": "Roses"})) == [
        Topic(room=ROOM, text="Roses", nick="Bob")
    ]
    assert found.apply(state("m.room.name", BOB, {"name": " The \n garden"})) == [RoomConfig(room=ROOM)]
    assert found.apply(state("m.room.canonical_alias", BOB, {"alias": "#g:hs.example"})) == [
        RoomConfig(room=ROOM)
    ]
    assert (found.name, found.alias) == ("The garden", "#g:hs.example")


def test_encryption_is_said_once():
    """People learn why they read nothing more."""
    found = garden()
    event = state("m.room.encryption", ALICE, {"algorithm": "m.megolm.v1.aes-sha2"})
    assert found.apply(event) == [RoomNotice(room=ROOM, text=ENCRYPTED), RoomConfig(room=ROOM)]
    assert found.apply(event) == []
    assert found.is_encrypted


def test_replacement_of_the_room_is_known():
    """A tombstone says where everybody went."""
    found = garden()
    assert found.apply(state("m.room.tombstone", ALICE, {"body": "Moved", "replacement_room": "!new"})) == [
        RoomNotice(room=ROOM, text="Moved")
    ]
    assert found.replacement == RoomTarget("!new", ("hs.example",))
    assert found.apply(state("m.room.tombstone", ALICE, {"replacement_room": "nowhere"})) == [
        RoomNotice(room=ROOM, text=REPLACED)
    ]
    assert found.replacement is None


@pytest.mark.parametrize(
    "event",
    [
        member(BOB, "Bob", 5),
        member("nobody", "x"),
        {**member(BOB, "x"), "sender": 5},
        {**member(BOB), "content": None},
    ],
)
def test_poisoned_state_is_malformed_and_changes_nothing(event):
    """The room goes on as it was."""
    found = garden()
    before = dict(found.occupants)
    with pytest.raises(Malformed):
        found.apply(event)
    assert found.occupants == before


def test_state_of_another_key_is_none_of_ours():
    """Only the event with the empty key speaks for the room."""
    assert garden().apply(state("m.room.topic", BOB, {"topic": "x"}, key="other")) == []
    assert garden().apply(state("org.example.widget", BOB, {})) == []


def test_poisoned_state_is_counted_while_loading():
    """One bad event does not keep anybody out."""
    found = room(create(), member(ALICE, "Alice"), member("nobody"), None, 5, {"type": "m.room.member"})
    assert list(found.occupants) == ["Alice"]
    assert found.malformed == 1


def test_members_are_bounded(monkeypatch):
    """A room of any size takes a bounded memory."""
    monkeypatch.setattr(module, "MAX_MEMBERS", 2)
    found = garden()
    assert list(found.occupants) == ["Alice", "Bob"]
    assert found.apply(member(CAROL, membership="leave")) == []


def test_huge_room_is_loaded_in_short_slices():
    """Twenty thousand members, half of them of one name: no slice holds others up, and each costs the same."""
    state_events = [create(), levels(users={ALICE: 100}, users_default=0)]
    state_events += [member(f"@u{n}:hs.example", f"User {n}" if n % 2 else "Bob") for n in range(20_000)]
    found = Room(ROOM, IDS)
    with Profile() as profile:
        slices = list(found.load(state_events))
    assert slices == list(range(0, 3 * len(state_events), SLICE))
    assert len(found.occupants) == 20_000
    # steps instead of seconds: they are the same on a busy machine
    assert sum(entry.callcount for entry in profile.getstats()) < 200 * len(state_events)
    assert len(found.apply(levels(events_default=50))) == 20_001


people = st.sampled_from([ALICE, BOB, CAROL, ROMEO, JULIET])
names = st.sampled_from(["Bob", "Ｂob", "romeo", "Bob (bob:hs.example)", "", None])
changes = st.builds(
    lambda user, name, membership: member(user, name, membership),
    people,
    names,
    st.sampled_from(["join", "join", "leave"]),
)


@given(st.lists(changes, max_size=12))
def test_told_changes_lead_to_what_a_newcomer_sees(events):
    """Who was there all the time and who comes in now see the same occupants, one nick for each."""
    found = room(create())
    seen: dict[str, Occupant] = {}
    for event in events:
        for change in found.apply(event):
            match change:
                case Join(occupant=one):
                    assert one.nick not in seen
                    seen[one.nick] = one
                case Leave(nick=nick):
                    del seen[nick]
                case NickChange(old=old, occupant=one):
                    del seen[old]
                    assert one.nick not in seen
                    seen[one.nick] = one
    assert seen == found.occupants
    latest = {event["state_key"]: event for event in events}
    fresh = room(create(), *latest.values())
    assert fresh.occupants == found.occupants
    assert {found.user(nick): nick for nick in seen} == {user: found.nick(user) for user in found.members}


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "type": st.sampled_from(sorted(garden()._read)),
                "state_key": st.sampled_from(["", ALICE, ROMEO, "x"]) | json,
                "sender": st.sampled_from([ALICE, BOB]) | json,
                "content": st.dictionaries(
                    st.sampled_from(
                        ["membership", "displayname", "users", "events", "topic", "name", "body", "ban"]
                    ),
                    json,
                )
                | json,
            }
        ),
        max_size=6,
    )
)
def test_any_state_is_taken_in_or_malformed(events):
    """No event makes the room stumble, whatever came before."""
    found = garden()
    for event in events:
        try:
            found.apply(event)
        except Malformed:
            continue
    assert {one.nick for one in found.occupants.values()} == set(found.occupants)


def test_picture_is_told_as_far_as_it_is_known():
    """One that is not known yet is no news; a known one is, and so is that it is gone."""
    pictures = {"mxc://a/b": "b" * 40}
    room = Room(ROOM, IDS, pictures=pictures)
    (joined,) = room.apply(member(BOB, "Bob"))
    assert joined.occupant.avatar is None
    assert room.apply(member(BOB, "Bob", avatar_url="mxc://a/c")) == room.pictured(BOB) == []
    assert room.unseen(BOB) == "mxc://a/c"
    pictures["mxc://a/c"] = "c" * 40
    (known,) = room.pictured(BOB)
    assert (known.occupant.avatar, room.unseen(BOB)) == ("c" * 40, "")
    assert room.pictured(BOB) == room.pictured(ALICE) == []
    assert room.unseen(ALICE) == ""
    (renamed,) = room.apply(member(BOB, "Bobby", avatar_url="mxc://a/b"))
    assert renamed.occupant.avatar == "b" * 40
    (unknown,) = room.apply(member(BOB, "Bobby", avatar_url="mxc://a/d"))
    assert unknown.occupant.avatar is None
    (renamed,) = room.apply(member(BOB, "Bob", avatar_url="mxc://a/b"))
    (gone,) = room.apply(member(BOB, "Bob"))
    assert gone.occupant.avatar == ""


def test_picture_of_the_room_is_a_matter_of_its_configuration():
    """XEP-0486 §4.2: status 104."""
    room = garden()
    (changed,) = room.apply(state("m.room.avatar", ALICE, {"url": "mxc://a/b"}))
    assert isinstance(changed, RoomConfig) and room.avatar == "mxc://a/b"
    room.apply(state("m.room.avatar", ALICE, {}))
    assert room.avatar == ""
