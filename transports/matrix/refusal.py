"""What the homeserver answers when it does not do what it was asked, and what the user is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from bridge.errors import BridgeError, Trouble

TROUBLES: Mapping[str, Trouble] = {
    "M_FORBIDDEN": Trouble.NO_PRIVILEGE,
    "M_NOT_FOUND": Trouble.NO_SUCH_ROOM,
    "M_UNKNOWN_TOKEN": Trouble.LOGIN_FAILED,
    "M_MISSING_TOKEN": Trouble.LOGIN_FAILED,
    "M_LIMIT_EXCEEDED": Trouble.BUSY,
    "M_RESOURCE_LIMIT_EXCEEDED": Trouble.BUSY,
    "M_TOO_LARGE": Trouble.TOO_LONG,
    "M_INVALID_PARAM": Trouble.NOT_ACCEPTABLE,
    "M_INVALID_USERNAME": Trouble.BAD_NICK,
    "M_UNRECOGNIZED": Trouble.UNSUPPORTED,
}
"""MX v1.19 client-server-api/standard-error-response; every other is BUSY from 500 on, else REFUSED."""
WORDS = 300
"""Characters of a homeserver's own words that are passed on."""
LONGEST_PAUSE = 3600.0
"""Seconds that we are willing to be told to wait."""


class Refusal(BridgeError):
    """The homeserver said no: HTTP `status`, and `said`, the JSON object that came with it (or {})."""

    def __init__(self, status: int, said: Mapping[str, Any], trouble: Trouble | None = None) -> None:
        self.status = status
        self.said = said
        usual = TROUBLES.get(self.errcode) or (Trouble.BUSY if status >= 500 else Trouble.REFUSED)
        known = trouble or usual
        super().__init__(known, self.words if known is Trouble.REFUSED else "")

    @property
    def errcode(self) -> str:
        """How it named the reason, "" if it did not."""
        return _text(self.said.get("errcode"))

    @property
    def words(self) -> str:
        """What it said of the reason, "" if nothing."""
        return _text(self.said.get("error"))[:WORDS]

    @property
    def retry_after(self) -> float | None:
        """How many seconds it wants to be left alone, None if it did not say."""
        pause = self.said.get("retry_after_ms")
        if isinstance(pause, bool) or not isinstance(pause, int | float):
            return None
        return min(max(pause / 1000, 0.0), LONGEST_PAUSE)

    def meaning(self, trouble: Trouble) -> Refusal:
        """Return the same, told to the user as `trouble`."""
        return Refusal(self.status, self.said, trouble)

    @classmethod
    def read(cls, status: int, body: bytes) -> Refusal:
        """Read an answer that is no success, whatever it looks like."""
        try:
            said = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            said = None
        return cls(status, said if isinstance(said, dict) else {})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
