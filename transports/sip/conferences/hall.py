"""A room of XMPP as people of SIP know it: who is in, its subject, and by which addresses (RFC 7702 §6.2)."""

from __future__ import annotations

from collections.abc import Iterator

from bridge import degrade
from bridge.capabilities import Capabilities
from bridge.events import (
    ContactId,
    Entered,
    Incoming,
    Join,
    Kick,
    Kind,
    Leave,
    Message,
    NickChange,
    Occupant,
    OccupantChange,
    Reaction,
    RoomId,
    RoomNotice,
    Topic,
)
from transports.sip.conferences.attendee import Attendee
from transports.sip.conferences.info import MAX_SUBJECT, MAX_TOLD, Conference
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.uri import Uri

ME = "/me "


class Hall:
    """See the module's docstring. `domain` is the gateway's on SIP, `levels` what it carries."""

    def __init__(self, room: RoomId, domain: str, levels: Capabilities) -> None:
        self.room = room
        self.uri = Uri(scheme="sip", user=room, host=domain)
        self.attendees: dict[ContactId, Attendee] = {}
        self._levels = levels
        self._occupants: dict[str, Occupant] = {}
        self._subject = ""

    # ---- who is in

    def enter(self, event: Entered) -> None:
        """Somebody of ours is in, and sees all."""
        self._occupants = dict(event.occupants)
        self._subject = event.topic.text if event.topic is not None else ""

    def take(self, event: Incoming) -> None:
        """Note what everybody in the room sees."""
        match event:
            case Join(occupant=occupant) | OccupantChange(occupant=occupant):
                if not self._is_ours(occupant.nick):
                    self._occupants[occupant.nick] = occupant
            case Leave(nick=nick) | Kick(nick=nick):
                self._occupants.pop(nick, None)
            case NickChange(old=old, occupant=occupant):
                self._occupants.pop(old, None)
                self._occupants[occupant.nick] = occupant
            case Topic(text=text):
                self._subject = text

    def _is_ours(self, nick: str) -> bool:
        return any(one.nick == nick for one in self.attendees.values())

    def nicks(self) -> Iterator[str]:
        """Iterate over all who are in."""
        for one in self.attendees.values():
            if one.is_inside:
                yield one.nick
        yield from self._occupants

    def has(self, nick: str) -> bool:
        """Tell whether somebody of that nick is in."""
        return nick in self._occupants or self._is_ours(nick)

    @property
    def conference(self) -> Conference:
        """The room as its subscribers are told of it."""
        nicks = list(dict.fromkeys(self.nicks()))
        people = tuple((str(self.address(nick).uri), nick) for nick in nicks[:MAX_TOLD])
        return Conference(self._subject[:MAX_SUBJECT], people, len(nicks))

    # ---- addresses

    @property
    def everybody(self) -> NameAddr:
        """To whom public words are."""
        return NameAddr(uri=self.uri)

    def address(self, nick: str) -> NameAddr:
        """Return by what somebody in the room is known (RFC 7702 §6.2)."""
        params = {"gr": nick}
        uri = Uri(scheme="sip", user=self.uri.user, host=self.uri.host, params=params)
        return NameAddr(uri=uri, display=nick)

    def nick_of(self, address: NameAddr | None) -> str | None:
        """Return to whom words are: "" is everybody, None nobody here."""
        if address is None:
            return ""
        if (address.uri.user.lower(), address.uri.host) != (self.uri.user.lower(), self.uri.host):
            return None
        nick = address.uri.params.get("gr") or address.params.get("gr", "")
        return nick if not nick or self.has(nick) else None

    # ---- what is said

    def broadcast(self, event: Message | Reaction | RoomNotice, author: ContactId | None = None) -> None:
        """Tell all people of SIP who are in, but the author."""
        sender = self.everybody if isinstance(event, RoomNotice) else self.address(event.nick)
        for text in self._texts(event):
            for one in list(self.attendees.values()):
                if one.is_inside and one.guest != author:
                    one.tell(sender, self.everybody, text)

    def _texts(self, event: Message | Reaction | RoomNotice) -> Iterator[str]:
        match event:
            case RoomNotice(text=text):
                yield text
            case Reaction():
                for one in degrade.reaction(event, self._levels):
                    if isinstance(one, Message):
                        yield one.body.plain
            case Message():
                yield self.text(event)

    def text(self, event: degrade.Said) -> str:
        """Return what is said in plain words."""
        said = degrade.message(event, self._levels)
        return (ME if said.kind is Kind.EMOTE else "") + said.body.plain
