"""Presence, both ways: whom users watch, who watches them, and where it is published how they are."""

from __future__ import annotations

from bridge.events import ContactId, Presence, UserId
from transports.sip.agent.routing import Hop
from transports.sip.agent.user_agent import Answer
from transports.sip.common import Common
from transports.sip.lines.line import Line
from transports.sip.presence.pidf import State
from transports.sip.presence.publisher import Publisher
from transports.sip.presence.watchers import Watchers
from transports.sip.presence.watching import Watching
from transports.sip.wire.message import Request, respond


class People:
    """See the module's docstring. `way` tells how a user reaches a contact, or raises BridgeError."""

    def __init__(self, common: Common) -> None:
        self._common, self._spellings = common, common.spellings
        self._watching = Watching(common)
        self._watchers = Watchers(common)
        self._publishers: dict[str, Publisher] = {}

    def take_line(self, line: Line) -> None:
        """A trunk is there; if it wants to know how its owner is, it is told."""
        if line.trunk.config.publish:
            name = line.trunk.name
            self._publishers[name] = Publisher(self._common, line)

    def drop_line(self, line: Line) -> None:
        """A trunk goes."""
        publisher = self._publishers.pop(line.trunk.name, None)
        if publisher is not None:
            publisher.show(None)
            publisher.stop()

    # ---- what users want

    def subscribe(self, user: UserId, contact: ContactId) -> None:
        """Tell the user from now on how a contact is."""
        self._watching.subscribe(user, contact)

    def unsubscribe(self, user: UserId, contact: ContactId) -> None:
        """Tell him no more."""
        self._watching.unsubscribe(user, contact)

    def consent(self, user: UserId, contact: ContactId, *, granted: bool) -> None:
        """The user lets a contact know how he is, or does not."""
        self._watchers.consent(user, contact, granted=granted)

    def show(self, user: UserId, presence: Presence) -> None:
        """The user is like this now."""
        self._watchers.show(user, presence)
        state = State(is_open=True, show=presence.show, note=presence.status) if presence.available else None
        for publisher in self._publishers.values():
            if publisher.owner == user:
                publisher.show(state)

    # ---- what changes

    def look_again(self) -> None:
        """Ways may have opened or closed."""
        self._watching.look_again()

    def stop(self) -> None:
        """Wake nobody any more."""
        self._watching.stop()
        self._watchers.stop()
        for publisher in self._publishers.values():
            publisher.show(None)
            publisher.stop()

    # ---- what comes from SIP

    def notified(self, request: Request, answer: Answer) -> None:
        """Take a NOTIFY."""
        verdict = self._watching.notified(request)
        answer(respond(request, verdict.status, self._common.token(), verdict.fields))

    def watched(
        self, request: Request, hop: Hop, user: UserId, contact: ContactId, answer: Answer, is_stranger: bool
    ) -> None:
        """Take a SUBSCRIBE that begins a subscription."""
        self._spellings.learn(contact, request.from_)
        self._watchers.subscribe(request, hop, user, contact, answer, is_stranger)

    def renewed(self, request: Request, hop: Hop, answer: Answer) -> None:
        """Take a SUBSCRIBE of one that stands."""
        self._watchers.refresh(request, hop, answer)
