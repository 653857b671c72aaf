"""What users do in their rooms: asked of the homeserver in the name of their ghosts, and answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import structs
from nio.api import Api
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge import degrade
from bridge.errors import BridgeError, Trouble
from bridge.events import (
    NO_REF,
    Attachment,
    ChangeNick,
    Failed,
    Incoming,
    Message,
    MessageId,
    Ref,
    Sent,
    Text,
    Typing,
    TypingState,
    UserId,
)
from bridge.refusals import refusal
from transports.matrix.actions import Action, Done, Send, actions, thread_of
from transports.matrix.client import CLIENT, QUEUE, ROOM_QUEUE, Homeserver
from transports.matrix.content import corrected, mapping, text
from transports.matrix.echoes import Echo, Echoes
from transports.matrix.order import InOrder
from transports.matrix.outbox import Outbox, Wish
from transports.matrix.recall import Recall
from transports.matrix.session import RoomSession, Stay
from transports.matrix.tables import REACTION
from transports.matrix.translate import past

TYPING = 30_000
"""Milliseconds after which somebody who is writing is not taken to be writing any more."""
RESUMED = 60.0
"""Seconds in which what was said before a crash is to be heard: its author comes back first."""


Bring = Callable[[str, Attachment], Deferred[Attachment | None]]
"""Takes a file to the homeserver for a ghost; the answer has its ``mxc`` URI. None: it stays where it is."""
Files = Mapping[str, Attachment]
"""Files as their sender named them, by the URI that they have now."""


class Submissions:
    """See the module's docstring.

    `answer` is told what the user is to hear of it, `fresh` gives ids that never repeat. `bring` takes files
    to the homeserver. What is asked is given to `keep`, for `resume` after a crash. `echoes` tells when what
    is said in a room is heard there.
    """

    log = Logger()

    def __init__(
        self,
        homeserver: Homeserver,
        outbox: Outbox,
        answer: Callable[[UserId, Incoming], None],
        fresh: Callable[[], str],
        bring: Bring,
        keep: Callable[[Ref, bytes], Deferred[None] | None] | None = None,
        echoes: Echoes | None = None,
    ) -> None:
        self._homeserver = homeserver
        self._recall = Recall(homeserver)
        self._order = InOrder(ROOM_QUEUE, QUEUE)
        self._bring = bring
        self._answer = answer
        self._fresh = fresh
        self._outbox = outbox
        self._keep = keep
        self._echoes = echoes

    def submit(self, stay: Stay, session: RoomSession, event: Done, key: str = "") -> None:
        """Do what the user wants in a room that he is in, when all that takes is there.

        That is what it refers to, and its files at the homeserver. The answer comes by itself; what he wants
        meanwhile comes after it. What has a `key` is done once only, however often it is submitted.
        """
        begun = self._order.run(f"{session.id} {stay.ghost}", lambda: self._begin(stay, session, event, key))
        begun.addErrback(self._failed, stay, session, event, ())

    def _begin(self, stay: Stay, session: RoomSession, event: Done, key: str) -> Deferred[None] | None:
        has_files = isinstance(event, Message) and bool(event.attachments)
        looked = self._recall.outgoing(session, stay.ghost, event)
        if looked is None and not has_files:
            return self._submit(stay, session, event, {}, key)
        return Deferred.fromCoroutine(self._when_known(looked, stay, session, event, key))

    async def _when_known(
        self, looked: Deferred[bool] | None, stay: Stay, session: RoomSession, event: Done, key: str
    ) -> None:
        files: Files = {}
        if looked is not None:
            await looked
        if isinstance(event, Message) and event.attachments:
            event, files = await self._with_files(stay, event)
        if stay.gone:
            raise BridgeError(Trouble.NOT_IN_ROOM)
        kept = self._submit(stay, session, event, files, key)
        if kept is not None:
            await kept

    async def _with_files(self, stay: Stay, event: Message) -> tuple[Message, Files]:
        """Return the message with its files as the homeserver has them; the others are links in its words."""
        found = [(one, await self._bring(stay.ghost, one)) for one in event.attachments]
        left = structs.replace(event, attachments=tuple(one for one, there in found if there is None))
        brought = tuple(there for _, there in found if there is not None)
        files = {there.url: one for one, there in found if there is not None}
        return structs.replace(event, attachments=brought, body=degrade.linked(left)), files

    def _submit(
        self, stay: Stay, session: RoomSession, event: Done, files: Files, key: str
    ) -> Deferred[None] | None:
        """Ask for what the user wants; fires when all of it is in the room's queue, None: at once."""
        wanted = actions(event, session.room, stay.ghost)
        if isinstance(event, ChangeNick) and session.room.nick(stay.ghost) == event.nick:
            raise BridgeError(Trouble.NICK_IN_USE)
        if isinstance(event, ChangeNick):
            stay.nick = event.nick
        ref = getattr(event, "ref", NO_REF)
        key = key or (f"{getattr(event, 'origin', '')} {ref}" if ref else self._fresh())
        # who is in the room sees what he says when the others do
        is_echoed = isinstance(event, Message) and session.stays.get(stay.ghost) is stay
        wish = self._outbox.wish(stay.ghost, session.id, key, wanted, is_echoed=is_echoed)
        kept = self._keep(ref, msgspec.json.encode(wish)) if self._keep is not None and ref else None

        def ask(_: object) -> None:
            asked = self._outbox.ask(wish)
            if isinstance(event, Message):
                for action, done in zip(wanted, asked, strict=True):
                    done.addCallback(self._learn, stay, session, event, action)
            asked = [done.addCallback(lambda echo: echo.id) for done in self._heard(wish, asked)]
            doing = Deferred.fromCoroutine(self._follow(stay, session, event, files, wanted, asked))
            doing.addErrback(self._failed, stay, session, event, asked)

        if kept is not None:
            return kept.addCallback(ask)
        ask(None)
        return None

    def _heard(
        self, wish: Wish, asked: Sequence[Deferred[str]], patience: float | None = None
    ) -> list[Deferred[Echo]]:
        """Return what fires when each part is done: when the homeserver says so, or when it is heard."""
        if self._echoes is None or not wish.is_echoed:
            return [done.addCallback(Echo) for done in asked]
        named = zip(wish.transactions, asked, strict=True)
        return [self._echoes.expect(wish.ghost, txn, done, patience) for txn, done in named]

    async def _follow(
        self,
        stay: Stay,
        session: RoomSession,
        event: Done,
        files: Files,
        wanted: Sequence[Action],
        asked: Sequence[Deferred[str]],
    ) -> None:
        for number, (action, done) in enumerate(zip(wanted, asked, strict=True), 1):
            event_id = await done
            if isinstance(event, Message):
                said = self._said(stay, session, event, files, action, event_id, len(wanted))
                self._answer(stay.user, Sent(ref=event.ref, message=said, last=number == len(wanted)))
            elif isinstance(action, Send) and action.type == REACTION:
                relates = mapping(action.content["m.relates_to"])
                target, key = text(relates, "event_id"), text(relates, "key")
                session.room.timeline.react(target, stay.ghost, key, event_id)
        if not isinstance(event, Message | ChangeNick) and event.ref:
            self._answer(stay.user, Sent(ref=event.ref))

    def _learn(self, event_id: str, stay: Stay, session: RoomSession, event: Message, action: Action) -> str:
        """Remember what became of a message."""
        assert isinstance(action, Send)
        thread, corrects = thread_of(event, session.room), corrected({"content": action.content})
        session.room.timeline.learn(event_id, stay.ghost, event.origin, thread, corrects)
        return event_id

    def _said(
        self,
        stay: Stay,
        session: RoomSession,
        event: Message,
        files: Files,
        action: Action,
        event_id: str,
        parts: int,
    ) -> Message:
        """Return a message as the room sees it."""
        assert isinstance(action, Send)
        file = files.get(text(action.content, "url"))
        body = Text(plain="" if file is not None else text(action.content, "body"))
        return structs.replace(
            event,
            nick=session.room.nick(stay.ghost),
            identity=stay.ghost,
            id=MessageId(event_id),
            body=event.body if parts == 1 else body,
            attachments=() if file is None else (file,),
            ref=NO_REF,
        )

    def _failed(
        self,
        failure: Failure,
        stay: Stay,
        session: RoomSession,
        event: Done,
        asked: Sequence[Deferred[str]],
    ) -> None:
        member = session.room.members.get(stay.ghost)
        if isinstance(event, ChangeNick) and member is not None:
            stay.nick = member.name
        answer = refusal(event, self._error(failure, asked))
        if answer is not None:
            self._answer(stay.user, answer)

    def _error(self, failure: Failure, asked: Sequence[Deferred[Any]]) -> BridgeError:
        """Return what the user is told of a failure; what comes of the rest does not matter then."""
        for other in asked:
            other.addErrback(lambda _: None)
        error = failure.value
        if not isinstance(error, BridgeError):
            self.log.failure("a user's wish failed", failure)
            return BridgeError(Trouble.INTERNAL)
        return error

    # ---- after a crash

    def resume(self, unanswered: Iterable[tuple[UserId, Ref, bytes]]) -> None:
        """Go on with what an earlier run asked for and heard nothing of."""
        wishes: dict[str, list[tuple[UserId, Ref, Wish]]] = {}
        for user, ref, data in unanswered:
            try:
                wish = msgspec.json.decode(data, type=Wish)
            except msgspec.DecodeError:
                self._answer(user, Failed(ref=ref, error=BridgeError(Trouble.LOST)))
                continue
            wishes.setdefault(f"{wish.room} {wish.ghost}", []).append((user, ref, wish))
        for place, wished in wishes.items():
            self._order.do(place, partial(self._resume, wished))

    async def _resume(self, wished: Sequence[tuple[UserId, Ref, Wish]]) -> None:
        """Ask for what a ghost wished for in a room, unless it is there; what he wants now comes after it."""
        first = wished[0][2]
        sent = await self._outbox.sent(first.ghost, first.room)
        for user, ref, wish in wished:
            done = self._heard(wish, self._outbox.ask_again(wish, sent), RESUMED)
            Deferred.fromCoroutine(self._settle(user, ref, wish, done))

    async def _settle(self, user: UserId, ref: Ref, wish: Wish, done: Sequence[Deferred[Echo]]) -> None:
        try:
            for number, heard in enumerate(done, 1):
                seen = _seen(await heard, wish.ghost)
                self._answer(user, Sent(ref=ref, message=seen, last=number == len(done)))
        except Exception:
            self._answer(user, Failed(ref=ref, error=self._error(Failure(), done)))

    # ---- what is not kept

    def read(self, ghost: str, room: str, event_id: str) -> None:
        """Tell the room how far the user has read; it does not matter if that fails."""
        path = f"{CLIENT}/rooms/{quote(room, safe='')}/receipt/m.read/{quote(event_id, safe='')}"
        asked = self._homeserver.call("POST", path, user=ghost, patience=0)
        asked.addErrback(lambda failure: failure.trap(BridgeError) and None)

    def type(self, stay: Stay, session: RoomSession, event: Typing) -> None:
        """Tell the room that the user is writing, or not any more; it does not matter if that fails."""
        is_typing = event.state is TypingState.COMPOSING
        request = Api.room_typing("", session.id, stay.ghost, is_typing, TYPING)
        asked = self._homeserver.api(request, user=stay.ghost, patience=0)
        asked.addErrback(lambda failure: failure.trap(BridgeError) and None)


def _seen(echo: Echo, ghost: str) -> Message | None:
    """Return a message as its author sees it, if it was heard and he is in the room."""
    stay = None if echo.session is None else echo.session.stays.get(ghost)
    if echo.session is None or stay is None or not stay.inside:
        return None
    read = past(echo.event, echo.session.room)
    return structs.replace(read, room=stay.room, time=None) if isinstance(read, Message) else None
