"""One user's conversation with one IRC server: a pure machine over lines, clock injected.

The session outlives its TCP connections: `connection_made` and `connection_lost` may alternate,
and the channels the user is in are joined again after each registration.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from msgspec import Struct

from bridge.errors import BridgeError
from bridge.events import Incoming, Outgoing


class State(Enum):
    """Where the link to the server is."""

    OFFLINE = "offline"
    REGISTERING = "registering"
    ONLINE = "online"
    CLOSING = "closing"


class Answer(Struct, frozen=True):
    """The end of a question asked with `IrcSession.ask`: `result`, or a BridgeError."""

    token: int
    result: Any | BridgeError


class IrcSession:
    """See the module's docstring."""

    state: State

    def connection_made(self, *, secure: bool) -> None:
        """A transport is up (TLS included when `secure`): begin to register."""

    def connection_lost(self, error: BridgeError | None, text: str = "") -> None:
        """The transport is gone, or none could be made; `text` is a reason for the user."""

    def receive_data(self, data: bytes) -> None:
        """Bytes from the server."""

    def data_to_send(self) -> bytes:
        """Take the bytes that may be written now (pacing has let them through)."""

    def take_events(self) -> Sequence[Sequence[Incoming]]:
        """Take what happened, as tuples that may be shared with other sessions."""

    def take_answers(self) -> Sequence[Answer]:
        """Take the questions that ended."""

    def submit(self, event: Outgoing) -> None:
        """Do what the user wants."""

    def ask(self, query: object, token: int) -> None:
        """Ask the server; an `Answer` with `token` follows."""

    def quit(self, reason: str) -> None:
        """Leave politely: `Exited` for each room, then QUIT; `close_expected` turns True."""

    @property
    def wants_link(self) -> bool:
        """True while the user is, or wants to be, in a channel or waits for an answer."""

    @property
    def close_expected(self) -> bool:
        """True when the shell is to close the transport (after writing what is left)."""

    def next_timer(self) -> float | None:
        """When `tick` is due, on the injected monotonic clock; None for never."""

    def tick(self) -> None:
        """Let time pass: pacing, keep-alive, time-outs."""
