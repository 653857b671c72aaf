"""Power levels, and what they make of somebody in XMPP's words (Matrix: m.room.power_levels)."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from msgspec import Struct

from bridge.events import Affiliation, Role

from .content import Json, integer, mapping
from .ids import is_user_id
from .tables import MESSAGE, POWER_LEVELS, PRIVILEGED_CREATORS_ALSO, PRIVILEGED_CREATORS_FROM

CREATOR = 100
"""The level of a creator while a room has no power levels."""
MODERATION = 50
"""The level for kicks, bans, redactions and state where the room does not say."""

Standing = tuple[Affiliation, Role]


class Creation(Struct, frozen=True):
    """Who made a room; `privileged` creators stand above all levels."""

    creators: frozenset[str] = frozenset()
    privileged: bool = False


def creation(event: Json) -> Creation:
    """Read an ``m.room.create`` event."""
    content = mapping(event.get("content"))
    version = content.get("room_version")
    version = version if isinstance(version, str) else "1"
    number = integer(version) if version.isascii() and version.isdecimal() else None
    is_privileged = version in PRIVILEGED_CREATORS_ALSO or (
        number is not None and number >= PRIVILEGED_CREATORS_FROM
    )
    named: list[object] = [event.get("sender")]
    additional = content.get("additional_creators")
    if is_privileged and isinstance(additional, list):
        named += additional
    creators = frozenset(each for each in named if isinstance(each, str) and is_user_id(each))
    return Creation(creators, is_privileged)


class PowerLevels(Struct, frozen=True, kw_only=True):
    """Who may do what in a room."""

    creation: Creation = Creation()
    users: Mapping[str, int] = {}
    users_default: int = 0
    events: Mapping[str, int] = {}
    events_default: int = 0
    state_default: int = 0
    ban: int = MODERATION
    kick: int = MODERATION
    redact: int = MODERATION
    invite: int = 0

    def level(self, user_id: str) -> float:
        """Return how much somebody may do; infinite for a privileged creator."""
        if user_id in self.creation.creators and self.creation.privileged:
            return inf
        return self.users.get(user_id, self.users_default)

    @property
    def special(self) -> frozenset[str]:
        """Who has a level of his own."""
        return self.creation.creators.union(self.users)

    @property
    def moderated(self) -> bool:
        """Whether who has no level of his own may only listen."""
        return self.users_default < self.to_speak

    @property
    def to_speak(self) -> int:
        """The level that it takes to say something."""
        return self.events.get(MESSAGE, self.events_default)

    @property
    def to_decide(self) -> int:
        """The level that it takes to let in who asks, or to send him away."""
        return max(self.invite, self.kick)

    @property
    def to_change(self) -> int:
        """The level that it takes to change levels."""
        return self.events.get(POWER_LEVELS, self.state_default)

    def standing(self, level: float, *, closed: bool) -> Standing:
        """Return what a level makes of somebody; `closed` is a room that nobody joins uninvited."""
        if level >= self.to_change:
            return Affiliation.OWNER, Role.MODERATOR
        if level >= self.ban:
            return Affiliation.ADMIN, Role.MODERATOR
        if level >= min(self.kick, self.redact):
            return Affiliation.MEMBER, Role.MODERATOR
        affiliation = Affiliation.MEMBER if closed or level > self.users_default else Affiliation.NONE
        return affiliation, Role.PARTICIPANT if level >= self.to_speak else Role.VISITOR


def power_levels(content: Json | None, made: Creation) -> PowerLevels:
    """Read the content of ``m.room.power_levels``; None is a room without."""
    if content is None:
        creators = {} if made.privileged else dict.fromkeys(made.creators, CREATOR)
        # a room without levels lets everybody set state; his standing would make everybody an owner
        return PowerLevels(creation=made, users=creators, events={POWER_LEVELS: CREATOR})

    def level(key: str, default: int) -> int:
        number = integer(content.get(key))
        return default if number is None else number

    return PowerLevels(
        creation=made,
        users=_numbers(content.get("users")),
        users_default=level("users_default", 0),
        events=_numbers(content.get("events")),
        events_default=level("events_default", 0),
        state_default=level("state_default", MODERATION),
        ban=level("ban", MODERATION),
        kick=level("kick", MODERATION),
        redact=level("redact", MODERATION),
        invite=level("invite", 0),
    )


def _numbers(value: object) -> dict[str, int]:
    numbers = {key: integer(each) for key, each in mapping(value).items()}
    return {key: number for key, number in numbers.items() if number is not None}
