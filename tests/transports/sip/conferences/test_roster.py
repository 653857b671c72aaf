"""Who is in a conference, by which nicks."""

from __future__ import annotations

import pytest

from bridge.events import Join, Leave, NickChange, RoomId, Topic, UserId
from transports.sip.conferences.info import Info, User
from transports.sip.conferences.roster import NOBODY, Roster, clean, uri_of
from transports.sip.wire.headers import parse_name_addr
from transports.sip.wire.uri import parse_uri

ROOM = RoomId("conf@pbx.example")
OWN = parse_uri("sip:romeo%40a.example@gw.example")
BOB, ANN = User("sip:bob@x.example", "Bob"), User("sip:conf@pbx.example;gr=Ann", "Ann")


def full(*users: User, version: int = 0, subject: str = "") -> Info:
    return Info(version=version, is_full=True, users=users, subject=subject)


def partial(version: int, *users: User, gone: tuple[str, ...] = ()) -> Info:
    return Info(version=version, is_full=False, users=users, gone=gone)


def roster(*users: User) -> Roster:
    made = Roster(ROOM, OWN, "gw.example")
    made.called("Romeo", is_unique=True)
    made.apply(full(*users))
    return made


def test_full_and_partial_documents_give_changes() -> None:
    """Who comes, who goes, who has another name, and the subject."""
    it = roster(BOB)
    assert list(it.occupants) == ["Bob"] and it.occupants["Bob"].address == "bob@x.example"
    assert it.apply(partial(1, ANN)) == [Join(room=ROOM, occupant=it.occupants["Ann"])]
    assert it.occupants["Ann"].address == ""
    changed = it.apply(partial(2, User(BOB.entity, "Rob"), gone=(ANN.entity,)))
    assert changed == [
        Leave(room=ROOM, nick="Ann"),
        NickChange(room=ROOM, old="Bob", occupant=it.occupants["Rob"]),
    ]
    assert it.apply(full(version=9, subject="news")) == [
        Leave(room=ROOM, nick="Rob"),
        Topic(room=ROOM, text="news"),
    ]


def test_missed_document_is_noticed_and_an_old_one_is_nothing() -> None:
    """RFC 4575 §4.4: a gap means to ask for all of it."""
    it = roster(BOB)
    assert it.apply(partial(2, ANN)) is None
    assert it.apply(partial(0, ANN)) == []
    assert Roster(ROOM, OWN, "gw.example").apply(partial(1, ANN)) is None


def test_user_himself_is_not_among_the_others() -> None:
    """By his own URI, or by his nick."""
    it = roster(User(str(OWN), "whatever"), User("sip:conf@pbx.example;gr=Romeo", "Romeo"))
    assert not it.occupants
    assert it.is_own(parse_name_addr(f"<{OWN}>")) and not it.is_own(None)


def test_nicks_are_unique_and_never_the_users_own() -> None:
    """RFC 7702 §7: the gateway sees to it."""
    it = roster(BOB, User("sip:b@y.example", "Bob"), User("sip:c@y.example"), User("tel:+1"))
    assert set(it.occupants) == {"Bob", "Bob (2)", "c", NOBODY}
    [change] = it.called("Bob", is_unique=False)
    assert isinstance(change, NickChange) and (change.old, change.occupant.nick) == ("Bob", "Bob (3)")
    assert roster(BOB).called("Bob", is_unique=True) == [Leave(room=ROOM, nick="Bob")]


def test_users_of_ours_are_known_by_their_addresses() -> None:
    """A user whom the focus knows by the URI that we gave him."""
    it = roster(User("sip:juliet%40a.example@gw.example", "Juliet"))
    assert it.occupants["Juliet"].user == UserId("juliet@a.example")


@pytest.mark.parametrize(
    ("sender", "nick"),
    [
        ("<sip:bob@x.example>", "Bob"),
        ('"Somebody" <sip:conf@pbx.example>;gr=Ann', "Ann"),
        ('"Ann" <sip:anonymous@anonymous.invalid>', "Ann"),
        ('"Eve" <sip:eve@x.example>', "Eve"),
        ("<sip:eve@x.example>", "eve"),
        ("<sip:x.example>", NOBODY),
    ],
)
def test_author_is_found_by_uri_or_name(sender: str, nick: str) -> None:
    """Who is not known is called as he says."""
    assert roster(BOB, ANN).author(parse_name_addr(sender)) == nick


def test_nobody_and_names_that_are_none() -> None:
    """The conference itself has no nick; what is no resourcepart is no nick."""
    it = roster(BOB)
    assert it.author(None) == "" and it.uri("nobody") is None
    assert str(it.uri("Bob")) == BOB.entity
    assert clean("\0") == clean("") == "" and len(clean("x" * 2000)) == 128
    assert uri_of("tel:+1") is None and uri_of("<") is None
