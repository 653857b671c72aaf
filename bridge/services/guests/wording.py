"""What guests say and do in rooms of XMPP, as stanzas (XEP-0045 §7 to §9).

`room` and `me` are the addresses of the room and of the guest; what comes back is found by `id`.
"""

from __future__ import annotations

from bridge.events import (
    Affiliation,
    Decline,
    DirectMessage,
    DirectReaction,
    DirectRetraction,
    Invite,
    Kick,
    Kind,
    Mention,
    Message,
    Occupant,
    Reaction,
    Receipt,
    Retraction,
    Role,
    RoomId,
    SetAffiliation,
    SetRole,
    Topic,
    Typing,
    VoiceRequest,
)
from bridge.services.guests.hearing import ME
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.chatstates import build_chat_state
from bridge.xmpp.payloads.correction import build_replace
from bridge.xmpp.payloads.files import build_files, with_links
from bridge.xmpp.payloads.hints import NO_STORE, STORE, build_hint
from bridge.xmpp.payloads.markers import NS_MARKERS, build_displayed
from bridge.xmpp.payloads.markup import to_xhtml
from bridge.xmpp.payloads.moderation import Moderation, build_moderate
from bridge.xmpp.payloads.muc import (
    NS_MUC_ADMIN,
    NS_MUC_USER,
    MucInvite,
    MucItem,
    build_invite_wish,
    build_item,
)
from bridge.xmpp.payloads.reactions import build_reactions
from bridge.xmpp.payloads.reference import DATA, MENTION, Reference, build_reference, uri_of
from bridge.xmpp.payloads.reply import ReplyTo, build_fallback, build_reply
from bridge.xmpp.payloads.retract import NS_RETRACT, build_retract
from bridge.xmpp.payloads.stanza_id import build_origin_id
from bridge.xmpp.payloads.voice import build_request
from bridge.xmpp.stanza import NS_COMPONENT

RETRACTED = "/me retracted a message that cannot be shown any more."
"""What clients show that know nothing of retraction."""

Spoken = Message | Topic | Reaction | Retraction
"""What the room reflects to everybody, its author included."""
Whispered = DirectMessage | DirectReaction | DirectRetraction
"""What goes to one occupant alone."""
Posted = Whispered | Invite | VoiceRequest
"""What is answered only if it fails."""
Asked = Kick | SetRole | SetAffiliation | Retraction
"""What the room is asked to do, and answers."""


def stanza(name: str, type: str | None, me: str, to: str, id: str, *payloads: Element) -> Element:
    """Write a stanza of a guest."""
    attributes = {"type": type, "from": me, "to": to, "id": id or None}
    return Element(name, NS_COMPONENT, attributes, *payloads)


def spoken(event: Spoken, me: str, id: str) -> Element:
    """Write what a guest says to everybody."""
    return stanza("message", "groupchat", me, event.room, id, *_payloads(event, id))


def _payloads(event: Spoken, id: str) -> list[Element]:
    match event:
        case Message():
            return [*_said(event, event.room), build_origin_id(id), Element("markable", NS_MARKERS)]
        case Topic(text=text):
            return [Element("subject", NS_COMPONENT, None, text)]
        case Reaction() | Retraction():
            return _done(event)


def whispered(event: Whispered, me: str, id: str) -> Element:
    """Write a private message to an occupant (§7.5)."""
    assert event.room is not None
    payloads = _said(event, event.room) if isinstance(event, DirectMessage) else _done(event)
    return stanza(
        "message", "chat", me, f"{event.room}/{event.nick}", id, *payloads, Element("x", NS_MUC_USER)
    )


def _done(event: Reaction | Retraction | DirectReaction | DirectRetraction) -> list[Element]:
    if isinstance(event, Reaction | DirectReaction):
        return [build_reactions(event.id, event.emojis), build_hint(STORE)]
    body = Element("body", NS_COMPONENT, None, RETRACTED)
    return [build_retract(event.id), body, build_fallback(NS_RETRACT), build_hint(STORE)]


