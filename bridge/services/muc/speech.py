"""What is said in a room, both ways (XEP-0045 §7.4, §8.1), and what accompanies it."""

from __future__ import annotations

from msgspec import Struct, structs

from bridge import degrade
from bridge.capabilities import CARRIED, Level
from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Mention,
    Message,
    MessageId,
    Reaction,
    Receipt,
    Reply,
    Retraction,
    RoomId,
    Sent,
    Text,
    Topic,
    Typing,
    UserId,
)
from bridge.router import Request
from bridge.services.mentions import read_mentions
from bridge.services.muc.acts import act
from bridge.services.muc.context import Context
from bridge.services.muc.journal import Envelope
from bridge.services.muc.occupancy import Occupancy, Resource
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.chatstates import build_chat_state, parse_chat_state
from bridge.xmpp.payloads.correction import NS_CORRECTION, parse_replace
from bridge.xmpp.payloads.files import NAMESPACES as FILE_NAMESPACES
from bridge.xmpp.payloads.files import NS_FILES, parse_files, without_links
from bridge.xmpp.payloads.hints import build_hint
from bridge.xmpp.payloads.markers import build_displayed, parse_displayed
from bridge.xmpp.payloads.markup import STYLING, from_styling, read_text
from bridge.xmpp.payloads.muc import NS_MUC_USER
from bridge.xmpp.payloads.reactions import NS_REACTIONS, parse_reactions
from bridge.xmpp.payloads.reference import NS_REFERENCE
from bridge.xmpp.payloads.reply import NS_REPLY, ReplyTo, parse_reply, without_fallback
from bridge.xmpp.payloads.retract import NS_RETRACT, parse_retract
from bridge.xmpp.stanza import NS_COMPONENT

NOT_REFLECTED = frozenset(
    {
        ("body", NS_COMPONENT),
        ("subject", NS_COMPONENT),
        ("stanza-id", "urn:xmpp:sid:0"),
        ("occupant-id", "urn:xmpp:occupant-id:0"),
        ("delay", "urn:xmpp:delay"),
        ("x", "jabber:x:delay"),
        ("x", NS_MUC_USER),
        ("addresses", "http://jabber.org/protocol/address"),
        ("received", "urn:xmpp:carbons:2"),
        ("sent", "urn:xmpp:carbons:2"),
        ("error", NS_COMPONENT),
    }
)
"""Payloads that only the room may say (XEP-0359 §6, XEP-0421 §5, XEP-0203 §5), or that it says itself."""
NS_XHTML_IM = "http://jabber.org/protocol/xhtml-im"
MARKED = frozenset({NS_XHTML_IM, STYLING})
"""Payloads that say how the words are to be read."""
STYLED = frozenset("*_~`>")
"""Characters without which a text holds no message styling (XEP-0393)."""


Reportable = Message | Topic | Reaction | Retraction
"""Outgoing events of a room whose outcome is reported to their sender."""


class Utterance(Struct):
    """A ticket: a groupchat message on its way, and how its author will see it again."""

    user: UserId
    room: RoomId
    speech: Speech
    envelope: Envelope
    begun: bool = False

    def sent(self, event: Sent) -> None:
        """A line of it is in the room: reflect that (the first keeps the author's id)."""
        self.speech.reflect(self, event)

    def failed(self, error: BridgeError) -> None:
        """It did not get there: tell the client that sent it."""
        self.speech.report(self, error)


