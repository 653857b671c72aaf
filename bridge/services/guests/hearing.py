"""What comes from a room of XMPP, as events: messages of every kind, and occupants (XEP-0045 §7)."""

from __future__ import annotations

from bridge import degrade
from bridge.events import (
    Affiliation,
    Attachment,
    ContactId,
    Decline,
    DirectMessage,
    DirectReaction,
    DirectRetraction,
    Kind,
    Mention,
    Message,
    MessageId,
    Occupant,
    Reaction,
    Receipt,
    Reply,
    Retraction,
    Role,
    RoomConfig,
    RoomId,
    RoomNotice,
    Text,
    Topic,
    Typing,
    UserId,
)
from bridge.text import clip
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid, JidError
from bridge.xmpp.payloads.chatstates import parse_chat_state
from bridge.xmpp.payloads.correction import parse_replace
from bridge.xmpp.payloads.delay import parse_delay
from bridge.xmpp.payloads.files import NS_FILES, parse_files, without_links
from bridge.xmpp.payloads.markers import parse_displayed
from bridge.xmpp.payloads.markup import from_styling, read_text
from bridge.xmpp.payloads.moderation import parse_moderated
from bridge.xmpp.payloads.muc import (
    CONFIG_CHANGED,
    LOGGED,
    NOT_ANONYMOUS_NOW,
    NOT_LOGGED,
    SEMI_ANONYMOUS_NOW,
    MucUser,
    parse_received_decline,
    parse_user,
)
from bridge.xmpp.payloads.occupant_id import parse_occupant_id
from bridge.xmpp.payloads.reactions import parse_reactions
from bridge.xmpp.payloads.reference import MENTION, jid_of, parse_references
from bridge.xmpp.payloads.reply import (
    NS_REPLY,
    parse_fallback_ranges,
    parse_reply,
    without_fallback,
    without_ranges,
)
from bridge.xmpp.payloads.retract import parse_retract
from bridge.xmpp.payloads.stanza_id import parse_stanza_id
from bridge.xmpp.payloads.vcard_update import parse_photo_hash

ME = "/me "
NOTICES = {
    LOGGED: "What is said in this room is recorded from now on.",
    NOT_LOGGED: "What is said in this room is not recorded any more.",
    NOT_ANONYMOUS_NOW: "Everybody in this room sees the others' addresses from now on.",
    SEMI_ANONYMOUS_NOW: "Only moderators of this room see the others' addresses from now on.",
}
"""XEP-0045 §15.6.2: changes of a room that its occupants should know of."""
AWAY = frozenset({"away", "xa"})

Heard = Message | Topic | Reaction | Retraction | Receipt | Typing | RoomConfig | RoomNotice


def occupant(presence: Element, nick: str, user: MucUser) -> Occupant:
    """Return who is there; `presence` is an available one (§7.2.3)."""
    item = user.item
    return Occupant(
        nick=nick,
        affiliation=item.affiliation or Affiliation.NONE,
        role=item.role or Role.PARTICIPANT,
        address=item.jid,
        identity=bare(item.jid) or parse_occupant_id(presence) or "",
        away=(presence.child_text("status") or "") if presence.child_text("show") in AWAY else None,
        avatar=parse_photo_hash(presence),
    )


def bare(address: str) -> str:
    """Return the prepared bare JID of an address, "" if it is none."""
    try:
        return Jid.parse(address).bare if address else ""
    except JidError:
        return ""


def heard(message: Element, room: RoomId, nick: str, identity: str = "") -> Heard | None:
    """Read a groupchat message from `nick`, or from the room itself if that is ""; None if it says nothing.

    Whether somebody may take back what another said is not known here.
    """
    reacted, retracted = parse_reactions(message), parse_retract(message)
    if reacted is not None and nick:
        return Reaction(room=room, id=MessageId(reacted.id), nick=nick, emojis=reacted.emojis)
    if retracted is not None:
        return _retraction(message, room, nick, retracted)
    body, subject = message.child_text("body"), message.child("subject")
    if subject is not None and body is None:
        return Topic(room=room, text=subject.text(), nick=nick, time=parse_delay(message))
    if nick and (body or message.child("file-sharing", NS_FILES) is not None):
        return said(message, body or "", room, nick, identity)
    if body:
        return RoomNotice(room=room, text=body)
    return _accompaniment(message, room, nick)


