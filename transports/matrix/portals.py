"""Rooms of XMPP that people of Matrix are in: made when asked for, and kept over restarts.

What is done in a room of Matrix is done in order, one after the other; ghosts come in beside it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, assert_never
from urllib.parse import quote

import msgspec
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError
from bridge.events import (
    NO_REF,
    Attachment,
    ContactId,
    Entered,
    Failed,
    Incoming,
    Invite,
    Message,
    MessageId,
    Ref,
    RoomConfig,
    RoomId,
    Sent,
    UserId,
)
from transports.matrix.client import CLIENT, transaction_id
from transports.matrix.common import Common
from transports.matrix.content import Json, mapping, text
from transports.matrix.faces import SMALL_ROOM
from transports.matrix.order import InOrder
from transports.matrix.outbox import Outbox
from transports.matrix.portal import Portal
from transports.matrix.portal_looks import PortalLooks
from transports.matrix.portal_register import Kept, PortalRegister
from transports.matrix.portal_room import notice, promoted
from transports.matrix.portal_seats import Seats
from transports.matrix.portal_steps import (
    Act,
    Dress,
    Expel,
    Notice,
    Promote,
    Read,
    Redacted,
    Retry,
    Say,
    Seat,
    SetTopic,
    Step,
    Type,
    Unseat,
)
from transports.matrix.submission import Bring, Submissions
from transports.matrix.tables import MARKER, MEMBER, MESSAGE, POWER_LEVELS, TOPIC
from transports.matrix.translate import Skipped

QUEUE = 2_000
"""Steps that may wait in one room."""
STEPS = 50_000
"""Steps that may wait in all rooms."""
LOOK_AFTER = 2.0
"""Seconds after which it is looked up what a room on XMPP is called, and what it looks like."""
FILE_PATIENCE = 20.0
"""Seconds that a room waits for a file on its way to the homeserver."""
KEEP_AFTER = 5.0
"""Seconds after which it is kept until when a room was heard, and which messages are which there."""
KEPT_LINKS = 100
"""Messages of a room whose ids on both sides are kept over a restart."""


Unsaid = Callable[[Portal, str, str, BridgeError], None]
"""Is told of a room, of an occupant's nick and words, and why they did not get to Matrix."""


