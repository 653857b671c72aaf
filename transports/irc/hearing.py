"""From bytes to lines, each understood once for all sessions that receive the same.

A session that stands where another stood when these bytes came (same members, same place in the
channel's window) takes what they meant to the other, at the price of a look-up; see `shared.Heard`.
"""

from __future__ import annotations

from collections.abc import Callable

from bridge.events import Incoming

from . import wire
from .core import Core
from .rooms import Rooms
from .shared import Heard
from .window import MAX_AGE


class Hearing:
    """See the module's docstring; lines that must be understood go to `read`."""

    __slots__ = ("_buffer", "_charset", "_core", "_is_at_border", "_known", "_read", "_rooms", "_utf8_only")

    def __init__(self, core: Core, rooms: Rooms, read: Callable[[Heard], None]) -> None:
        self._core = core
        self._rooms = rooms
        self._read = read
        self._charset = core.profile.encoding_in or wire.FALLBACK_CHARSET
        self._utf8_only = False
        self._known: dict[bytes, Heard] = {}
        self.begin()

    def begin(self) -> None:
        """A connection is made: nothing of the last one's is left."""
        self._buffer = wire.LineBuffer()
        self._is_at_border = True
        self.learn_charset()

    def learn_charset(self) -> None:
        """The server may have said that it speaks UTF-8 only (IRCv3 utf8-only)."""
        self._utf8_only = self._core.isupport.utf8_only
        self._known = self._core.shared.lines(self._charset, self._utf8_only)

    def receive(self, data: bytes, now: float) -> bool:
        """Take bytes from the server; tell if nothing came of them but events."""
        was_at_border = self._is_at_border
        if was_at_border:
            known = self._known.get(data)
            if known is not None and self._takes(known, now):
                return True
        self._is_at_border = data[-1:] == b"\n"
        before = len(self._core.events)
        lines = self._buffer.feed(data)
        for raw in lines:
            known = self._known.get(raw)
            if known is None:
                self._hear(raw)
            elif not self._takes(known, now):
                self._read(known)
        if was_at_border and self._is_at_border:
            self._keep_chunk(data, lines, before)
        return False

    def _takes(self, heard: Heard, now: float) -> bool:
        """Take bytes as another session did, if we stand where it stood."""
        channel = heard.channel
        if channel is None:
            return False
        here = self._rooms.here.get(channel.folded)
        core = self._core
        if here is None or here.channel is not channel or core.folded_nick in heard.subjects:
            return False
        if heard.effects is None:
            if here.cursor != heard.start or here.ahead is not None or now - heard.time > MAX_AGE:
                return False
            here.cursor = heard.end
            core.events.append(heard.events)
            return True
        effect = heard.effects.get(channel)
        if effect is None or effect[0] is not here.members or here.gone is not None:
            return False
        if effect[1] != channel.people.revision:
            return False
        here.members = effect[2]
        if effect[3]:
            core.events.append(effect[3])
        return True

    def _hear(self, raw: bytes) -> None:
        """Understand a line, and remember it if it can mean the same to another session."""
        line = wire.parse(raw, self._charset, self._utf8_only)
        if line is None:
            return
        heard = Heard(line, raw)
        self._read(heard)
        if heard.effects is not None or (heard.channel is not None and heard.channel.sessions > 1):
            self._core.shared.keep(self._known, raw, heard)

    def _keep_chunk(self, data: bytes, lines: list[bytes], before: int) -> None:
        """Remember bytes that held messages of one channel only, for the others in it."""
        first = self._known.get(lines[0]) if lines else None
        if first is None or first.channel is None or first.channel.sessions < 2:
            return
        core = self._core
        if len(lines) == 1:
            core.shared.keep(self._known, data, first)
            return
        if first.start < 0 or len(core.events) - before != len(lines):
            return
        chunk = Heard(first.line, data)
        chunk.channel, chunk.start, chunk.end, chunk.time = (
            first.channel,
            first.start,
            first.start,
            first.time,
        )
        messages: list[Incoming] = []
        subjects: set[str] = set()
        for raw in lines:
            each = self._known.get(raw)
            if each is None or each.channel is not chunk.channel or each.start != chunk.end:
                return
            messages.extend(each.events)
            subjects |= each.subjects
            chunk.end = each.end
        chunk.events, chunk.subjects = tuple(messages), frozenset(subjects)
        core.events[before:] = [chunk.events]
        core.shared.keep(self._known, data, chunk)
