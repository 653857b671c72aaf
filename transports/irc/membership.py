"""One user's being in one channel, from the wish to enter to the end."""

from __future__ import annotations

from enum import Enum

from .agenda import Appointment
from .channel import Channel, Member, Members, NamesPart
from .shared import Heard
from .window import Place


class Stage(Enum):
    """How far the user is in a channel."""

    WAITING = "waiting"
    ASKED = "asked"
    NAMING = "naming"
    IN = "in"
    FORCED = "forced"
    LEAVING = "leaving"
    OUT = "out"


class Membership(Place):
    """One user's being in a channel, and his place in its window.

    `returning` tells that the bridge takes the user to be in; `gone` are the members lost in a
    netsplit, by folded nick, with the split's text.
    """

    __slots__ = (
        "appointment", "asked_modes", "channel", "gone", "inside", "key", "late", "members", "names",
        "reenter", "returning", "stage",
    )  # fmt: skip

    def __init__(self, channel: Channel) -> None:
        super().__init__(0)
        self.channel = channel
        self.stage = Stage.WAITING
        self.key = ""
        self.members: Members = channel.nobody()
        self.names: list[NamesPart] | None = None
        self.late: list[Heard] | None = None
        self.inside = False
        self.asked_modes = False
        self.returning = False
        self.reenter = False
        self.gone: dict[str, tuple[Member, str]] | None = None
        self.appointment: Appointment | None = None

    def wait(self, appointment: Appointment | None) -> None:
        """Replace what is to happen if nothing else does."""
        if self.appointment is not None:
            self.appointment.cancel()
        self.appointment = appointment
