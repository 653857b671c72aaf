"""Talk between two: an XMPP user's ghost and somebody of Matrix, alone in a room.

Who writes to somebody has a room opened for it, or goes on in the newest one in which both are. Who was
asked to a room by somebody of Matrix is in it at once. A third one makes it a room like all others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from msgspec import structs
from nio import RoomPreset
from nio.api import Api
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ContactId,
    DirectMessage,
    Failed,
    Incoming,
    Invite,
    MessageId,
    Receipt,
    ServerId,
    ServerNotice,
    Typing,
    TypingState,
    Undelivered,
    UserId,
)
from bridge.refusals import refusal
from bridge.xmpp.jid import Jid, JidError
from transports.matrix.chats import KEY, UNACCEPTED, Chat, Chats, Invitation, first_words, invitation, opened
from transports.matrix.client import CLIENT, transaction_id
from transports.matrix.common import Common
from transports.matrix.content import Json, mapping, text
from transports.matrix.direct_events import Said, in_room, told
from transports.matrix.ids import is_event_id, is_room_id
from transports.matrix.order import InOrder
from transports.matrix.recall import Recall
from transports.matrix.refusal import Refusal
from transports.matrix.submission import Submissions
from transports.matrix.tables import ENCRYPTION, MEMBER, MESSAGE, PROFILE
from transports.matrix.translate import Skipped, readers

WAITING, WAITING_TOGETHER = 200, 20_000
"""Messages between the same two, and between all, that wait for their room."""
LOADED = 5_000
"""Conversations whose state is kept."""
FIRST = 30
"""Events of a room that the ghost was invited to among which its first words are looked for."""
TRIED = 5
"""Rooms of the same two that are looked at before another is opened."""
STATE_PATIENCE = 60.0
"""Seconds that the state of a room is asked for."""
UNREADABLE = (
    "This room is end-to-end encrypted: what you write here cannot be read by {user}, who is on XMPP. "
    "Please write in the other room to which you are invited."
)
DECLINED = "{name} does not want to talk with you: the invitation was declined."
UNREAD = "{name} left before your last message, and cannot be asked back."
UNDELIVERED = "This message was not delivered: {reason}"
NOW_A_ROOM = "This conversation is a room now."
ON_XMPP = "This is somebody on XMPP; write to the XMPP address itself."


class Users(Protocol):
    """Those on XMPP: people, and occupants of rooms as such."""

    def deliver(self, user: UserId, events: Sequence[Incoming]) -> None:
        """Hand over what happened to a user; see `Uplink.deliver`."""

    def reaches(self, person: str, user: UserId) -> bool:
        """Tell whether somebody of Matrix, "" for anybody, may talk to a user."""

    def name(self, user: UserId) -> str:
        """Return what a user is called who did not say so."""


class Direct:
    """See the module's docstring. `known` is told of rooms that turn out to be conversations."""

    log = Logger()

    def __init__(
        self, common: Common, submissions: Submissions, users: Users, known: Callable[[str], None]
    ) -> None:
        self._homeserver = common.homeserver
        self._ids = common.ids
        self._clock = common.clock
        self._uplink = common.uplink
        self._bot = common.bot
        self._submissions = submissions
        self._users = users
        self._known = known
        self._recall = Recall(common.homeserver)
        self._chats = Chats(common.ids)
        self._loaded: dict[str, Chat] = {}
        self._doors = InOrder(WAITING, WAITING_TOGETHER)
        self._loads = InOrder(WAITING, WAITING_TOGETHER)
        for user in common.uplink.owners():
            for key, value in common.uplink.memory(user).items():
                self._chats.restore(user, key, value)

    # ---- what the user does

    def submit(self, user: UserId, event: Said) -> None:
        """Say something to somebody; BridgeError if that cannot be, later troubles come as an answer."""
        person = self._ids.user_id(event.contact)
        if self._ids.is_ghost(person):
            raise BridgeError(Trouble.NOT_ACCEPTABLE, ON_XMPP)
        saying = self._doors.do(f"{user} {person}", lambda: self._submit(user, person, event))
        saying.addErrback(self._failed, user, event)

    async def _submit(self, user: UserId, person: str, event: Said) -> None:
        chat = await self._room_for(user, person, event)
        assert chat.session is not None
        if chat.theirs == "invite" and isinstance(event, DirectMessage):
            if len(chat.unaccepted) >= UNACCEPTED:
                raise BridgeError(Trouble.TOO_MANY, "The invitation to talk was not accepted yet.")
            chat.unaccepted.append(event.ref)
        await self._remind(chat, event)
        # the room's queue keeps the order from here on
        self._submissions.submit(chat.stay, chat.session, in_room(chat, event))

    async def _remind(self, chat: Chat, event: Said) -> None:
        """Have the room know again what the user means."""
        if isinstance(event, DirectMessage):
            meant = "" if event.reply is None else event.reply.id
        else:
            meant = event.id
        looked = None if chat.session is None else self._recall.named(chat.session, chat.ghost, (meant,))
        if looked is not None:
            await looked

    def _failed(self, failure: Failure, user: UserId, event: Said) -> None:
        error = failure.value
        if not isinstance(error, BridgeError):
            self.log.failure("a message to one person failed", failure)
            error = BridgeError(Trouble.INTERNAL)
        answer = refusal(event, error)
        if answer is not None:
            self._users.deliver(user, (answer,))

    def type(self, user: UserId, event: Typing) -> None:
        """Show that the user is writing, where the person is there to see it."""
        chat = self._open_chat(user, event.contact)
        if chat is not None and chat.session is not None:
            self._submissions.type(chat.stay, chat.session, event)

    def read(self, user: UserId, event: Receipt) -> None:
        """Show how far the user has read."""
        chat = self._chat_with(user, event.contact, event.id)
        if chat is not None and is_event_id(event.id):
            self._submissions.read(chat.ghost, chat.id, event.id)

    def undelivered(self, user: UserId, event: Undelivered) -> None:
        """Tell the person that a message did not get to the user, in an answer to it."""
        chat = self._chat_with(user, event.contact, event.id)
        if chat is None or not is_event_id(event.id):
            return
        content = {
            "msgtype": "m.notice",
            "body": UNDELIVERED.format(reason=event.error.text),
            "m.relates_to": {"m.in_reply_to": {"event_id": event.id}},
        }
        self._say(chat, content, "undelivered", event.id)

    def _open_chat(self, user: UserId, contact: ContactId | None) -> Chat | None:
        """Return the conversation in use, as far as is known without asking."""
        if contact is None:
            return None
        chats = self._chats.between(user, self._ids.user_id(contact))
        return next((chat for chat in chats if chat.is_usable and chat.theirs == "join"), None)

    def _chat_with(self, user: UserId, contact: ContactId | None, id: str) -> Chat | None:
        """Return the conversation in which a message is, or else the one that it is most likely in."""
        if contact is None:
            return None
        chats = self._chats.between(user, self._ids.user_id(contact))
        knows = (one for one in chats if one.session is not None and one.session.room.timeline.said(id))
        return next(knows, None) or self._open_chat(user, contact) or (chats[0] if chats else None)

    def _say(self, chat: Chat, content: Mapping[str, object], *about: str) -> None:
        txn = transaction_id(chat.ghost, chat.id, *about)
        said = self._homeserver.send(chat.ghost, chat.id, MESSAGE, content, txn, STATE_PATIENCE)
        said.addErrback(self._unsaid)

    def _unsaid(self, failure: Failure) -> None:
        failure.trap(BridgeError)
        self.log.warn("a notice is not in a conversation: {trouble}", trouble=str(failure.value))

    # ---- which room

    async def _room_for(self, user: UserId, person: str, event: Said) -> Chat:
        usable: list[Chat] = []
        for chat in self._chats.between(user, person)[:TRIED]:
            await self._load(chat)
            if chat.is_usable and chat.id in self._chats:
                usable.append(chat)
        if not isinstance(event, DirectMessage):
            for chat in usable if len(usable) > 1 else ():
                await self._remind(chat, event)
            holds = [
                one for one in usable if one.session and one.session.room.timeline.said(one.event(event.id))
            ]
            usable = holds or usable
        for theirs in ("join", "invite"):
            for chat in usable:
                if chat.theirs == theirs:
                    return chat
        if not isinstance(event, DirectMessage):
            raise BridgeError(Trouble.NOT_FOUND)
        for chat in usable[:1]:
            if await self._ask_back(chat):
                return chat
        return await self._open(user, person)

    async def _ask_back(self, chat: Chat) -> bool:
        """Invite somebody who left; False if that may not be."""
        # as an invitation proper it could not say that it is to talk with each other
        content = {"membership": "invite", "is_direct": True}
        asked = Api.room_put_state("", chat.id, MEMBER, content, chat.person)
        try:
            await self._homeserver.api(asked, user=chat.ghost, room=chat.id)
        except Refusal:
            return False
        chat.memberships.setdefault(chat.person, "invite")
        return True

    async def _call_back(self, chat: Chat) -> None:
        """Something was said while the person was leaving: it is read when he comes back."""
        if not chat.theirs and not await self._ask_back(chat):
            words = UNREAD.format(name=chat.person)
            self._users.deliver(chat.user, (ServerNotice(server=ServerId(""), text=words),))

    async def _open(self, user: UserId, person: str) -> Chat:
        """Open a room for the two; NO_SUCH_NICK if the homeserver knows that there is nobody."""
        ghost = self._ids.ghost(user)
        await self._look_up(person, ghost)
        await self._introduce(user)
        asked = Api.room_create("", is_direct=True, preset=RoomPreset.trusted_private_chat, invite=[person])
        room = text(mapping(await self._homeserver.api(asked, user=ghost)), "room_id")
        if not is_room_id(room):
            raise BridgeError(Trouble.REFUSED, "The homeserver's answer cannot be read.")
        chat = self._chats.get(room) or self._know(room, user, person, is_ours=True)
        await self._load(chat)
        if not chat.is_usable:
            self._forget(chat)
            raise BridgeError(Trouble.REFUSED, "The homeserver makes all conversations end-to-end encrypted.")
        self._mark(user)
        return chat

    async def _look_up(self, person: str, ghost: str) -> None:
        try:
            await self._homeserver.api(Api.profile_get_displayname(person), user=ghost)
        except Refusal as refusal_:
            if refusal_.errcode == "M_NOT_FOUND":
                raise BridgeError(Trouble.NO_SUCH_NICK) from None

    async def _introduce(self, user: UserId) -> None:
        """Give a ghost a name before it speaks for the first time; the first room gives it a better one."""
        if PROFILE not in self._uplink.memory(user):
            await self._homeserver.set_profile(self._ids.ghost(user), self._users.name(user))

    def _know(self, room: str, user: UserId, person: str, *, is_ours: bool = False) -> Chat:
        """Make a conversation known; if the room `is_ours`, nobody needs to be warned of how it began."""
        chat = self._chats.make(room, user, person, self._clock.seconds(), is_warned=is_ours)
        for old in list(self._chats.surplus(chat)):
            self._forget(old)
        self._remember(chat)
        self._known(room)
        return chat

    def _remember(self, chat: Chat) -> None:
        try:
            self._uplink.remember(chat.user, KEY + chat.id, chat.record)
        except BridgeError as error:
            self.log.warn("a conversation is not remembered: {trouble}", trouble=str(error))

    def _forget(self, chat: Chat) -> None:
        self._chats.drop(chat)
        self._loaded.pop(chat.id, None)
        self._uplink.remember(chat.user, KEY + chat.id, None)
        self._fail(chat)

    def _mark(self, user: UserId) -> None:
        """Keep the list of a ghost's direct rooms (MX v1.19 client-server-api/direct-messaging)."""
        listed: dict[str, list[str]] = {}
        for chat in self._chats.of(user):
            listed.setdefault(chat.person, []).append(chat.id)
        ghost = self._ids.ghost(user)
        path = f"{CLIENT}/user/{quote(ghost, safe='')}/account_data/m.direct"
        marked = self._homeserver.call("PUT", path, body=listed, user=ghost)
        marked.addErrback(self._unsaid)

    async def _load(self, chat: Chat) -> None:
        """Have the state of the room; a room that the ghost is not in is forgotten."""
        if chat.session is None or not chat.session.ready:
            await self._loads.do(chat.id, lambda: self._load_now(chat))

    async def _load_now(self, chat: Chat) -> None:
        if chat.session is not None and chat.session.ready:
            return
        session = chat.begin(self._ids, self._uplink.link)
        try:
            state = await self._homeserver.room_state(chat.id, chat.ghost)
        except Refusal:
            self._forget(chat)
            return
        for _ in session.load(state):
            pass
        for event in state:
            if event.get("type") == MEMBER:
                chat.move(event)
        session.ready = True
        self._loaded[chat.id] = chat
        if len(self._loaded) > LOADED:
            self._loaded.pop(next(iter(self._loaded))).session = None
        self._examine(chat)

    def _examine(self, chat: Chat) -> None:
        """See whether it is a conversation still, and whether it can be read."""
        others = [one for one in chat.others if one != self._bot]
        if others:
            self._widen(chat)
        elif chat.memberships.get(chat.ghost) is None:
            self._forget(chat)
        elif chat.session is not None and chat.session.room.is_encrypted:
            self._warn(chat)

    def _widen(self, chat: Chat) -> None:
        """A third one is there: ask the user into the room."""
        self._forget(chat)
        assert chat.session is not None
        room = self._ids.room(chat.id, (chat.person.partition(":")[2],))
        nick = chat.session.room.nick(chat.person)
        self._users.deliver(chat.user, (Invite(room=room, nick=nick, reason=NOW_A_ROOM),))

    def _warn(self, chat: Chat) -> None:
        """Say once that nothing can be read here, and offer another room."""
        if chat.is_warned or chat.id not in self._chats:
            return
        chat.is_warned = True
        self._remember(chat)
        self._say(chat, {"msgtype": "m.notice", "body": UNREADABLE.format(user=chat.user)}, "encrypted")

        async def offer() -> None:
            chats = self._chats.between(chat.user, chat.person)
            if not any(one.is_usable and one.theirs for one in chats):
                await self._open(chat.user, chat.person)

        self._doors.do(f"{chat.user} {chat.person}", offer).addErrback(self._unsaid)

    # ---- what is heard

    def rooms(self) -> Mapping[str, str]:
        """Return the rooms of all conversations, each with the ghost in it."""
        return {chat.id: chat.ghost for chat in self._chats}

    def concerns(self, event: Mapping[str, Any]) -> bool:
        """Tell whether an event is of a conversation, or asks for one."""
        return text(event, "room_id") in self._chats or (
            event.get("type") == MEMBER
            and (invitation(event, self._ids) is not None or opened(event, self._ids) is not None)
        )

    def hear(self, event: Mapping[str, Any]) -> Deferred[None]:
        """Take in an event that concerns a conversation."""
        return Deferred.fromCoroutine(self._hear(event))

    async def _hear(self, event: Json) -> None:
        asked = invitation(event, self._ids)
        if asked is not None and asked.room not in self._chats:
            await self._accept(asked)
            return
        made = opened(event, self._ids)
        if made is not None and made.room not in self._chats:
            self._know(*structs.astuple(made), is_ours=True)
        chat = self._chats.get(text(event, "room_id"))
        if chat is None or text(event, "event_id") in chat.first_words:
            return
        try:
            await self._load(chat)
        except BridgeError as error:
            # what was said can be passed on all the same
            self.log.warn("a conversation's state is not known: {trouble}", trouble=str(error))
        looked = None if chat.session is None else self._recall.incoming(chat.session, event)
        if looked is None or await looked:
            self._take(chat, event)

    async def _accept(self, asked: Invitation) -> None:
        """Join at once: an XMPP user is asked nothing before somebody writes to him."""
        ghost = self._ids.ghost(asked.user)
        if not self._users.reaches(asked.person, asked.user):
            path, _ = Api.room_leave("", asked.room)[1].split("?", 1)
            await self._homeserver.call("POST", path, user=ghost, room=asked.room, repeatable=True)
            return
        await self._introduce(asked.user)
        await self._homeserver.join(ghost, asked.room, (asked.person.partition(":")[2],))
        chat = self._know(asked.room, asked.user, asked.person)
        await self._load(chat)
        self._mark(asked.user)
        await self._listen_back(chat)

    async def _listen_back(self, chat: Chat) -> None:
        """Take in what was said before the ghost was there.

        Clients say the first words together with the invitation, and homeservers push nothing of a room
        before somebody of ours is in it.
        """
        path, query = f"{CLIENT}/rooms/{quote(chat.id, safe='')}/messages", {"dir": "b", "limit": str(FIRST)}
        try:
            asked = self._homeserver.call("GET", path, query=query, user=chat.ghost, patience=STATE_PATIENCE)
            chunk = mapping(await asked).get("chunk")
        except BridgeError as error:
            self.log.warn("the first words of a conversation are not known: {why}", why=str(error))
            return
        words = first_words(map(mapping, chunk if isinstance(chunk, list) else ()), chat.ghost)
        chat.first_words = frozenset(text(event, "event_id") for event in words)
        for event in words:
            self._take(chat, event)

    def _take(self, chat: Chat, event: Json) -> None:
        if chat.session is None:
            return
        is_own = event.get("sender") == chat.ghost
        if event.get("type") == MEMBER:
            self._moved(chat, event)
        heard = chat.session.hear(event)
        if isinstance(heard, Skipped):
            self.log.warn(
                "the event {id} is skipped: {reason}", id=event.get("event_id"), reason=heard.reason
            )
            return
        if event.get("type") == ENCRYPTION and not is_own:
            chat.is_warned = False
            self._warn(chat)
        if is_own and chat.is_deserted and event.get("type") == MESSAGE:
            chat.is_deserted = False
            self._doors.do(f"{chat.user} {chat.person}", lambda: self._call_back(chat)).addErrback(
                self._unsaid
            )
        for user, events in heard if not is_own else ():
            known = tuple(one for one in (told(chat, event) for event in events) if one is not None)
            if known:
                self._users.deliver(user, known)

    def _moved(self, chat: Chat, event: Json) -> None:
        """Somebody came, went, or was asked; what the state told already changes nothing."""
        before = text(mapping(mapping(event.get("unsigned")).get("prev_content")), "membership")
        if chat.session is not None and not chat.session.is_old(event):
            before = before or chat.theirs
            chat.move(event)
            chat.is_deserted = not chat.theirs
        if text(event, "state_key") == chat.person and chat.theirs == "join":
            chat.unaccepted.clear()
        elif text(event, "state_key") == chat.person and not chat.theirs and before == "invite":
            self._declined(chat, event)
        self._examine(chat)

    def _declined(self, chat: Chat, event: Json) -> None:
        """The person does not want to talk: who wrote is told."""
        if event.get("sender") != chat.person:
            return
        words = DECLINED.format(name=chat.person)
        if not self._fail(chat, BridgeError(Trouble.REFUSED, words)):
            self._users.deliver(chat.user, (ServerNotice(server=ServerId(""), text=words),))

    def _fail(self, chat: Chat, error: BridgeError | None = None) -> bool:
        """Report what nobody read; False if there is nothing."""
        refs = list(chat.unaccepted)
        chat.unaccepted.clear()
        for ref in refs:
            self._users.deliver(chat.user, (Failed(ref=ref, error=error or BridgeError(Trouble.LOST)),))
        return bool(refs)

    def overhear(self, event: Mapping[str, Any]) -> None:
        """Take in what is not kept: who is writing, and what was read."""
        chat = self._chats.get(text(event, "room_id"))
        if chat is None or chat.session is None:
            return
        if event.get("type") == "m.typing":
            listed = mapping(event.get("content")).get("user_ids")
            is_writing = isinstance(listed, list) and chat.person in listed
            if is_writing is not chat.is_writing:
                chat.is_writing = is_writing
                state = TypingState.COMPOSING if is_writing else TypingState.DONE
                self._users.deliver(chat.user, (Typing(contact=chat.contact, state=state),))
        elif event.get("type") == "m.receipt":
            for id in readers(event).get(chat.person, ()):
                looked = self._recall.named(chat.session, chat.ghost, (id,)) or succeed(True)
                looked.addCallback(self._was_read, chat, id)

    def _was_read(self, looked: bool, chat: Chat, id: str) -> None:
        said = None if chat.session is None else chat.session.room.timeline.said(id)
        if said is not None and said.sender == chat.ghost:
            receipt = Receipt(contact=chat.contact, id=MessageId(chat.named(id)))
            self._users.deliver(chat.user, (receipt,))

    # ---- who there is

    def exists(self, user_id: str) -> Deferred[bool]:
        """Tell whether there can be such a ghost, and make it: everybody on XMPP can be written to."""
        user = self._ids.ghost_of(user_id)
        if user is None or not self._users.reaches("", user):
            return succeed(False)
        made = Deferred.fromCoroutine(self._introduce(user))
        return made.addCallback(lambda _: True)


def is_person(user: str) -> bool:
    """Tell whether a ghost stands for the address of a person on XMPP."""
    try:
        jid = Jid.parse(user)
    except JidError:
        return False
    return bool(jid.local) and not jid.resource and str(jid) == user
