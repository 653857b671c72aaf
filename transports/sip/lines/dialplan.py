"""Numbers as people and trunks write them: dial plans, and who shows as which number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import translate
from re import IGNORECASE, fullmatch

from transports.sip.address import is_number


class DialPlan:
    """Rules like ``00 +``: a number that begins with the first word begins with the second one instead.

    ``""`` as a word is nothing. The first rule that fits is applied, once.
    """

    def __init__(self, rules: Sequence[str]) -> None:
        """Read the rules. Raises ValueError."""
        self._rules = [_rule(rule) for rule in rules]

    def apply(self, number: str) -> str:
        """Return a number as the rules want it; one that would be none any more stays as it is."""
        for prefix, replacement in self._rules:
            if number.startswith(prefix):
                changed = replacement + number[len(prefix) :]
                return changed if is_number(changed) else number
        return number


def _rule(text: str) -> tuple[str, str]:
    words = [word.replace('""', "") for word in text.split()]
    if (
        len(words) != 2
        or not all(word in ("", "+") or is_number(word) for word in words)
        or words == ["", ""]
    ):
        raise ValueError(f"{text!r} is no rule of a dial plan, like '00 +'")
    return words[0], words[1]


class CallerIds:
    """Rules like ``romeo@example.org +4930123``: who shows as which number, and whom it rings.

    The first word is a bare JID, or a domain, with * for anything; only a JID without * is rung.
    """

    def __init__(self, rules: Sequence[str]) -> None:
        """Read the rules. Raises ValueError."""
        self._rules = [_caller_id(rule) for rule in rules]
        self._users = {
            number: who for who, number in reversed(self._rules) if "@" in who and not _is_open(who)
        }

    def number(self, user: str) -> str:
        """Return as which number a user shows; "" if as none."""
        return next((number for who, number in self._rules if is_among(user, (who,))), "")

    def user(self, number: str) -> str:
        """Return whose number this is; "" if it is nobody's."""
        return self._users.get(number, "")


def _caller_id(text: str) -> tuple[str, str]:
    words = text.split()
    if len(words) != 2 or not is_number(words[1]):
        raise ValueError(
            f"{text!r} does not say who shows as which number, like 'romeo@example.org +4930123'"
        )
    return words[0].lower(), words[1]


def _is_open(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def is_among(who: str, patterns: Iterable[str]) -> bool:
    """Tell whether a bare JID, or a domain, fits one of the patterns; one without @ is about the domain."""
    domain = who.rpartition("@")[2]
    return any(fits(one, who if "@" in one else domain) for one in patterns)


def fits(pattern: str, text: str) -> bool:
    """Tell whether a text is like a pattern, where * is anything and ? one character."""
    return fullmatch(translate(pattern.replace("[", "[[]")), text, IGNORECASE) is not None