def said(message: Element, body: str, room: RoomId, nick: str, identity: str) -> Message | None:
    """Read what is said in the room; None if that is nothing."""
    text, kind, reply, files = _words(message, body)
    if not text.plain and not files:
        return None
    end = len(text.plain) + (len(ME) if kind is Kind.EMOTE else 0)
    mentions = tuple(one for one in _mentions(message, body, room) if one.end <= end)
    return Message(
        room=room,
        nick=nick,
        body=text,
        id=MessageId(parse_stanza_id(message, room) or ""),
        origin=message.get("id") or "",
        kind=kind,
        reply=reply,
        replaces=parse_replace(message) or "",
        thread=message.child_text("thread") or "",
        mentions=degrade.moved(mentions, -len(ME)) if kind is Kind.EMOTE else mentions,
        attachments=files,
        time=parse_delay(message),
        identity=identity or parse_occupant_id(message) or "",
    )


def whispered(
    message: Element, room: RoomId, nick: str
) -> DirectMessage | DirectReaction | DirectRetraction | Typing | None:
    """Read what an occupant tells a guest alone (§7.5)."""
    contact = ContactId(f"{room}/{nick}")
    reacted, retracted = parse_reactions(message), parse_retract(message)
    if reacted is not None:
        id = MessageId(reacted.id)
        return DirectReaction(contact=contact, nick=nick, room=room, id=id, emojis=reacted.emojis)
    if retracted is not None:
        return DirectRetraction(contact=contact, nick=nick, room=room, id=MessageId(retracted))
    text, kind, reply, files = _words(message, message.child_text("body") or "")
    if not text.plain and not files:
        state = parse_chat_state(message)
        return None if state is None else Typing(room=room, contact=contact, nick=nick, state=state)
    return DirectMessage(
        contact=contact,
        nick=nick,
        body=text,
        id=MessageId(message.get("id") or ""),
        origin=message.get("id") or "",
        kind=kind,
        room=room,
        reply=reply,
        replaces=parse_replace(message) or "",
        thread=message.child_text("thread") or "",
        attachments=files,
        time=parse_delay(message),
    )


def declined(message: Element, room: RoomId) -> Decline | None:
    """Read that somebody whom a guest invited does not come (§7.8.2); None if it is anything else."""
    found = parse_received_decline(message)
    user = None if found is None else bare(found.jid)
    if found is None or not user:
        return None
    return Decline(room=room, user=UserId(user), reason=found.reason)


def _words(message: Element, body: str) -> tuple[Text, Kind, Reply | None, tuple[Attachment, ...]]:
    answered, files = parse_reply(message), parse_files(message)
    reply = None
    if answered is not None:
        body = without_fallback(message, body, (NS_REPLY,)) or body
        reply = Reply(id=MessageId(answered.id), nick=answered.to.partition("/")[2])
    if files:
        body = without_links(message, body, files)
    text = from_styling(body) if files else read_text(message, body)
    if text.plain.startswith(ME):
        return clip(text, len(ME), len(text.plain)), Kind.EMOTE, reply, files
    return text, Kind.TEXT, reply, files


def _mentions(message: Element, body: str, room: RoomId) -> tuple[Mention, ...]:
    """XEP-0372: who is named, by his occupant JID or another; positions are those without the quotation."""
    quoted = parse_fallback_ranges(message, (NS_REPLY,), len(body))
    found = []
    for one in parse_references(message, len(body)):
        jid = jid_of(one.uri) if one.type == MENTION else None
        start, end = without_ranges(one.begin, quoted), without_ranges(one.end, quoted)
        if jid is None or (start == end and one.end):
            continue
        if jid.bare == room:
            found.append(Mention(start=start, end=end, nick=jid.resource))
        else:
            found.append(Mention(start=start, end=end, contact=ContactId(jid.bare)))
    return tuple(found)


def _retraction(message: Element, room: RoomId, nick: str, id: str) -> Retraction:
    """XEP-0424 by who said it, XEP-0425 §5 if it is the room that says it."""
    moderated = None if nick else parse_moderated(message)
    by = "" if moderated is None else moderated.by.partition("/")[2]
    return Retraction(
        room=room,
        id=MessageId(id),
        nick=nick,
        actor=by or (room if not nick else ""),
        reason="" if moderated is None else moderated.reason,
    )


def _accompaniment(message: Element, room: RoomId, nick: str) -> Heard | None:
    """Read a message without words; what is older than now does not matter any more."""
    if parse_delay(message) is not None:
        return None
    displayed, state, user = parse_displayed(message), parse_chat_state(message), parse_user(message)
    if nick and displayed is not None:
        return Receipt(room=room, nick=nick, id=MessageId(displayed))
    if nick and state is not None:
        return Typing(room=room, nick=nick, state=state)
    if nick or user is None:
        return None
    notice = next((text for code, text in NOTICES.items() if code in user.codes), None)
    if notice is not None:
        return RoomNotice(room=room, text=notice)
    return RoomConfig(room=room) if CONFIG_CHANGED in user.codes else None
