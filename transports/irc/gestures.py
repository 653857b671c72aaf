"""What people do beside speaking: typing, reacting, taking back (IRCv3 typing, react, redaction)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from msgspec.structs import replace

from bridge.errors import Trouble
from bridge.events import NO_REF, MessageId, Reaction, Retraction, RoomId, Sent, Typing, TypingState

from .core import Core
from .membership import Membership
from .rooms import Rooms
from .shared import Heard
from .tables import Tag
from .tickets import Ticket
from .window import Act, Key
from .wire import Line

TYPING_EVERY = 3.0
"""Seconds between typing notifications to one target (IRCv3 typing)."""
MAX_TARGETS = 200
"""Targets whose last typing notification is remembered."""
MAX_REACTIONS = 1000
"""Messages whose reactions are remembered."""
MAX_EMOJIS = 20
"""Reactions of one person to one message."""
MAX_EMOJI = 64
"""Characters of a reaction."""
REDACTION = "draft/message-redaction"

_TYPING: Mapping[str, TypingState] = {
    "active": TypingState.COMPOSING,
    "paused": TypingState.PAUSED,
    "done": TypingState.DONE,
}
_TYPING_VALUES = {state: value for value, state in _TYPING.items()} | {TypingState.GONE: "done"}

_Reacted = tuple[RoomId, MessageId, str]


class Gestures:
    """See the module's docstring."""

    __slots__ = ("_core", "_reactions", "_rooms", "_typed_at")

    def __init__(self, core: Core, rooms: Rooms) -> None:
        self._core = core
        self._rooms = rooms
        self._typed_at: dict[str, float] = {}
        self._reactions: dict[_Reacted, tuple[str, ...]] = {}

    # ---- in

    def _on_tagmsg(self, heard: Heard) -> None:
        line = heard.line
        if not line.params:
            return
        here = self._here(line.params[0])
        typing = _TYPING.get(line.tags.get(Tag.TYPING, ""))
        if typing is not None and not self._core.is_me(line.nick):
            self._typing(line, here, typing)
        if here is not None:
            self._reacted(line, here)

    def _here(self, target: str) -> Membership | None:
        core = self._core
        return self._rooms.here.get(core.fold[core.isupport.strip_status(target)[1]])

    def _typing(self, line: Line, here: Membership | None, state: TypingState) -> None:
        core = self._core
        if here is not None:
            core.emit(Typing(room=here.channel.room, nick=line.nick, state=state))
        elif core.is_me(line.params[0]):
            core.emit(Typing(contact=core.shared.contact_id(line.nick), nick=line.nick, state=state))

    def _reacted(self, line: Line, here: Membership) -> None:
        """IRCv3 react says what is added or taken, XEP-0444 all that remains."""
        added, taken = line.tags.get(Tag.REACT, ""), line.tags.get(Tag.UNREACT, "")
        emoji = (added or taken)[:MAX_EMOJI]
        msgid = line.tags.get(Tag.REPLY) or line.tags.get(Tag.DRAFT_REPLY)
        known = here.channel.window.message_of(msgid) if msgid else None
        if not emoji or known is None:
            return
        core, msgid = self._core, line.tags.get(Tag.MSGID, "")
        folded = core.fold[line.nick]
        place, room = (line.command, folded, msgid), here.channel.room
        key = (room, known[0], folded)
        emojis = tuple(each for each in self._reactions.pop(key, ()) if each != emoji)
        heard = here.channel.window.act(place) if msgid else None
        if not isinstance(heard, Reaction):
            emojis = (*emojis, emoji)[-MAX_EMOJIS:] if added else emojis
            heard = Reaction(
                room=room, id=known[0], nick=line.nick, emojis=emojis, identity=self._identity(line)
            )
            if msgid:
                heard = replace(heard, act=core.ids())
                self._keep(here, place, heard)
        self._remember(key, heard.emojis)
        if not core.is_me(line.nick):
            core.emit(heard)

    def _keep(self, here: Membership, place: Key, act: Act) -> None:
        """Have it archived once, of all the sessions that hear it."""
        here.channel.window.hear(place, act)
        self._core.archive(act)

    def _identity(self, line: Line) -> str:
        return self._core.shared.people.identity(self._core.fold[line.nick])

    def _remember(self, key: _Reacted, emojis: tuple[str, ...]) -> None:
        if emojis:
            self._reactions[key] = emojis
        if len(self._reactions) > MAX_REACTIONS:
            del self._reactions[next(iter(self._reactions))]

    def _on_redact(self, heard: Heard) -> None:
        """``REDACT #chan msgid [:reason]`` (IRCv3 message-redaction)."""
        line = heard.line
        here = self._here(line.params[0]) if len(line.params) > 1 else None
        known = here.channel.window.message_of(line.params[1]) if here is not None else None
        if here is None or known is None:
            return
        core = self._core
        folded = core.fold[line.nick]
        place = (line.command, folded, line.params[1])
        act = here.channel.window.act(place)
        if act is None:
            act = Retraction(
                room=here.channel.room,
                id=known[0],
                nick=known[1],
                actor="" if core.fold[known[1]] == folded else line.nick,
                reason=line.params[2] if len(line.params) > 2 else "",
                act=core.ids(),
                identity=self._identity(line),
            )
            self._keep(here, place, act)
        core.emit(act)
        ticket = core.tickets.find("REDACT", here.channel.folded, line.params[1])
        if ticket is not None and core.is_me(line.nick):
            core.tickets.settle(ticket)

    # ---- out

    def type(self, event: Typing) -> None:
        """Let others know that the user writes."""
        core = self._core
        target = self._target(event)
        value = _TYPING_VALUES[event.state]
        if target is None or not self._can_tag("typing"):
            return
        now = core.clock()
        if now - self._typed_at.get(target, float("-inf")) < TYPING_EVERY or core.pace.waiting:
            return
        self._typed_at.pop(target, None)
        self._typed_at[target] = now
        if len(self._typed_at) > MAX_TARGETS:
            del self._typed_at[next(iter(self._typed_at))]
        core.request(Ticket(NO_REF, "TAGMSG", core.fold[target]), target, tags={Tag.TYPING: value})

    def _target(self, event: Typing) -> str | None:
        if event.room is not None and event.contact is None:
            here = self._rooms.find(event.room)
            return here.channel.name if here is not None else None
        return self._core.shared.name_of(event.contact) if event.contact is not None else None

    def _can_tag(self, name: str) -> bool:
        core = self._core
        return core.online and "message-tags" in core.capabilities and core.isupport.allows_tag(name)

    def react(self, event: Reaction) -> None:
        """Add and take reactions until they are what the user wants."""
        core = self._core
        here = self._rooms.find(event.room)
        msgid = here.channel.window.msgid_of(event.id) if here is not None else None
        if here is None or msgid is None or not self._can_tag("draft/react"):
            core.fail(event.ref, Trouble.UNSUPPORTED)
            return
        key = (event.room, event.id, core.folded_nick)
        before = self._reactions.pop(key, ())
        wanted = tuple(dict.fromkeys(event.emojis))[:MAX_EMOJIS]
        self._remember(key, wanted)
        changes: list[tuple[str, str]] = [(Tag.UNREACT, each) for each in before if each not in wanted]
        changes += [(Tag.REACT, each) for each in wanted if each not in before]
        reply = Tag.REPLY if core.isupport.allows_tag("reply") else Tag.DRAFT_REPLY
        if not changes:
            core.emit(Sent(ref=event.ref))
        for index, (tag, emoji) in enumerate(changes):
            ticket = Ticket(event.ref, "TAGMSG", here.channel.folded, emoji, last=index == len(changes) - 1)
            core.request(ticket, here.channel.name, tags={reply: msgid, tag: emoji})

    def retract(self, event: Retraction) -> None:
        """Take a message back, one's own or as a moderator."""
        core = self._core
        here = self._rooms.find(event.room)
        msgid = here.channel.window.msgid_of(event.id) if here is not None else None
        if here is None or msgid is None or REDACTION not in core.capabilities:
            core.fail(event.ref, Trouble.UNSUPPORTED)
            return
        ticket = Ticket(event.ref, "REDACT", here.channel.folded, msgid)
        core.request(ticket, here.channel.name, msgid, *((event.reason,) if event.reason else ()))

    LINES: ClassVar[Mapping[str, Callable[..., None]]] = {"TAGMSG": _on_tagmsg, "REDACT": _on_redact}
