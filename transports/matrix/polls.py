"""Polls as words: the question with its options by number, who votes for what, and the end (MSC3381)."""

from __future__ import annotations

from collections.abc import Mapping

from .content import Json, mapping, text
from .tables import MAX_ID

MAX_OPTIONS = 20
"""Options of a poll that are shown."""
MAX_POLLS = 100
"""Polls of a room whose options are remembered; the oldest is forgotten first."""
_PREFIXES = ("m.poll.", "org.matrix.msc3381.poll.")
POLL = "m.poll"
"""Where the final form of an event that begins a poll has it; those before have it by the event's type."""
STARTS = tuple(f"{prefix}start" for prefix in _PREFIXES)
RESPONSES = tuple(f"{prefix}response" for prefix in _PREFIXES)
ENDS = tuple(f"{prefix}end" for prefix in _PREFIXES)


class Polls:
    """The options of a room's latest polls, by the events that began them."""

    __slots__ = ("_options",)

    def __init__(self) -> None:
        self._options: dict[str, Mapping[str, str]] = {}

    def begin(self, event_id: str, content: Json) -> str:
        """Return how a poll is shown, and remember it."""
        poll = mapping(next((content[kind] for kind in (POLL, *STARTS) if kind in content), None))
        answers = poll.get("answers")
        answers = answers if isinstance(answers, list) else []
        options: dict[str, str] = {}
        lines = [f"[poll] {_words(mapping(poll.get('question')))}"]
        for number, answer in enumerate(map(mapping, answers[:MAX_OPTIONS]), 1):
            lines.append(f"{number}. {_words(answer)}")
            options[text(answer, "m.id") or text(answer, "id")] = lines[-1]
        if event_id not in self._options and len(self._options) >= MAX_POLLS:
            del self._options[next(iter(self._options))]
        self._options[event_id] = options
        return "\n".join(lines)

    def vote(self, content: Json) -> str:
        """Return how a vote is shown, "" if the poll is not known."""
        options = self._options.get(poll_of(content))
        if options is None:
            return ""
        response = mapping(next((content[kind] for kind in RESPONSES if kind in content), None))
        chosen = content.get("m.selections", response.get("answers"))
        chosen = chosen if isinstance(chosen, list) else []
        named = [options[each] for each in chosen[:MAX_OPTIONS] if isinstance(each, str) and each in options]
        return f"votes for {', '.join(dict.fromkeys(named))}" if named else "takes the vote back"

    def end(self, content: Json) -> str:
        """Return how the end of a poll is shown."""
        return f"[poll] {_words(content) or 'The poll has ended.'}"


def poll_of(content: Json) -> str:
    """Return the event that began the poll of a vote or an end."""
    return text(mapping(content.get("m.relates_to")), "event_id")[:MAX_ID]


def _words(block: Json) -> str:
    """Return the words of a text block, in the stable form or the one before."""
    stable = block.get("m.text")
    if isinstance(stable, list) and stable:
        return text(mapping(stable[0]), "body")
    return text(block, "m.text") or text(block, "org.matrix.msc1767.text") or text(block, "body")
