"""XEP-0045 1.35.5 §7.13 and §8.6: to ask for voice in a moderated room, and to grant it."""

from __future__ import annotations

from msgspec import Struct

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.forms import (
    Field,
    FieldType,
    Form,
    build_form,
    build_submit,
    find_form,
    parse_values,
)

FORM_REQUEST = "http://jabber.org/protocol/muc#request"
ROLE, JID, NICK, ALLOW = "muc#role", "muc#jid", "muc#roomnick", "muc#request_allow"
PARTICIPANT = "participant"
TRUE = frozenset({"1", "true"})


class VoiceAnswer(Struct, frozen=True, kw_only=True):
    """What a moderator answers to a request: whether `nick` may speak."""

    nick: str
    allows: bool


def build_request() -> Element:
    """Write the form by which an occupant asks (§7.13)."""
    return build_submit(FORM_REQUEST, [(ROLE, PARTICIPANT)])


def is_request(message: Element) -> bool:
    """Tell whether an occupant asks for voice by this message to the room, and for nothing else."""
    values = _submitted(message)
    return values is not None and ALLOW not in values and values.get(ROLE) == (PARTICIPANT,)


def build_approval(nick: str, jid: str, words: str) -> Element:
    """Write the form that asks a moderator (§8.6); `words` tell him about whom."""
    form = Form(
        title="Voice request",
        instructions=words,
        fields=(
            Field(var=ROLE, type=FieldType.LIST_SINGLE, label="Requested role", values=(PARTICIPANT,)),
            Field(var=JID, type=FieldType.JID_SINGLE, label="User ID", values=(jid,)),
            Field(var=NICK, type=FieldType.TEXT_SINGLE, label="Room nickname", values=(nick,)),
            Field(var=ALLOW, type=FieldType.BOOLEAN, label="Grant voice to this person?", values=("0",)),
        ),
    )
    return build_form(form, form_type=FORM_REQUEST)


def parse_approval(message: Element) -> str | None:
    """Return the nick of who asks, as a room tells a moderator; None if the message is anything else."""
    form = find_form(message, FORM_REQUEST)
    if form is None or form.get("type") != "form":
        return None
    return "".join(parse_values(form).get(NICK, ())[:1]) or None


def parse_answer(message: Element) -> VoiceAnswer | None:
    """Return what a moderator answers; None if the message is anything else."""
    values = _submitted(message)
    if values is None or ALLOW not in values:
        return None
    return VoiceAnswer(nick="".join(values.get(NICK, ())[:1]), allows=not TRUE.isdisjoint(values[ALLOW]))


def _submitted(message: Element) -> dict[str, tuple[str, ...]] | None:
    form = find_form(message, FORM_REQUEST)
    return parse_values(form) if form is not None and form.get("type") == "submit" else None
