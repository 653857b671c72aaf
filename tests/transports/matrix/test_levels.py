"""Power levels as affiliations and roles."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given

from bridge.events import Affiliation, Role
from transports.matrix.content import mapping
from transports.matrix.levels import Creation, creation, power_levels

from .raw import ALICE, BOB, CAROL, create, json

MADE = Creation(frozenset({ALICE}))
OWNER = Affiliation.OWNER, Role.MODERATOR


@pytest.mark.parametrize(
    ("level", "standing"),
    [
        (100, OWNER),
        (99, (Affiliation.ADMIN, Role.MODERATOR)),
        (60, (Affiliation.ADMIN, Role.MODERATOR)),
        (40, (Affiliation.MEMBER, Role.MODERATOR)),
        (20, (Affiliation.MEMBER, Role.PARTICIPANT)),
        (10, (Affiliation.NONE, Role.PARTICIPANT)),
        (0, (Affiliation.NONE, Role.VISITOR)),
        (-1, (Affiliation.NONE, Role.VISITOR)),
    ],
)
def test_level_is_measured_by_the_room_itself(level, standing):
    """Each room says which level it takes to change levels, to ban, to kick, to speak."""
    content = {
        "events": {"m.room.power_levels": 100}, "ban": 60, "kick": 40, "redact": 50,
        "users_default": 10, "events_default": 5,
    }  # fmt: skip
    assert power_levels(content, MADE).standing(level, closed=False) == standing


def test_everybody_in_a_closed_room_is_a_member():
    """Where nobody joins uninvited, being in is an affiliation."""
    levels = power_levels({}, MADE)
    assert levels.standing(0, closed=True) == (Affiliation.MEMBER, Role.PARTICIPANT)
    assert levels.standing(0, closed=False) == (Affiliation.NONE, Role.PARTICIPANT)


def test_defaults_are_those_of_matrix():
    """State takes 50, and so do kicks and bans; speaking takes nothing."""
    levels = power_levels({"users": {BOB: 50, CAROL: 49}}, MADE)
    assert levels.standing(levels.level(BOB), closed=False) == OWNER
    assert levels.standing(levels.level(CAROL), closed=False) == (Affiliation.MEMBER, Role.PARTICIPANT)
    assert levels.level(ALICE) == 0
    assert not levels.moderated


def test_room_without_levels_belongs_to_its_creator():
    """The others are nobody special."""
    levels = power_levels(None, MADE)
    assert levels.standing(levels.level(ALICE), closed=False) == OWNER
    assert levels.standing(levels.level(BOB), closed=False) == (Affiliation.NONE, Role.PARTICIPANT)


@pytest.mark.parametrize("version", ["12", "13", "org.matrix.hydra.11"])
def test_creators_of_new_rooms_stand_above_all(version):
    """Room version 12: creators have infinite power and are not listed."""
    made = creation(create(ALICE, version, additional_creators=[BOB, 5, "nobody"]))
    levels = power_levels({"users": {CAROL: 100}, "events": {"m.room.power_levels": 150}}, made)
    assert levels.level(ALICE) == levels.level(BOB) == inf
    assert levels.standing(inf, closed=False) == OWNER
    assert levels.standing(levels.level(CAROL), closed=False) == (Affiliation.ADMIN, Role.MODERATOR)
    assert levels.special == {ALICE, BOB, CAROL}


@pytest.mark.parametrize("version", ["1", "11", "dinosaur", None, 12, "१२"])
def test_creators_of_old_rooms_are_listed(version):
    """Before, and where the version is none that we know, levels are all there is."""
    made = creation(create(ALICE, version, additional_creators=[BOB]))
    assert made == Creation(frozenset({ALICE}))
    assert power_levels({}, made).level(ALICE) == 0


def test_room_where_only_some_may_speak_is_moderated():
    """Speaking has a level of its own."""
    assert power_levels({"events_default": 1}, MADE).moderated
    assert power_levels({"events": {"m.room.message": 50}}, MADE).moderated
    assert not power_levels({"events_default": 50, "events": {"m.room.message": 0}}, MADE).moderated


def test_levels_written_as_strings_or_floats_count():
    """As early room versions and other servers have them; what is no number is left out."""
    levels = power_levels({"users": {ALICE: "100", BOB: 50.0, CAROL: []}, "ban": "60", "kick": None}, MADE)
    assert (levels.level(ALICE), levels.level(BOB), levels.level(CAROL)) == (100, 50, 0)
    assert (levels.ban, levels.kick) == (60, 50)


@given(json, json)
def test_any_content_gives_levels(content, made):
    """Whatever the event holds, everybody has a standing."""
    levels = power_levels(mapping(content), creation(mapping(made)))
    assert levels.standing(levels.level(ALICE), closed=False)[1] in Role