class Portals:
    """See the module's docstring; `unsaid` hears of what is lost."""

    log = Logger()

    def __init__(self, common: Common, register: PortalRegister, bring: Bring, unsaid: Unsaid) -> None:
        self._homeserver = common.homeserver
        self._ids = common.ids
        self._clock = common.clock
        self._uplink = common.uplink
        self._rules = common.rules
        self._bot = common.bot
        self._patience = common.patience
        self._pictures = common.pictures
        self._bring = bring
        self._unsaid = unsaid
        self._register = register
        self._seats = Seats(common, self._failed)
        self._looks = PortalLooks(common)
        outbox = Outbox(common.homeserver, common.patience, common.clock.seconds)
        self._submissions = Submissions(
            common.homeserver, outbox, self._answered, common.uplink.message_id, self._bring_soon
        )
        self._portals: dict[str, Portal] = {}
        self._owners: dict[Ref, Portal] = {}
        self._saying: dict[Ref, tuple[Portal, Say, Deferred[None]]] = {}
        self._waiting: dict[tuple[str, str], list[Deferred[None]]] = {}
        self._loads = InOrder(STEPS, STEPS)
        self._talk = InOrder(QUEUE, STEPS)
        self._calls: dict[object, Any] = {}
        self._stopped = False

    # ---- life

    def start(self) -> None:
        """Go on with the rooms that people were in."""
        for kept in self._register.kept.values():
            if kept.active:
                self._load(kept.id).addErrback(self._stuck, "a room of XMPP cannot be loaded")

    def stop(self) -> None:
        """Hear nothing more, and wait for nothing."""
        self._stopped = True
        for portal in self._portals.values():
            self._keep(portal)
        for call in self._calls.values():
            if call.active():
                call.cancel()

    def _keep(self, portal: Portal) -> None:
        """Remember a portal as it is now."""
        links = tuple(portal.links.newest(KEPT_LINKS))
        self._register.keep(portal.muc, Kept(portal.id, bool(portal.guests), portal.seen, links))

    def _changed(self, portal: Portal) -> None:
        """Remember it soon."""
        self._later(portal.id, KEEP_AFTER, partial(self._keep, portal))

    def _later(self, key: object, seconds: float, work: Callable[[], None]) -> None:
        """Do it after some time, unless the same is to be done already."""
        if key not in self._calls and not self._stopped:

            def do() -> None:
                del self._calls[key]
                work()

            self._calls[key] = self._clock.callLater(seconds, do)

    def _load(self, room_id: str) -> Deferred[None]:
        return self._loads.run("", lambda: Deferred.fromCoroutine(self._begin(room_id)))

    async def _begin(self, room_id: str) -> None:
        """Load the state of a room, and have everybody in it come in on XMPP."""
        if room_id in self._portals:
            return
        room = self._register.rooms[room_id]
        kept = self._register.kept[room]

        def admits(user_id: str) -> bool:
            return self._rules.may_reach(user_id, room)

        portal = Portal(room, room_id, self._ids, self._bot, self.fresh, admits, self._uplink.link)
        portal.seen = kept.seen
        for event_id, message_id in kept.links:
            portal.links.join(event_id, MessageId(message_id))
        state = await self._homeserver.room_state(room_id)
        for _ in portal.session.load(state):
            await deferLater(self._clock, 0)
        portal.session.ready = True
        await self._relearn(portal)
        self._portals[room_id] = portal
        self._seats.load(portal, state)
        self._looks.load(portal, state)
        self._do(portal, portal.begin())
        for user_id in list(portal.guests):
            self._picture(portal, user_id)

    async def _relearn(self, portal: Portal) -> None:
        """See what ghosts said lately: of some of it an earlier run may not have heard that it was said."""
        wanted = msgspec.json.encode({"types": [MESSAGE]}).decode()
        query = {"dir": "b", "limit": str(KEPT_LINKS), "filter": wanted}
        with contextlib.suppress(BridgeError):
            latest = await self._homeserver.call("GET", f"{_path(portal.id)}/messages", query=query)
            chunk = mapping(latest).get("chunk")
            portal.links.learn(chunk if isinstance(chunk, list) else [], self._ids)

    # ---- what is heard

    def has(self, event: Json) -> bool:
        """Tell whether an event is of a room of XMPP, or of one that is just being made."""
        is_being_made = self._register.is_making and event.get("sender") == self._bot
        return is_being_made or text(event, "room_id") in self._register.rooms

    def hear(self, event: Json) -> Deferred[None] | None:
        """Take in an event of a room of ours on Matrix; the next of the room may have to wait."""
        room_id, sender = text(event, "room_id"), text(event, "sender")
        portal = self._portals.get(room_id)
        if room_id not in self._register.rooms:
            # what we do ourselves while we make it is in its state afterwards
            return None
        if portal is None:
            return self._load(room_id).addCallback(lambda _: self._hear_loaded(event))
        if event.get("type") != MEMBER and portal.is_entering(sender):
            waiting: Deferred[None] = Deferred()
            self._waiting.setdefault((room_id, sender), []).append(waiting)
            return waiting.addCallback(lambda _: self._hear_loaded(event))
        heard = portal.hear(event)
        if event.get("type") == MEMBER and mapping(event.get("content")).get("membership") != "join":
            self._seats.gone(portal, text(event, "state_key"))
        if isinstance(heard, Skipped):
            self.log.warn(
                "the event {id} is skipped: {reason}", id=event.get("event_id"), reason=heard.reason
            )
        else:
            self._do(portal, heard)
        if event.get("type") == MEMBER:
            self._picture(portal, text(event, "state_key"))
        return None

    def _picture(self, portal: Portal, user_id: str) -> None:
        """See to it that a guest shows his picture; everybody's is looked at in small rooms only."""
        member = portal.room.members.get(user_id)
        if member is None or user_id not in portal.guests:
            return
        place = member.avatar
        if not place:
            self._do(portal, portal.wear(user_id, ""))
        elif len(portal.room.members) <= SMALL_ROOM:
            self._pictures.look(place, partial(self._pictured, portal, user_id, place))

    def _pictured(self, portal: Portal, user_id: str, place: str) -> None:
        member = portal.room.members.get(user_id)
        if member is not None and member.avatar == place:
            self._do(portal, portal.wear(user_id, self._pictures.known.get(place, "")))

    def _hear_loaded(self, event: Json) -> Deferred[None] | None:
        return self.hear(event) if text(event, "room_id") in self._portals else None

    def overhear(self, event: Json) -> None:
        """Take in what is not kept: who is writing, and who has read how far."""
        portal = self._portals.get(text(event, "room_id"))
        if portal is not None and event.get("type") == "m.typing":
            self._do(portal, portal.type(event))
        elif portal is not None and event.get("type") == "m.receipt":
            self._do(portal, portal.read(event))

    def heard(self, guest: ContactId, events: Sequence[Incoming]) -> None:
        """Take in what a guest was told on XMPP."""
        if self._stopped:
            return
        user_id = self._ids.user_id(guest)
        for event in events:
            if isinstance(event, Invite):
                Deferred.fromCoroutine(self._bid(user_id, event)).addErrback(
                    self._stuck, "an invitation from XMPP is lost"
                )
                continue
            portal = self._portal_of(event)
            if portal is None:
                continue
            self._do(portal, portal.heard(user_id, event))
            if isinstance(event, Message):
                portal.seen = max(event.time or self._clock.seconds(), portal.seen or 0.0)
                self._changed(portal)
            elif isinstance(event, Entered) and portal.seen is None:
                portal.seen = self._clock.seconds()
                self._keep(portal)
            if isinstance(event, Entered | RoomConfig):
                self._later((portal.id, ""), LOOK_AFTER, partial(self._looks.look, portal))
            if not portal.is_entering(user_id):
                for waiting in self._waiting.pop((portal.id, user_id), ()):
                    waiting.callback(None)

    async def _bid(self, user_id: str, event: Invite) -> None:
        """Invite somebody of Matrix into the room that he is invited into on XMPP."""
        if self._rules.may_reach(user_id, event.room):
            room_id = await self._register.find(event.room)
            words = f"{event.nick}: {event.reason}" if event.reason else event.nick
            # who it is of is told if it is declined, be it after a restart
            content = {"membership": "invite", "reason": words, MARKER: {"inviter": event.nick}}
            path = f"{_path(room_id)}/state/{MEMBER}/{quote(user_id, safe='')}"
            await self._ask("PUT", path, content)

    def portal(self, room: RoomId) -> Portal | None:
        """Return a room by its address on XMPP, None if it is not known or not loaded."""
        kept = self._register.kept.get(room)
        return None if kept is None else self._portals.get(kept.id)

    def of(self, room_id: str) -> Portal | None:
        """Return a room by its id on Matrix, None if it is not known or not loaded."""
        return self._portals.get(room_id)

    def _portal_of(self, event: Incoming) -> Portal | None:
        if isinstance(event, Sent | Failed):
            is_last = isinstance(event, Failed) or event.last
            return self._owners.pop(event.ref, None) if is_last else self._owners.get(event.ref)
        return self.portal(getattr(event, "room", None) or RoomId(""))

    # ---- what is done

    def _do(self, portal: Portal, steps: Iterable[Step]) -> None:
        was_active = self._register.kept[portal.muc].active
        for step in steps:
            self._step(portal, step)
        if bool(portal.guests) is not was_active:
            self._keep(portal)

    def _step(self, portal: Portal, step: Step) -> None:
        match step:
            case Act(user_id=user_id, event=event):
                ref = getattr(event, "ref", NO_REF)
                if ref:
                    self._owners[ref] = portal
                self._uplink.act(self._ids.contact(user_id), event)
            case Retry(user_id=user_id, seconds=seconds):
                again = partial(self._again, portal, user_id)
                self._later((portal.id, user_id), seconds, again)
            case Type(stay=stay, event=event):
                self._submissions.type(stay, portal.session, event)
            case Read(ghost=ghost, event_id=event_id):
                self._submissions.read(ghost, portal.id, event_id)
            case Seat() | Dress():
                self._seats.do(portal, step)
            case _:
                work = partial(self._work, portal, step)
                self._talk.run(portal.id, work).addErrback(self._failed)

    def _again(self, portal: Portal, user_id: str) -> None:
        self._do(portal, portal.enter_again(user_id))

    def _work(self, portal: Portal, step: Step) -> Deferred[Any] | None:
        """Begin what is done in its turn."""
        path = _path(portal.id)
        match step:
            case Say():
                return Deferred.fromCoroutine(self._say(portal, step))
            case Unseat():
                return self._seats.unseat(portal, step)
            case Notice(text=words, event_id=event_id):
                txn = transaction_id(self._bot, portal.id, self._uplink.message_id())
                return self._ask("PUT", f"{path}/send/{MESSAGE}/{txn}", notice(words, event_id))
            case SetTopic(text=words):
                return self._ask("PUT", f"{path}/state/{TOPIC}", {"topic": words})
            case Redacted(event_id=event_id, reason=reason):
                txn = transaction_id(self._bot, portal.id, event_id)
                return self._ask("PUT", f"{path}/redact/{quote(event_id, safe='')}/{txn}", {"reason": reason})
            case Expel(user_id=user_id, reason=reason):
                return self._ask("POST", f"{path}/kick", {"user_id": user_id, "reason": reason})
            case Promote(user_id=user_id, moderates=moderates):
                power = promoted(portal.room.power, user_id, moderates=moderates)
                return self._ask("PUT", f"{path}/state/{POWER_LEVELS}", power)
            case Act() | Retry() | Read() | Type() | Seat() | Dress():
                raise AssertionError(step)
            case _:
                assert_never(step)

    def _ask(self, method: str, path: str, body: Mapping[str, object]) -> Deferred[Any]:
        """Ask the homeserver as our own user; to ask for it twice does no harm."""
        return self._homeserver.call(method, path, body=body, patience=self._patience, repeatable=True)

    def _bring_soon(self, ghost: str, attachment: Attachment) -> Deferred[Attachment | None]:
        """Take a file to the homeserver, as long as the room can wait for it; then a link has to do."""
        brought = self._bring(ghost, attachment).addTimeout(FILE_PATIENCE, self._clock)
        return brought.addErrback(lambda failure: failure.trap(TimeoutError) and None)

    async def _say(self, portal: Portal, step: Say) -> None:
        try:
            seated = self._seats.let_in(portal, step.stay.ghost, step.stay.nick)
            if seated is not None:
                await seated
        except BridgeError as error:
            self._lost(portal, step, error)
            return
        done: Deferred[None] = Deferred()
        ref = step.event.ref
        self._saying[ref] = (portal, step, done)
        self._submissions.submit(step.stay, portal.session, step.event, step.key)
        await done

    def _answered(self, user: UserId, event: Incoming) -> None:
        """The homeserver took what a ghost said, or did not."""
        assert isinstance(event, Sent | Failed)
        portal, step, done = self._saying[event.ref]
        if isinstance(event, Sent) and event.message is not None:
            portal.links.join(event.message.id, MessageId(step.key))
        if isinstance(event, Failed):
            self._lost(portal, step, event.error)
        elif not event.last:
            return
        del self._saying[event.ref]
        done.callback(None)

    def _lost(self, portal: Portal, step: Say, error: BridgeError) -> None:
        """The homeserver does not take what an occupant said."""
        words = step.event.body.plain if isinstance(step.event, Message) else ""
        self._unsaid(portal, step.stay.nick, words, error)

    def fresh(self) -> Ref:
        """Return a ref for what a guest is to do, or is said to him."""
        return Ref(int(self._uplink.message_id(), 16))

    def _failed(self, failure: Failure) -> None:
        self._stuck(failure, "a step of a room on XMPP failed")

    def _stuck(self, failure: Failure, what: str) -> None:
        error = failure.value
        if isinstance(error, BridgeError):
            self.log.warn("{what}: {trouble}", what=what, trouble=error.text)
        else:
            self.log.failure("{what}", failure, what=what)


def _path(room_id: str) -> str:
    return f"{CLIENT}/rooms/{quote(room_id, safe='')}"
