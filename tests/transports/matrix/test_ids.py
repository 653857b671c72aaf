"""Ids of Matrix as local parts of JIDs, and JIDs as ids of ghosts."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.jid import PART_LIMIT, Jid, JidError, escape, unescape
from transports.matrix.ids import (
    MAX_VIA,
    Ids,
    RoomTarget,
    is_alias,
    is_event_id,
    is_room_id,
    is_server,
    is_user_id,
)

IDS = Ids("hs.example")
V12 = "!" + "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_abcde"

servers = st.sampled_from(["hs.example", "hs.example:8448", "[::1]:8448", "127.0.0.1:18448", "localhost"])
letters = st.text(
    st.characters(codec="utf-8", exclude_characters=":\0") | st.sampled_from("AZ\\/%#_ @\"&'<>.\u200dé"),
    min_size=1,
    max_size=40,
)
addresses = st.one_of(
    st.text(min_size=1, max_size=300).filter(lambda text: text.isprintable()),
    st.from_regex(r"[a-z.=_/+-]{1,20}@[a-z.]{1,20}(/[a-zA-Z=é]{1,9})?", fullmatch=True),
)


def through_a_jid(local: str) -> str:
    """What is left of a local part after it was written, sent, and read."""
    jid = Jid.parse(f"{escape(local)}@mx.example")
    assert len(jid.local.encode()) <= PART_LIMIT
    return unescape(jid.local)


@pytest.mark.parametrize(
    ("target", "local", "jid"),
    [
        ("#room:hs.example", "#room:hs.example", r"#room\3ahs.example"),
        ("#Room:hs.example", r"#\52oom:hs.example", r"#\52oom\3ahs.example"),
        ("#a b:hs.example:8448", "#a b:hs.example:8448", r"#a\20b\3ahs.example\3a8448"),
        ("#été:hs.example", "#été:hs.example", r"#été\3ahs.example"),
        ("#É:hs.example", r"#\c3\89:hs.example", r"#\c3\89\3ahs.example"),
        (r"#a\3a:hs.example", r"#a\\3a:hs.example", r"#a\\5c3a\3ahs.example"),
        ("!aB:hs.example", r"!a\42:hs.example", r"!a\42\3ahs.example"),
    ],
)
def test_room_is_named_by_what_a_jid_can_hold(target, local, jid):
    """Readable where it can be, bytes where it cannot."""
    assert IDS.room(target) == local
    assert escape(local) == jid
    assert through_a_jid(local) == local
    assert IDS.target(local) == RoomTarget(target)


@given(letters, servers)
@example("\\20", "hs.example")
@example("\\\\5c", "hs.example")
@example("%41", "hs.example")
@example("a%b.example", "1.example")
def test_any_alias_survives_a_jid(name, server):
    """Every alias is read back as it was, capitals, backslashes and all."""
    alias = f"#{name}:{server}"
    assume(is_alias(alias))
    try:
        local = IDS.room(alias)
    except BridgeError:
        assert alias.count("/") > 150
        return
    assert IDS.target(through_a_jid(local)) == RoomTarget(alias)


@given(letters, servers)
@example("_xmpp_romeo=40example.org/balcony", "hs.example")
def test_any_user_survives_a_jid(name, server):
    """Every user id, also the strange ones of the past, is read back as it was."""
    user_id = f"@{name}:{server}"
    assume(is_user_id(user_id))
    local = IDS.contact(user_id)
    assert "/" not in local
    assert IDS.user_id(through_a_jid(local)) == user_id


@given(
    st.from_regex(r"!([A-Za-z0-9_-]{43}|[A-Za-z]{18}:hs\.example)", fullmatch=True),
    st.lists(servers, max_size=5),
)
def test_any_room_id_survives_a_jid(room_id, via):
    """Room ids keep their case, and bring the servers that know them."""
    assert IDS.target(through_a_jid(IDS.room(room_id, via))) == RoomTarget(room_id, tuple(via))


def test_longest_ids_still_fit_into_a_jid():
    """255 bytes of the worst that an alias can hold."""
    for character in 'A\\"é\u3042 ':
        alias = "#" + character * ((255 - 12) // len(character.encode())) + ":hs.example"
        assert IDS.target(through_a_jid(IDS.room(alias))) == RoomTarget(alias)


def test_id_that_no_jid_can_hold_is_refused():
    """Hundreds of slashes are too long when written; nothing is cut in silence."""
    with pytest.raises(BridgeError) as caught:
        IDS.contact("@" + "/" * 240 + ":hs.example")
    assert caught.value.trouble is Trouble.JID_MALFORMED


def test_room_id_without_server_keeps_where_to_find_it():
    """Room version 12: the id alone does not say which server knows the room."""
    local = IDS.room(V12, ["hs.example", "other.example:8448"])
    assert local.endswith("?via=hs.example&via=other.example:8448")
    assert IDS.target(through_a_jid(local)) == RoomTarget(V12, ("hs.example", "other.example:8448"))
    assert len(IDS.target(IDS.room(V12, ["a.example"] * 9)).via) == MAX_VIA


@pytest.mark.parametrize(
    ("local", "alias"),
    [
        ("#room%hs.example", "#room:hs.example"),
        ("#room#hs.example", "#room:hs.example"),
        ("#50%off%hs.example", "#50%off:hs.example"),
        ("#c##hs.example", "#c#:hs.example"),
        ("#room%hs.example:8448", "#room:hs.example:8448"),
        ("#room#127.0.0.1:8448", "#room:127.0.0.1:8448"),
        ("#room%[::1]:8448", "#room:[::1]:8448"),
        ("#a%b:hs.example", "#a%b:hs.example"),
        (r"#\52oom%hs.example", "#Room:hs.example"),
    ],
)
def test_alias_in_the_forms_of_other_gateways_is_understood(local, alias):
    """As bifrost and ejabberd taught people to write them."""
    assert IDS.target(local) == RoomTarget(alias)


@pytest.mark.parametrize(
    ("local", "user_id"),
    [
        ("alice%hs.example", "@alice:hs.example"),
        ("alice_hs.example", "@alice:hs.example"),
        ("alice_b_hs.example", "@alice_b:hs.example"),
        ("alice%localhost:8448", "@alice:localhost:8448"),
        ("alice:hs.example", "@alice:hs.example"),
        ("@alice:hs.example", "@alice:hs.example"),
    ],
)
def test_person_in_other_forms_is_understood(local, user_id):
    """With a percent sign, or an underscore before what looks like a server."""
    assert IDS.user_id(local) == user_id


@pytest.mark.parametrize(
    "local",
    ["#", "#room", "#:hs.example", "#room:", "#room:h s", "#room:8448", r"#\ff:hs.example", "!", "!a b",
     "!x?via=", "!x?via=a b", "!x" + "?via=a.example" * 6, "#" + "a" * 300 + ":hs.example"],
)  # fmt: skip
def test_impossible_room_is_malformed(local):
    """What can be no room is refused before the homeserver is asked."""
    with pytest.raises(BridgeError) as caught:
        IDS.target(local)
    assert caught.value.trouble is Trouble.JID_MALFORMED


@pytest.mark.parametrize(
    "local", ["@", "@alice", "@:hs.example", "alice", "alice_b", "al ice%hs.example", "@a%b.example"]
)
def test_impossible_person_is_malformed(local):
    """What can be no user id is refused."""
    with pytest.raises(BridgeError) as caught:
        IDS.user_id(local)
    assert caught.value.trouble is Trouble.JID_MALFORMED


@given(st.text(max_size=60))
def test_any_local_part_is_read_or_refused(local):
    """No address makes the gateway stumble."""
    for read in (IDS.target, IDS.user_id):
        try:
            read(local)
        except BridgeError as error:
            assert error.trouble is Trouble.JID_MALFORMED


@pytest.mark.parametrize(
    ("user", "ghost"),
    [
        ("romeo@example.org", "@_xmpp_romeo=40example.org:hs.example"),
        ("room@muc.example/Nick", "@_xmpp_room=40muc.example/=4eick:hs.example"),
        ("a=b@é", "@_xmpp_a=3db=40=c3=a9:hs.example"),
    ],
)
def test_address_becomes_a_ghost(user, ghost):
    """As Matrix recommends: every other byte as two hex digits."""
    assert IDS.ghost(user) == ghost
    assert IDS.ghost_of(ghost) == user


@given(addresses)
def test_any_ghost_is_a_user_id_and_read_back(user):
    """Short addresses come back; long ones are known by their digest."""
    ghost = IDS.ghost(user)
    assert is_user_id(ghost)
    assert IDS.is_ghost(ghost)
    assert IDS.ghost_of(ghost) in (user, None)
    if len(user.encode()) < 70:
        assert IDS.ghost_of(ghost) == user


@given(addresses, addresses)
def test_different_addresses_have_different_ghosts(one, other):
    """Nobody speaks with somebody else's identity."""
    assert (IDS.ghost(one) == IDS.ghost(other)) is (one == other)


