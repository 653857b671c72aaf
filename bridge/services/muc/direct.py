"""Talk with one person: private messages in a room (XEP-0045 §7.5) and chats with contacts and servers."""

from __future__ import annotations

import html

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Command,
    ContactAnswer,
    ContactId,
    ContactNotice,
    DirectMessage,
    NetworkState,
    RoomId,
    Sent,
    ServerId,
    ServerNotice,
    Text,
    Typing,
    UserId,
)
from bridge.network import ContactAddress, ServerAddress
from bridge.router import Request
from bridge.services.muc.context import Context, user_of
from bridge.services.muc.journal import Envelope
from bridge.services.muc.render import body_of
from bridge.services.muc.speech import NS_XHTML_IM
from bridge.xmpp.element import Element, quote
from bridge.xmpp.payloads.chatstates import build_chat_state, parse_chat_state
from bridge.xmpp.payloads.hints import build_hint
from bridge.xmpp.payloads.markup import from_xhtml, to_xhtml
from bridge.xmpp.stanza import NS_COMPONENT

PLACES_PER_GATEWAY = 50_000
"""In how many conversations it is remembered where the user wrote last."""
IN_ROOM = "<x xmlns='http://jabber.org/protocol/muc#user'/>"


class Letter(Struct):
    """A ticket: a message to one person or server on its way."""

    user: UserId
    direct: Direct
    envelope: Envelope

    def sent(self, event: Sent) -> None:
        """There is nothing to reflect: the client shows what it sent."""

    def failed(self, error: BridgeError) -> None:
        """It did not get there: tell the client that sent it."""
        self.direct.report(self, error)


