"""What a room remembers of its latest events: who said what, and who reacted how."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

MAX_SAID = 2_000
"""Events of a room whose author is remembered."""
MAX_THREADS = 500
"""Threads of a room whose latest event is remembered."""
MAX_REACTIONS = 5_000
"""Reactions of a room that are remembered, and as many that were taken back."""
MAX_REACTIONS_OF_ONE = 1_000
"""Reactions on one message that are remembered."""


class Said(Struct, frozen=True):
    """An event: who sent it, the id of the author's XMPP client, its thread's root, and what it corrects."""

    sender: str
    origin: str = ""
    thread: str = ""
    corrects: str = ""


class Timeline:
    """See the module's docstring; the oldest is forgotten first."""

    __slots__ = ("_events", "_latest", "_reacted", "_said", "_targets", "_whole", "_withdrawn")

    def __init__(self) -> None:
        self._said: dict[str, Said] = {}
        self._events: dict[tuple[str, str], str] = {}
        self._latest: dict[str, str] = {}
        self._reacted: dict[str, dict[str, tuple[str, str]]] = {}
        self._targets: dict[str, str] = {}
        self._withdrawn: dict[str, tuple[str, str]] = {}
        self._whole: dict[str, None] = {}

    def learn(
        self, event_id: str, sender: str, origin: str = "", thread: str = "", corrects: str = ""
    ) -> None:
        """Remember what is said now; its origin only if the sender is a ghost of ours."""
        if thread:
            self._latest.pop(thread, None)
            self._latest[thread] = event_id
            if len(self._latest) > MAX_THREADS:
                del self._latest[next(iter(self._latest))]
        self.complete(event_id)
        self.recall(event_id, sender, origin, thread, corrects)

    def recall(
        self, event_id: str, sender: str, origin: str = "", thread: str = "", corrects: str = ""
    ) -> None:
        """Remember an event of the past; see `learn`."""
        self._said[event_id] = Said(sender, origin, thread, self.original(corrects))
        if origin:
            self._events[sender, origin] = event_id
        if len(self._said) > MAX_SAID:
            oldest = next(iter(self._said))
            gone = self._said.pop(oldest)
            if self._events.get((gone.sender, gone.origin)) == oldest:
                del self._events[gone.sender, gone.origin]

    def said(self, event_id: str) -> Said | None:
        """Return who sent an event, None if that is forgotten."""
        return self._said.get(event_id)

    def original(self, event_id: str) -> str:
        """Return the message that an event is a correction of, else the event itself.

        Matrix knows messages by their first event; XMPP clients may name the latest that they were shown.
        """
        said = self._said.get(event_id)
        return said.corrects if said is not None and said.corrects else event_id

    def knows(self, event_id: str) -> bool:
        """Tell whether an event is remembered, be it said or a reaction."""
        return event_id in self._said or event_id in self._targets

    def complete(self, target: str) -> None:
        """From now on all reactions on this message are remembered."""
        self._whole[target] = None
        if len(self._whole) > MAX_SAID:
            del self._whole[next(iter(self._whole))]

    def is_whole(self, target: str) -> bool:
        """Tell whether all reactions on this message are remembered."""
        return target in self._whole

    def latest(self, thread: str) -> str:
        """Return the latest event of a thread, its root if none is known."""
        return self._latest.get(thread, thread)

    def event(self, sender: str, origin: str) -> str | None:
        """Return the event that was made of a ghost's stanza, None if that is forgotten."""
        return self._events.get((sender, origin))

    def react(self, target: str, sender: str, key: str, event_id: str) -> tuple[str, ...]:
        """Remember a reaction; return all those of its sender on that message."""
        reactions = self._reacted.setdefault(target, {})
        if len(reactions) < MAX_REACTIONS_OF_ONE and event_id not in self._targets:
            reactions[event_id] = (sender, key)
            self._targets[event_id] = target
        if len(self._targets) > MAX_REACTIONS:
            oldest = next(iter(self._reacted))
            self._whole.pop(oldest, None)
            for forgotten in self._reacted.pop(oldest):
                del self._targets[forgotten]
        return self.keys(target, sender)

    def unreact(self, event_id: str) -> tuple[str, str, tuple[str, ...]] | None:
        """Forget a reaction; return its message, its sender, and what else he has there.

        None if the event is no reaction that is remembered. What an earlier run of ours saw counts too.
        """
        target = self._targets.pop(event_id, None)
        if target is None:
            known = self._withdrawn.get(event_id)
            return None if known is None else (*known, self.keys(*known))
        sender, _ = self._reacted[target].pop(event_id)
        keys = self.keys(target, sender)
        if not self._reacted[target]:
            del self._reacted[target]
        self.recollect(event_id, target, sender)
        return target, sender, keys

    def recollect(self, event_id: str, target: str, sender: str) -> None:
        """Remember on which message a reaction was, whose it was, and that it may be gone."""
        self._withdrawn[event_id] = (target, sender)
        if len(self._withdrawn) > MAX_REACTIONS:
            del self._withdrawn[next(iter(self._withdrawn))]

    def reactions(self, count: int) -> list[tuple[str, str, str]]:
        """Return the latest that were taken back and that stand: each, what it is on, and whose it is."""
        gone = [(id, *where) for id, where in list(self._withdrawn.items())[-count:]]
        there = [(id, target, self._reacted[target][id][0]) for id, target in self._targets.items()]
        return gone + there[-count:]

    def reacted(self, event_id: str) -> tuple[str, str] | None:
        """Return on which message a reaction is or was, and whose it is; None if that is forgotten.

        Of a reaction that was taken back the homeserver does not tell what it was on.
        """
        target = self._targets.get(event_id)
        if target is None:
            return self._withdrawn.get(event_id)
        return target, self._reacted[target][event_id][0]

    def difference(
        self, target: str, sender: str, wanted: Iterable[str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return which keys are to be sent, and which events redacted, so that `wanted` is all there is."""
        missing = dict.fromkeys(wanted)
        surplus: list[str] = []
        for event_id, (reactor, key) in self._reacted.get(target, {}).items():
            if reactor == sender and key in missing:
                del missing[key]
            elif reactor == sender:
                surplus.append(event_id)
        return tuple(missing), tuple(surplus)

    def keys(self, target: str, sender: str) -> tuple[str, ...]:
        """Return all the reactions that somebody has on a message, as far as they are remembered."""
        reactions = self._reacted.get(target, {}).values()
        return tuple(dict.fromkeys(key for reactor, key in reactions if reactor == sender))