@pytest.mark.parametrize(
    "user_id",
    ["@alice:hs.example", "@_xmpp_romeo=40example.org:other.example", "@_xmpp_a=4:hs.example",
     "@_xmpp_a=ff:hs.example", "@_xmpp_a=61:hs.example", "@_xmpp_A:hs.example"],
)  # fmt: skip
def test_other_users_are_nobodys_ghosts(user_id):
    """Another server's users, and names that we would not have given."""
    assert IDS.ghost_of(user_id) is None


def test_ids_are_told_from_garbage():
    """The grammar of each kind of id."""
    assert is_server("hs.example") and is_server("[2001:db8::1]:8448") and not is_server("8448")
    assert is_room_id(V12) and is_room_id("!a:hs.example") and not is_room_id("!a:")
    assert is_event_id("$abc_-+/:hs.example") and not is_event_id("$a'b") and not is_event_id("$")
    assert not is_event_id("$" + "a" * 255)
    assert not is_user_id("@a\nb:hs.example") and not is_user_id("@\ud800:hs.example")


@given(st.text())
def test_jid_errors_do_not_escape(text):
    """Whatever is to be written is written, or refused in the bridge's own words."""
    try:
        local = IDS.room("#" + text)
    except BridgeError:
        return
    try:
        assert through_a_jid(local) == local
    except JidError:
        pytest.fail("written, but no local part")