class Direct:
    """See the module's docstring."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._places: dict[tuple[UserId, ContactId], RoomId] = {}
        self._talkers: dict[tuple[UserId, str], bytes] = {}

    # ---- from the client

    def to_occupant(self, request: Request) -> None:
        """§7.5: a private message; the answer will come from the same occupant JID."""
        occupancy, _ = self._context.here(request)
        contact = self._context.network.contact(occupancy.room, request.to.resource)
        self._place(occupancy.user, contact, occupancy.room)
        self._say(request, contact, occupancy.room)

    def to_contact(self, request: Request) -> None:
        """A chat with somebody, whatever room he is in."""
        assert isinstance(request.address, ContactAddress)
        user, contact = user_of(request), request.address.contact
        self._talked(request, request.address.server)
        self._places.pop((user, contact), None)
        self._say(request, contact, None)

    def to_server(self, request: Request) -> None:
        """A line for the server itself, in its own language."""
        if isinstance(request.address, ServerAddress):
            server = request.address.server
        elif self._context.network.single_server:
            server = ServerId("")
        else:
            raise BridgeError(Trouble.NO_SERVICE)
        body = request.element.child_text("body")
        if body is None:
            return
        self._talked(request, server)
        ref = self._context.tickets.issue(self._letter(request))
        self._context.submit(user_of(request), Command(server=server, line=body, ref=ref))

    def _say(self, request: Request, contact: ContactId, room: RoomId | None) -> None:
        element, user = request.element, user_of(request)
        body = element.child_text("body")
        if body is None:
            state = parse_chat_state(element)
            if state is not None:
                self._context.submit(user, Typing(contact=contact, room=room, state=state))
            return
        if not body:
            raise BridgeError(Trouble.NOT_ACCEPTABLE, "The message is empty.")
        xhtml = element.child("html", NS_XHTML_IM)
        text = Text(plain=body) if xhtml is None else from_xhtml(xhtml, body)
        ref = self._context.tickets.issue(self._letter(request))
        nick = request.to.resource if room is not None else self._context.network.nick(contact)
        self._context.submit(user, DirectMessage(contact=contact, nick=nick, body=text, room=room, ref=ref))

    def _letter(self, request: Request) -> Letter:
        envelope = Envelope(str(request.sender), str(request.to), request.id, request.type or "normal")
        return Letter(user_of(request), self, envelope)

    def report(self, letter: Letter, error: BridgeError) -> None:
        """What cannot be delivered is answered to its sender."""
        self._context.router.send(letter.envelope.undelivered(error))

    def _place(self, user: UserId, contact: ContactId, room: RoomId) -> None:
        if len(self._places) >= PLACES_PER_GATEWAY:
            self._places.clear()
        self._places[user, contact] = room

    def _talked(self, request: Request, server: str) -> None:
        if len(self._talkers) >= PLACES_PER_GATEWAY:
            self._talkers.clear()
        self._talkers[user_of(request), server] = quote(str(request.sender)).encode()

    # ---- from the network

    def clients(self, user: UserId, server: str) -> list[bytes]:
        """Return whom to tell: the clients in the server's rooms, the one that talked last, or the user."""
        found = self._context.rooms.resources(user, server)
        if found:
            return found
        talker = self._talkers.get((user, server))
        return [quote(user).encode() if talker is None else talker]

    def message(self, user: UserId, event: DirectMessage) -> None:
        """Somebody wrote to the user; the answer to a private message keeps its room (§7.5)."""
        room = event.room or self._places.get((user, event.contact))
        inside = room is not None and self._context.rooms.get(user, room) is not None
        payloads = "" if (xhtml := to_xhtml(event.body)) is None else xhtml.to_xml()
        if inside and room is not None:
            sender = f"{self._context.render.room(room)}/{quote(event.nick)}"
            payloads += IN_ROOM
        else:
            sender = self._context.render.jid(event.contact)
        text = body_of(event.kind, event.body.plain)
        template = self._context.render.chat(sender, text, ident=event.id, payloads=payloads)
        self._context.write_to(user, self.clients(user, self._server_of(event.contact)), template)

    def _server_of(self, contact: ContactId) -> str:
        address = self._context.network.address(contact)
        return getattr(address, "server", "")

    def server_notice(self, user: UserId, event: ServerNotice) -> None:
        """Words of a server, from its own JID."""
        template = self._context.render.chat(self._context.render.jid(event.server), event.text)
        self._context.write_to(user, self.clients(user, event.server), template)

    def typing(self, user: UserId, event: Typing) -> None:
        """XEP-0085 in a one-to-one chat."""
        if event.contact is None:
            return
        state = build_chat_state(event.state).to_xml() + build_hint("no-store").to_xml()
        sender = self._context.render.jid(event.contact)
        template = f"<message from='{sender}' to='\0' type='chat'>{state}</message>".encode()
        self._context.write_to(user, self.clients(user, self._server_of(event.contact)), template)

    def link_changed(self, user: UserId, event: NetworkState) -> None:
        """Forget who talked when the link ends."""
        if event.link.value == "disconnected":
            self._talkers.pop((user, event.server), None)

    # ---- questions about the user's client

    def question(self, user: UserId, event: ContactNotice) -> None:
        """Somebody asks which client the user has: his first client answers (XEP-0092)."""
        clients = self.clients(user, self._server_of(event.contact))
        sender = self._context.render.plain(event.contact)
        to = html.unescape(clients[0].decode())
        query = Element("query", "jabber:iq:version")
        iq = Element("iq", NS_COMPONENT, {"type": "get", "from": sender, "to": to}, query)
        answered = self._context.router.request(iq)
        answered.addCallbacks(lambda result: self._version(user, event, result), lambda _failure: None)

    def _version(self, user: UserId, event: ContactNotice, result: Element) -> None:
        query = result.child("query", "jabber:iq:version")
        if query is not None:
            words = [query.child_text(name) or "" for name in ("name", "version", "os")]
            words.insert(1, f"(through the {self._context.brand.lower()} gateway)")
            text = " ".join(word for word in words if word)
            self._context.submit(
                user, ContactAnswer(contact=event.contact, question=event.question, text=text)
            )