def _said(event: Message | DirectMessage, room: RoomId) -> list[Element]:
    prefix = ME if event.kind is Kind.EMOTE else ""
    words = prefix + event.body.plain if event.body.plain else ""
    found = [Element("body", NS_COMPONENT, None, with_links(words, event.attachments))]
    if event.attachments:
        found += build_files(words, event.attachments)
    xhtml = None if prefix or event.attachments else to_xhtml(event.body)
    if xhtml is not None:
        found.append(xhtml)
    if event.thread:
        found.append(Element("thread", NS_COMPONENT, None, event.thread))
    if event.replaces:
        found.append(build_replace(event.replaces))
    if event.reply is not None:
        author = f"{room}/{event.reply.nick}" if event.reply.nick else ""
        found.append(build_reply(ReplyTo(event.reply.id, author)))
    return found + [_reference(one, room, len(prefix)) for one in event.mentions]


def _reference(one: Mention, room: RoomId, before: int) -> Element:
    type, uri = MENTION, uri_of(f"{room}/{one.nick}" if one.nick else room)
    if one.contact is not None:
        uri = uri_of(one.contact)
    elif one.room is not None:
        type, uri = DATA, uri_of(one.room, "join")
    begin, end = (one.start + before, one.end + before) if one.end else (0, 0)
    return build_reference(Reference(type, uri, begin, end))


def accompanied(event: Typing | Receipt, me: str, room: RoomId) -> Element:
    """Write what goes beside words: a chat state (XEP-0085 §5.5), a displayed marker (XEP-0333 §5)."""
    if isinstance(event, Receipt):
        return stanza("message", "groupchat", me, room, "", build_displayed(event.id), build_hint(STORE))
    payloads = (build_chat_state(event.state), build_hint(NO_STORE))
    if event.contact is not None:
        return stanza("message", "chat", me, f"{room}/{event.nick}", "", *payloads)
    return stanza("message", "groupchat", me, room, "", *payloads)


def invitation(event: Invite, jid: str, me: str, id: str) -> Element:
    """Write the wish that the room invite somebody (§7.8.2)."""
    wish = build_invite_wish(MucInvite(jid=jid, reason=event.reason))
    return stanza("message", None, me, event.room, id, wish)


def declined(event: Decline, me: str, id: str) -> Element:
    """Write the wish that the room tell who invited that one does not come (§7.8.2)."""
    wish = build_invite_wish(MucInvite(jid=event.nick, reason=event.reason, declined=True))
    return stanza("message", None, me, event.room, id, wish)


def voice_request(event: VoiceRequest, me: str, id: str) -> Element:
    """Write the wish to be let speak (§7.13)."""
    return stanza("message", None, me, event.room, id, build_request())


def asked(event: Asked, me: str, target: Occupant | None) -> Element:
    """Write the request to the room; `target` is whom it is about, as far as that is known (§8, §9)."""
    if isinstance(event, Retraction):
        payload = build_moderate(Moderation(event.id, event.reason))
    else:
        payload = Element("query", NS_MUC_ADMIN, None, build_item(_item(event, target), NS_MUC_ADMIN))
    return stanza("iq", "set", me, event.room, "", payload)


def _item(event: Kick | SetRole | SetAffiliation, target: Occupant | None) -> MucItem:
    match event:
        case SetRole():
            return MucItem(nick=event.nick, role=event.role, reason=event.reason)
        case Kick(banned=False):
            return MucItem(nick=event.nick, role=Role.NONE, reason=event.reason)
        case Kick():
            name, affiliation = event.nick, Affiliation.OUTCAST
        case SetAffiliation():
            name, affiliation = event.contact or event.user or event.target, event.affiliation
    if target is not None and target.address:
        jid = target.address.partition("/")[0]
        return MucItem(jid=jid, affiliation=affiliation, reason=event.reason)
    if target is None and "@" in name:
        return MucItem(jid=name, affiliation=affiliation, reason=event.reason)
    return MucItem(nick=name, affiliation=affiliation, reason=event.reason)
