"""What users do in their rooms: asked of the homeserver in the name of their ghosts, and answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never
from urllib.parse import quote

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
    Incoming,
    Message,
    MessageId,
    Sent,
    Text,
    Typing,
    TypingState,
)
from bridge.refusals import refusal
from transports.matrix.actions import Action, Done, Redact, Remove, Send, SetState, actions, thread_of
from transports.matrix.client import CLIENT, QUEUE, ROOM_QUEUE, Homeserver, transaction_id
from transports.matrix.content import Json, corrected, mapping, text
from transports.matrix.order import InOrder
from transports.matrix.recall import Recall
from transports.matrix.session import RoomSession, Stay
from transports.matrix.tables import REACTION

TYPING = 30_000
"""Milliseconds after which somebody who is writing is not taken to be writing any more."""


Bring = Callable[[str, Attachment], Deferred[Attachment | None]]
"""Takes a file to the homeserver for a ghost; the answer has its ``mxc`` URI. None: it stays where it is."""
Files = Mapping[str, Attachment]
"""Files as their sender named them, by the URI that they have now."""


class Submissions:
    """See the module's docstring.

    `answer` is told what the user is to hear of it, `fresh` gives ids that never repeat. `patience` is
    how many seconds the homeserver may be away. `bring` takes files to the homeserver.
    """

    log = Logger()

    def __init__(
        self,
        homeserver: Homeserver,
        answer: Callable[[Stay, Incoming], None],
        fresh: Callable[[], str],
        patience: float,
        bring: Bring,
    ) -> None:
        self._homeserver = homeserver
        self._recall = Recall(homeserver)
        self._order = InOrder(ROOM_QUEUE, QUEUE)
        self._bring = bring
        self._answer = answer
        self._fresh = fresh
        self._patience = patience

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
            self._submit(stay, session, event, {}, key)
            return None
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
        self._submit(stay, session, event, files, key)

    async def _with_files(self, stay: Stay, event: Message) -> tuple[Message, Files]:
        """Return the message with its files as the homeserver has them; the others are links in its words."""
        found = [(one, await self._bring(stay.ghost, one)) for one in event.attachments]
        left = structs.replace(event, attachments=tuple(one for one, there in found if there is None))
        brought = tuple(there for _, there in found if there is not None)
        files = {there.url: one for one, there in found if there is not None}
        return structs.replace(event, attachments=brought, body=degrade.linked(left)), files

    def _submit(self, stay: Stay, session: RoomSession, event: Done, files: Files, key: str) -> None:
        wanted = actions(event, session.room, stay.ghost)
        if isinstance(event, ChangeNick) and session.room.nick(stay.ghost) == event.nick:
            raise BridgeError(Trouble.NICK_IN_USE)
        if isinstance(event, ChangeNick):
            stay.nick = event.nick
        # all of it takes its place in the room's queue now
        asked = [
            self._act(stay, session, action, f"{key} {number}" if key else self._fresh())
            for number, action in enumerate(wanted)
        ]
        doing = Deferred.fromCoroutine(self._follow(stay, session, event, files, wanted, asked))
        doing.addErrback(self._failed, stay, session, event, asked)

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
                self._answer(stay, Sent(ref=event.ref, message=said, last=number == len(wanted)))
            elif isinstance(action, Send) and action.type == REACTION:
                relates = mapping(action.content["m.relates_to"])
                target, key = text(relates, "event_id"), text(relates, "key")
                session.room.timeline.react(target, stay.ghost, key, event_id)
        if not isinstance(event, Message | ChangeNick) and event.ref:
            self._answer(stay, Sent(ref=event.ref))

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
        """Return a message as the room sees it, and remember what became of it."""
        assert isinstance(action, Send)
        thread, corrects = thread_of(event, session.room), corrected({"content": action.content})
        session.room.timeline.learn(event_id, stay.ghost, event.origin, thread, corrects)
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
        for other in asked:
            other.addErrback(lambda _: None)
        error = failure.value
        if not isinstance(error, BridgeError):
            self.log.failure("a user's wish failed", failure)
            error = BridgeError(Trouble.INTERNAL)
        answer = refusal(event, error)
        if answer is not None:
            self._answer(stay, answer)

    def _act(self, stay: Stay, session: RoomSession, action: Action, key: str) -> Deferred[str]:
        """Ask for one action; fires with the id of the event that it made, "" if none."""
        txn = transaction_id(stay.ghost, session.id, key)
        options: dict[str, Any] = {"user": stay.ghost, "room": session.id, "patience": self._patience}
        match action:
            case Send(type=type, content=content):
                return self._homeserver.send(stay.ghost, session.id, type, content, txn, self._patience)
            case SetState(type=type, key=key, content=content):
                request: Any = Api.room_put_state("", session.id, type, dict(content), key)
            case Redact(event_id=event_id, content=content):
                # nio's request has no place for what marks it as ours
                place = f"{quote(session.id, safe='')}/redact/{quote(event_id, safe='')}/{txn}"
                done = self._homeserver.call("PUT", f"{CLIENT}/rooms/{place}", body=content, **options)
                return done.addCallback(_event_id)
            case Remove(user_id=user_id, reason=reason):
                request = Api.room_kick("", session.id, user_id, reason or None)
            case _:
                assert_never(action)
        return self._homeserver.api(request, **options).addCallback(_event_id)

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


def _event_id(answer: object) -> str:
    said: Json = mapping(answer)
    return text(said, "event_id")