class Speech:
    """See the module's docstring."""

    def __init__(self, context: Context) -> None:
        self._context = context

    # ---- from the client

    def groupchat(self, request: Request) -> None:
        """A message of type groupchat to the room."""
        occupancy, resource = self._context.here(request)
        element = request.element
        body = element.child_text("body")
        subject = element.child("subject")
        if subject is not None and body is None:
            self._submit(occupancy, resource, element, Topic(room=occupancy.room, text=subject.text()))
        elif self._is_about_another(occupancy, element):
            self._accompany(occupancy, resource, element)
        elif body is not None or element.child("file-sharing", NS_FILES) is not None:
            self._say(occupancy, resource, element, body or "")
        else:
            self._accompany(occupancy, resource, element)

    def _is_about_another(self, occupancy: Occupancy, element: Element) -> bool:
        """Tell whether it does something to another message, its body being for who does not know that.

        Where the room cannot have it done, the body says it (XEP-0444, XEP-0424 §3).
        """
        namespaces = {child.namespace for child in element.elements()}
        if namespaces.isdisjoint((NS_REACTIONS, NS_RETRACT)):
            return False
        levels = self._context.network.capabilities(occupancy.user, occupancy.room)
        return (levels.reactions in CARRIED and parse_reactions(element) is not None) or (
            levels.retractions in CARRIED and parse_retract(element) is not None
        )

    def _say(self, occupancy: Occupancy, resource: Resource, element: Element, body: str) -> None:
        namespaces = {child.namespace for child in element.elements()}
        files = () if namespaces.isdisjoint(FILE_NAMESPACES) else parse_files(element)
        if not body and not files:
            raise BridgeError(Trouble.NOT_ACCEPTABLE, "The message is empty.")
        answered = parse_reply(element) if NS_REPLY in namespaces else None
        replaces = parse_replace(element) if NS_CORRECTION in namespaces else None
        thread = element.child_text("thread") or ""
        mentions: tuple[Mention, ...] = ()
        if NS_REFERENCE in namespaces or "xmpp:" in body or "@room" in body:
            network, domain = self._context.network, self._context.domain
            mentions = read_mentions(element, body, network, domain, occupancy.room)
        if answered is not None:
            body = without_fallback(element, body, (NS_REPLY,)) or body
        if files:
            body = without_links(element, body, files)
            mentions = tuple(one for one in mentions if one.end <= len(body))
        is_marked = not files and not namespaces.isdisjoint(MARKED)
        message = Message(
            room=occupancy.room,
            body=read_text(element, body) if is_marked else _styled(body),
            origin=element.attributes.get("id", ""),
            reply=None if answered is None else self._reply(occupancy, answered),
            replaces=replaces or "",
            thread=thread,
            mentions=mentions,
            attachments=files,
        )
        if answered is not None or replaces is not None or thread or mentions or files:
            levels = self._context.network.capabilities(occupancy.user, occupancy.room)
            message = degrade.message(message, levels)
        self._submit(occupancy, resource, element, message)

    def _reply(self, occupancy: Occupancy, answered: ReplyTo) -> Reply:
        nick = answered.to.partition("/")[2] if answered.to else ""
        return Reply(id=MessageId(answered.id), nick=nick)

    def _submit(self, occupancy: Occupancy, resource: Resource, element: Element, event: Reportable) -> None:
        extras, markup = _reflected(element)
        ticket = Utterance(
            user=occupancy.user,
            room=occupancy.room,
            speech=self,
            envelope=Envelope(
                resource.full_jid,
                element.attributes["to"],
                element.attributes.get("id", ""),
                "groupchat",
                extras,
                markup,
            ),
        )
        ref = self._context.tickets.issue(ticket)
        self._context.submit(occupancy.user, structs.replace(event, ref=ref))

    def _accompany(self, occupancy: Occupancy, resource: Resource, element: Element) -> None:
        """A message without words: chat state, reaction, retraction; others are not for IRC-like networks."""
        levels = self._context.network.capabilities(occupancy.user, occupancy.room)
        reacted = parse_reactions(element)
        retracted = parse_retract(element)
        displayed = parse_displayed(element)
        state = parse_chat_state(element)
        room, origin = occupancy.room, element.attributes.get("id", "")
        if reacted is not None:
            wish = Reaction(room=room, id=MessageId(reacted.id), emojis=reacted.emojis, origin=origin)
            for event in degrade.reaction(wish, levels):
                self._submit(occupancy, resource, element, event)
        elif retracted is not None:
            if levels.retractions in (Level.REJECTED, Level.DROPPED):
                raise BridgeError(Trouble.UNSUPPORTED, "Messages cannot be retracted in this room.")
            wished = Retraction(room=room, id=MessageId(retracted), origin=origin)
            self._submit(occupancy, resource, element, wished)
        elif displayed is not None and levels.receipts in CARRIED:
            self._context.submit(occupancy.user, Receipt(room=room, id=MessageId(displayed)))
        elif state is not None and levels.typing is Level.NATIVE:
            self._context.submit(occupancy.user, Typing(room=room, state=state))

    # ---- outcome

    def reopened(self, user: UserId, room: RoomId, envelope: Envelope) -> Utterance:
        """Return the ticket of what was said before the bridge restarted."""
        return Utterance(user, room, self, envelope)

    def reflect(self, ticket: Utterance, event: Sent) -> None:
        """§7.4: the author's clients see what the room saw."""
        occupancy = self._context.rooms.get(ticket.user, ticket.room)
        if occupancy is None or event.message is None:
            return
        if ticket.begun:
            template = self._context.render.message(event.message, stanza_id=event.message.id)
        else:
            ticket.begun = True
            envelope = ticket.envelope
            whole = event.last or not envelope.markup
            template = self._context.render.message(
                event.message,
                stanza_id=envelope.id,
                extras=envelope.extras + (envelope.markup if whole else ""),
            )
        self._context.write(occupancy, template)

    def report(self, ticket: Utterance, error: BridgeError) -> None:
        """RFC 6120 §8.3: what cannot be delivered is answered to its sender."""
        self._context.router.send(ticket.envelope.undelivered(error))

    # ---- from the network

    def typing(self, occupancy: Occupancy, event: Typing) -> None:
        """XEP-0085 §5.5 in a room."""
        sender = f"{self._context.render.plain(occupancy.room)}/{event.nick}"
        payloads = (build_chat_state(event.state), build_hint("no-store"))
        self._write(
            occupancy, Element("message", NS_COMPONENT, {"from": sender, "type": "groupchat"}, *payloads)
        )

    def receipt(self, occupancy: Occupancy, event: Receipt) -> None:
        """XEP-0333 §4 in a room."""
        sender = f"{self._context.render.plain(occupancy.room)}/{event.nick}"
        payloads = (build_displayed(event.id), build_hint("no-store"))
        self._write(
            occupancy, Element("message", NS_COMPONENT, {"from": sender, "type": "groupchat"}, *payloads)
        )

    def reaction(self, user: UserId, event: Reaction) -> None:
        """XEP-0444 §3.2."""
        self._done(user, event)

    def retraction(self, user: UserId, event: Retraction) -> None:
        """XEP-0424 §3, XEP-0425 §3.1."""
        self._done(user, event)

    def _done(self, user: UserId, event: Reaction | Retraction) -> None:
        occupancy = self._context.rooms.get(user, event.room)
        if occupancy is not None:
            told = act(self._context.render, event)
            attributes = {"from": told.sender, "type": "groupchat", "id": told.id or None}
            self._write(occupancy, Element("message", NS_COMPONENT, attributes, *told.payloads))

    def _write(self, occupancy: Occupancy, element: Element) -> None:
        for resource in occupancy.resources.values():
            element.attributes["to"] = resource.full_jid
            self._context.router.send(element)


def _styled(body: str) -> Text:
    """XEP-0393: words without formatting of their own may hold message styling."""
    return Text(plain=body) if STYLED.isdisjoint(body) else from_styling(body)


def _reflected(element: Element) -> tuple[str, str]:
    """Return the payloads to reflect, and apart from them the formatted body."""
    parts: list[str] = []
    markup = ""
    for child in element.children:
        if isinstance(child, str) or (child.name, child.namespace) in NOT_REFLECTED:
            continue
        if child.namespace == NS_XHTML_IM:
            markup = child.to_xml(NS_COMPONENT)
        else:
            parts.append(child.to_xml(NS_COMPONENT))
    return "".join(parts), markup
