"""Levels that are to be given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import BridgeError, Trouble
from bridge.events import Affiliation, Role
from transports.matrix.levels import Creation, power_levels
from transports.matrix.rights import level_for, with_level

from .raw import ALICE, BOB, CAROL

MADE = Creation(frozenset({ALICE}))
USUAL = {
    "users": {ALICE: 100, BOB: 50},
    "events": {"m.room.power_levels": 100},
    "notifications": {"room": 20},
}
LADDER = {**USUAL, "ban": 75, "kick": 50, "redact": 40, "events_default": 10, "users_default": 0}
WANTED = [*Affiliation, *Role]


@pytest.mark.parametrize(
    ("wanted", "level"),
    [
        (Affiliation.OWNER, 100),
        (Affiliation.ADMIN, 75),
        (Role.MODERATOR, 40),
        (Affiliation.MEMBER, 10),
        (Role.PARTICIPANT, 10),
        (Role.VISITOR, 0),
        (Affiliation.NONE, 0),
    ],
)
def test_level_is_the_lowest_that_the_room_itself_asks_for(wanted, level):
    """Each room has its own ladder."""
    assert level_for(wanted, power_levels(LADDER, MADE), closed=False) == level


@given(
    st.fixed_dictionaries(
        {key: st.integers(-5, 110) for key in ("ban", "kick", "redact", "events_default", "users_default")}
    ),
    st.sampled_from(WANTED),
    st.booleans(),
)
def test_level_gives_what_was_wanted_or_there_is_none(numbers, wanted, closed):
    """Nobody gets more, or something else, than he was to get."""
    levels = power_levels({**USUAL, **numbers}, MADE)
    try:
        level = level_for(wanted, levels, closed=closed)
    except BridgeError as error:
        assert error.trouble is Trouble.NOT_ACCEPTABLE
    else:
        assert wanted in levels.standing(level, closed=closed and wanted is not Affiliation.NONE)


def give(actor: str, target: str, level: int, made: Creation = MADE) -> dict:
    return dict(with_level(USUAL, power_levels(USUAL, made), actor, target, level))


def test_level_is_written_beside_all_that_was_there():
    """What we do not know is kept; who has no level of his own is not named."""
    assert give(ALICE, CAROL, 1) == {**USUAL, "users": {ALICE: 100, BOB: 50, CAROL: 1}}
    assert give(ALICE, BOB, 0) == {**USUAL, "users": {ALICE: 100}}


@pytest.mark.parametrize(
    ("actor", "target", "level", "trouble"),
    [
        (BOB, CAROL, 1, Trouble.NO_PRIVILEGE),
        (ALICE, CAROL, 101, Trouble.NO_PRIVILEGE),
        (ALICE, ALICE, 50, Trouble.CONFLICT),
    ],
)
def test_level_that_cannot_be_given_is_refused(actor, target, level, trouble):
    """Who has not the power, and who would be the last to have it."""
    with pytest.raises(BridgeError) as raised:
        give(actor, target, level)
    assert raised.value.trouble is trouble


def test_equals_cannot_be_lowered_but_by_themselves():
    """Of two owners each can only step down himself."""
    content = {**USUAL, "users": {ALICE: 100, BOB: 100}}
    levels = power_levels(content, MADE)
    with pytest.raises(BridgeError):
        with_level(content, levels, ALICE, BOB, 0)
    assert with_level(content, levels, BOB, BOB, 0)["users"] == {ALICE: 100}


def test_privileged_creators_are_never_among_the_levels():
    """From room version 12 on they stand above, so they can be given nothing, and can give everything."""
    made = Creation(frozenset({CAROL}), True)
    with pytest.raises(BridgeError) as raised:
        give(ALICE, CAROL, 50, made)
    assert "creators" in raised.value.text
    assert give(CAROL, ALICE, 0, made)["users"] == {BOB: 50}


def test_room_without_levels_gets_some():
    """Its creator keeps what he had."""
    changed = with_level(None, power_levels(None, MADE), ALICE, BOB, 50)
    assert changed == {"users": {ALICE: 100, BOB: 50}}
