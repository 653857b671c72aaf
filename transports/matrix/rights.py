"""Roles and affiliations that are to be given → power levels (Matrix: m.room.power_levels).

Rights are one number here: who gets a role gets the affiliation too that belongs to the number. Whoever
changes levels needs a higher one himself than he gives, and than whom he gives it to.
"""

from __future__ import annotations

from bridge.errors import BridgeError, Trouble
from bridge.events import Affiliation, Role

from .content import Json, mapping
from .levels import PowerLevels

CREATOR = "The creators of this room stand above its power levels."
LAST = "Nobody would be left to take it back."
NO_DIFFERENCE = "The power levels of this room make no such difference."


def level_for(wanted: Affiliation | Role, levels: PowerLevels, *, closed: bool) -> int:
    """Return the level that makes somebody what is wanted; NOT_ACCEPTABLE where none does."""
    candidates: dict[Affiliation | Role, int] = {
        Role.MODERATOR: min(levels.kick, levels.redact, levels.ban, levels.to_change),
        Role.PARTICIPANT: max(levels.users_default, levels.to_speak),
        Role.VISITOR: min(levels.users_default, levels.to_speak - 1),
        Affiliation.OWNER: levels.to_change,
        Affiliation.ADMIN: levels.ban,
        Affiliation.MEMBER: max(levels.users_default + (not closed), levels.to_speak),
        Affiliation.NONE: levels.users_default,
    }
    level = candidates.get(wanted)
    if level is not None and wanted in levels.standing(
        level, closed=closed and wanted is not Affiliation.NONE
    ):
        return level
    raise BridgeError(Trouble.NOT_ACCEPTABLE, NO_DIFFERENCE)


def with_level(content: Json | None, levels: PowerLevels, actor: str, target: str, level: int) -> Json:
    """Return the content of ``m.room.power_levels`` in which `target` has this level.

    `levels` is what `content` says; None is a room without. BridgeError if `actor` may not.
    """
    own, current = levels.level(actor), levels.level(target)
    if levels.creation.privileged and target in levels.creation.creators:
        raise BridgeError(Trouble.NO_PRIVILEGE, CREATOR)
    if own < levels.to_change or own < level or (target != actor and current >= own):
        raise BridgeError(Trouble.NO_PRIVILEGE)
    others = levels.special - {target}
    if target == actor and level < own and not any(levels.level(each) >= own for each in others):
        raise BridgeError(Trouble.CONFLICT, LAST)
    before: Json = {"users": dict(levels.users)} if content is None else content
    users = {each: number for each, number in mapping(before.get("users")).items() if each != target}
    if level != levels.users_default:
        users[target] = level
    return {**before, "users": users}
