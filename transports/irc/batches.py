"""Labelled answers and batches (IRCv3 labeled-response, batch)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from bridge.errors import BridgeError

from .core import Core
from .splits import Splits
from .tables import TROUBLES, Tag
from .tickets import Ticket
from .wire import Line

MAX_BATCHES = 64
"""Batches that can be open at once."""


class Batches:
    """See the module's docstring; `error` words an error reply."""

    __slots__ = ("_core", "_error", "_splits", "_tickets")

    def __init__(self, core: Core, splits: Splits, error: Callable[[Line], BridgeError]) -> None:
        self._core = core
        self._splits = splits
        self._error = error
        self._tickets: dict[str, Ticket] = {}

    def on_batch(self, line: Line) -> bool:
        """``BATCH +reference type …`` and ``BATCH -reference``."""
        if not line.params or len(line.params[0]) < 2:
            return True
        sign, reference = line.params[0][0], line.params[0][1:]
        if sign == "+":
            self._splits.batch_begun(reference, line.params[1] if len(line.params) > 1 else "")
            ticket = self._core.tickets.labelled(line.tags.get(Tag.LABEL, ""))
            if ticket is not None and len(self._tickets) < MAX_BATCHES:
                self._tickets[reference] = ticket
        else:
            self._splits.batch_ended(reference)
            ticket = self._tickets.pop(reference, None)
            if ticket is not None:
                self._core.tickets.settle(ticket)
        return True

    def ticket_of(self, line: Line) -> Ticket | None:
        """Return the ticket that a line answers by its label or its batch."""
        if not line.tags or line.command == "BATCH":
            return None
        label, batch = line.tags.get(Tag.LABEL), line.tags.get(Tag.BATCH)
        if label:
            return self._core.tickets.labelled(label)
        return self._tickets.get(batch) if batch else None

    def answered(self, ticket: Ticket, line: Line) -> None:
        """A line that answers a ticket was dealt with."""
        tickets = self._core.tickets
        if line.command in TROUBLES or line.command == "FAIL":
            tickets.fail(ticket, self._error(line))
        elif line.tags.get(Tag.LABEL):
            tickets.settle(ticket)

    def forget(self) -> None:
        """The link is lost."""
        self._tickets.clear()

    REPLIES: ClassVar[Mapping[str, Callable[..., bool]]] = {"BATCH": on_batch}
