"""The operator's rules."""

from __future__ import annotations

import pytest
from msgspec import ValidationError, convert

from bridge.events import UserId
from tests.transports.matrix.test_registration import config
from transports.matrix.config import Rule
from transports.matrix.rules import Rules

ROMEO = UserId("romeo@montague.lit")
ALICE = "@alice:hs.example"


def rules(rooms: tuple[str, ...] = (), contacts: tuple[str, ...] = ()) -> Rules:
    return Rules(config(room_rules=rooms, contact_rules=contacts))


def test_without_rules_everything_is_allowed():
    """An operator who says nothing forbids nothing."""
    assert rules().may_enter(ROMEO, "#garden:hs.example")
    assert rules().may_reach(ALICE, ROMEO)


@pytest.mark.parametrize(
    ("rule", "room"),
    [
        ("deny montague.lit hs.example", "#garden:hs.example"),
        ("deny *.lit *.example", "!garden:hs.example"),
        ("deny romeo@montague.lit #gar*:hs.example", "#garden:hs.example"),
        ("deny *@montague.lit !AbC", "!AbC"),
        ("deny * [::1]:8448", "#garden:[::1]:8448"),
        ("deny * *", "!AbC"),
        ("deny Montague.LIT HS.example", "#garden:hs.example"),
    ],
)
def test_rule_that_fits_forbids_the_room(rule: str, room: str):
    """By domain or address, by server, alias or id."""
    assert not rules((rule,)).may_enter(ROMEO, room)


@pytest.mark.parametrize(
    "rule",
    ["deny capulet.lit *", "deny ontague.lit *", "deny * s.example", "deny * #garden", "deny juliet@* *"],
)
def test_rule_of_others_forbids_nothing(rule: str):
    """A pattern is about the whole of a name, not a part of it."""
    assert rules((rule,)).may_enter(ROMEO, "#garden:hs.example")


def test_first_rule_that_fits_decides():
    """So an exception stands before what it is an exception of; all names of a room count."""
    some = rules(("allow * #public:hs.example", "deny * hs.example"))
    assert some.may_enter(ROMEO, "#public:hs.example")
    assert not some.may_enter(ROMEO, "#garden:hs.example")
    assert some.may_enter(ROMEO, "!id:hs.example", "#public:hs.example")
    assert not some.may_enter(ROMEO, "!id", "#garden:hs.example")


def test_contacts_are_told_apart_by_server_user_and_address():
    """The whole of a homeserver, one of its users, and whom they may reach."""
    some = rules(
        contacts=("allow @alice:hs.example *@montague.lit", "deny hs.example *", "deny * room@conf.lit")
    )
    assert some.may_reach(ALICE, f"{ROMEO}/orchard")
    assert not some.may_reach(ALICE, "juliet@capulet.lit")
    assert not some.may_reach("@bob:hs.example", ROMEO)
    assert some.may_reach("@bob:other.example", ROMEO)
    assert not some.may_reach("@bob:other.example", "room@conf.lit")


def test_new_rules_are_in_force_at_once():
    """What is read again on SIGHUP replaces all that was before."""
    some = rules(("deny * *",))
    some.apply(config())
    assert some.may_enter(ROMEO, "#garden:hs.example")


@pytest.mark.parametrize("rule", ["forbid * *", "deny *", "deny * * *", "deny  * *", ""])
def test_rule_that_is_none_is_refused(rule: str):
    """A mistake is found when the configuration is read."""
    with pytest.raises(ValidationError):
        convert(rule, Rule)
