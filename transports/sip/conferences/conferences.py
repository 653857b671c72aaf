"""Users in conferences of SIP: who is where, and which addresses are conferences at all (RFC 7702 §5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ChangeNick,
    ContactId,
    Depart,
    DirectMessage,
    Enter,
    Entered,
    Incoming,
    Invite,
    Message,
    MessageId,
    NotEntered,
    RoomId,
    UserId,
)
from transports.sip.address import user_uri
from transports.sip.agent.user_agent import Answer
from transports.sip.common import Common
from transports.sip.conferences.stay import Stay
from transports.sip.conferences.subscription import Subscriptions
from transports.sip.lines.errands import Errands
from transports.sip.msrp.exchange import Exchange
from transports.sip.wire.message import Request, respond
from transports.sip.wire.uri import Uri

STAYS = 5_000
"""Users in conferences at a time, each counted for each."""

Wish = Enter | Depart | ChangeNick | Message | DirectMessage | Invite
"""What users want in conferences."""


def is_conference(contact: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether an address is that of a conference; which are, the operator says."""
    return any(fnmatchcase(contact, one) for one in patterns)


class Conferences:
    """See the module's docstring. `domain` is the gateway's on SIP."""

    def __init__(
        self, exchange: Exchange, common: Common, domain: str, is_one: Callable[[str], bool]
    ) -> None:
        self.is_one = is_one
        """Whether an address is that of a conference."""
        self.exchange, self.spellings, self.way, self.domain = exchange, common.spellings, common.way, domain
        self._uplink = common.uplink
        self.subscriptions = Subscriptions(Errands(common), common)
        self._stays: dict[tuple[UserId, RoomId], Stay] = {}
        self._do: Mapping[type[Any], Callable[[Stay, Any], None]] = {
            Depart: lambda stay, wish: stay.depart(wish.reason),
            ChangeNick: Stay.change_nick,
            Message: Stay.say,
            DirectMessage: Stay.whisper,
            Invite: self._invite,
        }

    def __len__(self) -> int:
        return len(self._stays)

    def stop(self, reason: str) -> None:
        """Take everybody out."""
        for stay in list(self._stays.values()):
            stay.shut_down(reason)
        self.subscriptions.stop()

    def end_of(self, user: UserId, reason: str) -> bool:
        """Take a user out of all conferences; False if he is in none."""
        found = [stay for stay in self._stays.values() if stay.user == user]
        for stay in found:
            stay.depart(reason)
        return bool(found)

    def users(self) -> list[UserId]:
        """Return who is in any conference."""
        return list(dict.fromkeys(user for user, _ in self._stays))

    # ---- from users

    def submit(self, user: UserId, wish: Wish) -> None:
        """Do what a user wants in a conference. Raises BridgeError."""
        assert wish.room is not None
        stay = self._stays.get((user, wish.room))
        if isinstance(wish, Enter):
            self._enter(user, wish, stay)
        elif stay is None:
            raise BridgeError(Trouble.NOT_IN_ROOM)
        else:
            self._do[type(wish)](stay, wish)

    def _enter(self, user: UserId, wish: Enter, stay: Stay | None) -> None:
        if stay is not None:
            seen = self.snapshot(user, wish.room)
            if seen is not None:
                self.tell(user, seen)
            return
        if len(self._stays) >= STAYS or self.exchange.full(user) is not None:
            raise BridgeError(Trouble.TOO_MANY_ROOMS)
        stay = self._stays[user, wish.room] = Stay(self, user, wish)
        try:
            stay.begin()
        except BridgeError as error:
            self._stays.pop((user, wish.room), None)
            self.tell(user, NotEntered(room=wish.room, nick=wish.nick, error=error))

    def _invite(self, stay: Stay, wish: Invite) -> None:
        if wish.user is not None:
            stay.invite(wish, user_uri(wish.user, self.domain))
        elif wish.contact is not None:
            stay.invite(wish, self._uri(stay.user, wish.contact))
        else:
            raise BridgeError(Trouble.NO_SUCH_NICK)

    def _uri(self, user: UserId, contact: ContactId) -> Uri:
        return self.spellings.spelt(contact, self.way(user, contact).uri)

    def snapshot(self, user: UserId, room: RoomId) -> Entered | None:
        """Return a conference as a user sees it; None if he is not in it."""
        stay = self._stays.get((user, room))
        return None if stay is None or not stay.is_inside else stay.snapshot()

    # ---- from SIP

    def notified(self, request: Request, answer: Answer) -> None:
        """Take a NOTIFY about a conference."""
        verdict = self.subscriptions.notified(request)
        answer(respond(request, verdict.status, self.exchange.token(), verdict.fields))

    def called(self, request: Request, user: UserId, contact: ContactId, answer: Answer) -> None:
        """Take what a conference wants of a user: he is invited, and comes by himself (RFC 4579 §5.5)."""
        if request.method == "INVITE":
            self._uplink.deliver(user, (Invite(room=RoomId(contact)),))
        answer(respond(request, 480 if request.method == "INVITE" else 403, self.exchange.token()))

    # ---- for stays

    def tell(self, user: UserId, *events: Incoming) -> None:
        """See `stay.Ports`; each by itself, as the bridge renders it."""
        for event in events:
            self._uplink.deliver(user, (event,))

    def fresh_id(self) -> MessageId:
        """See `stay.Ports`."""
        return self._uplink.message_id()

    def over(self, stay: Stay) -> None:
        """See `stay.Ports`."""
        self._stays.pop((stay.user, stay.room), None)
