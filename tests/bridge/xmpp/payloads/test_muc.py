"""Multi-user chat payloads."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.events import Affiliation, Role
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.muc import (
    ITEM_LIMIT,
    NS_MUC,
    NS_MUC_ADMIN,
    NS_MUC_USER,
    MucInvite,
    MucItem,
    MucJoin,
    MucUser,
    build_invite,
    build_invite_wish,
    build_items,
    build_join,
    build_user_x,
    parse_invites,
    parse_items,
    parse_join,
    parse_received_decline,
    parse_received_invite,
    parse_user,
)


def join(attributes: dict[str, str] | None, password: str | None = None) -> Element:
    x = Element("x", NS_MUC)
    if attributes is not None:
        x.add(Element("history", NS_MUC, attributes))
    if password is not None:
        x.add(Element("password", NS_MUC, None, password))
    return x


def test_plain_join_has_no_limits():
    """XEP-0045 §7.2.1."""
    assert parse_join(join(None)) == MucJoin()


def test_join_with_key_and_limits_is_read():
    """XEP-0045 §7.2.6 and §7.2.14."""
    wish = {"maxstanzas": "5", "maxchars": "0", "seconds": "180", "since": "1970-01-01T00:01:00Z"}
    assert parse_join(join(wish, "cauldron")) == MucJoin(
        password="cauldron", max_stanzas=5, max_chars=0, seconds=180, since=60
    )


def test_unreadable_limits_are_no_limits():
    """A client with broken history limits still gets in."""
    wish = {"maxstanzas": "-5", "maxchars": "x", "seconds": "9" * 50, "since": "yesterday"}
    assert parse_join(join(wish)) == MucJoin()


def test_presence_extension_is_written():
    """Item, actor, reason and status codes stand where clients look for them."""
    item = MucItem(
        affiliation=Affiliation.NONE, role=Role.NONE, nick="n", jid="a@b", actor="Op", reason="Spam"
    )
    assert build_user_x(item, (110, 307)).to_xml() == (
        f"<x xmlns='{NS_MUC_USER}'><item affiliation='none' role='none' jid='a@b' nick='n'>"
        "<actor nick='Op'/><reason>Spam</reason></item><status code='110'/><status code='307'/></x>"
    )


def test_admin_items_are_read_as_written():
    """A list of affiliations survives writing and reading, actors apart."""
    items = [
        MucItem(affiliation=Affiliation.OUTCAST, jid="a@b", reason="r"),
        MucItem(role=Role.VISITOR, nick="n"),
    ]
    assert parse_items(build_items(items)) == items


@pytest.mark.parametrize(
    "children",
    [
        [],
        [Element("item", NS_MUC_ADMIN, {"role": "king"})],
        [Element("item", NS_MUC_ADMIN, {"affiliation": "x"})],
        [Element("item", NS_MUC_ADMIN, {"nick": "n"})] * (ITEM_LIMIT + 1),
    ],
)
def test_bad_admin_request_is_refused(children):
    """No items, too many, and roles that are none are bad requests."""
    with pytest.raises(BridgeError) as caught:
        parse_items(Element("query", NS_MUC_ADMIN, None, *children))
    assert caught.value.trouble is Trouble.BAD_REQUEST


def test_mediated_invitations_are_read():
    """XEP-0045 §7.8.2: several invitations, a refusal, a password."""
    x = Element(
        "x",
        NS_MUC_USER,
        None,
        Element("invite", NS_MUC_USER, {"to": "a@b"}, Element("reason", NS_MUC_USER, None, "come")),
        Element("decline", NS_MUC_USER, {"to": "c@d"}),
        Element("invite", NS_MUC_USER),
        Element("password", NS_MUC_USER, None, "key"),
    )
    message = Element("message", "jabber:component:accept", None, x)
    assert parse_invites(message) == [
        MucInvite(jid="a@b", reason="come", password="key"),
        MucInvite(jid="c@d", password="key", declined=True),
    ]
    assert parse_invites(Element("message", "jabber:component:accept")) == []


def test_invitation_is_passed_on():
    """The invited sees who invites, why, and the key."""
    assert build_invite(MucInvite(jid="a@b", reason="come", password="key")).to_xml() == (
        f"<x xmlns='{NS_MUC_USER}'><invite from='a@b'><reason>come</reason></invite><password>key</password></x>"
    )
    assert build_invite(MucInvite(jid="a@b", declined=True)).child("decline").get("from") == "a@b"


@pytest.mark.parametrize(
    "wish",
    [
        MucJoin(),
        MucJoin(max_stanzas=0),
        MucJoin(password="cauldron", since=60, max_chars=5, seconds=180),
    ],
)
def test_join_is_read_as_written(wish):
    """No limit is not written as one of nothing, nor the other way round."""
    assert parse_join(build_join(wish)) == wish


def test_what_a_room_says_of_an_occupant_is_read():
    """As it is written; an end of the room says why and where to go."""
    item = MucItem(
        affiliation=Affiliation.NONE, role=Role.NONE, nick="n", jid="a@b", actor="Op", reason="Spam"
    )
    presence = Element("presence", "jabber:component:accept", None, build_user_x(item, (110, 307)))
    assert parse_user(presence) == MucUser(item=item, codes=frozenset({110, 307}))
    destroy = Element("destroy", NS_MUC_USER, {"jid": "c@d"}, Element("reason", NS_MUC_USER, None, "plague"))
    x = Element("x", NS_MUC_USER, None, destroy)
    ended = parse_user(Element("presence", "jabber:component:accept", None, x))
    assert (ended.destroyed, ended.venue) == ("plague", "c@d")


def test_what_a_room_says_without_sense_is_left_out():
    """Roles that are none, codes that are no numbers."""
    item = Element("item", NS_MUC_USER, {"affiliation": "king", "role": ""}, Element("actor", NS_MUC_USER))
    codes = (Element("status", NS_MUC_USER, {"code": code}) for code in ("1e1", "٣٣٣", "1100", "100"))
    x = Element("x", NS_MUC_USER, None, item, Element("status", NS_MUC_USER), *codes)
    presence = Element("presence", "jabber:component:accept", None, x)
    assert parse_user(presence) == MucUser(codes=frozenset({100}))
    assert parse_user(Element("presence", "jabber:component:accept")) is None


def test_invitation_is_asked_of_the_room_and_read_by_the_invited():
    """XEP-0045 §7.8.2."""
    wish = Element(
        "message", NS_MUC, None, build_invite_wish(MucInvite(jid="juliet@capulet.example", reason="come"))
    )
    assert parse_invites(wish) == [MucInvite(jid="juliet@capulet.example", reason="come")]
    invite = MucInvite(jid="romeo@montague.example", reason="come", password="rose")
    assert parse_received_invite(Element("message", NS_MUC, None, build_invite(invite))) == invite
    declined = build_invite(MucInvite(jid="romeo@montague.example", declined=True))
    assert parse_received_invite(Element("message", NS_MUC, None, declined)) is None
    assert parse_received_invite(Element("message", NS_MUC)) is None


def test_refusal_is_asked_of_the_room_and_read_by_the_inviter():
    """§7.8.2: the room turns to whom into from whom."""
    wish = Element(
        "message", NS_MUC, None, build_invite_wish(MucInvite(jid="a@b", reason="no", declined=True))
    )
    assert parse_invites(wish) == [MucInvite(jid="a@b", reason="no", declined=True)]
    told = MucInvite(jid="c@d", reason="no", declined=True)
    assert parse_received_decline(Element("message", NS_MUC, None, build_invite(told))) == told
    invited = build_invite(MucInvite(jid="c@d"))
    assert parse_received_decline(Element("message", NS_MUC, None, invited)) is None
    assert parse_received_decline(Element("message", NS_MUC)) is None
