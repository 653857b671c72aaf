"""A client tells in its presence which picture its user has: XEP-0153."""

from typing import Any

from msgspec import structs
from pytest import MonkeyPatch

from bridge.capabilities import Level
from bridge.events import Profile
from tests.scenarios.stage import ROMEO, ROOM, Stage

NS_UPDATE = "vcard-temp:x:update"


def told(verona: Stage, patch: MonkeyPatch, level: Level, *pictures: str | None) -> list[str]:
    """Return what the network is told when Romeo's client shows these pictures."""
    network, found = verona.network, list[Any]()
    levels = structs.replace(network.capabilities("", None), profiles=level)
    patch.setattr(network, "capabilities", lambda user, room: levels)
    patch.setattr(network, "submit", lambda user, event: found.append(event))
    for picture in pictures:
        photo = "" if picture is None else f"<photo>{picture}</photo>"
        verona.say(
            f"<presence from='{ROMEO}' to='{ROOM}/Romeo'><x xmlns='{NS_UPDATE}'>{photo}</x></presence>"
        )
    return [event.avatar for event in found if isinstance(event, Profile)]


def test_picture_is_told_once_and_when_it_changes(verona: Stage, monkeypatch: MonkeyPatch) -> None:
    """A client that does not know yet tells nothing."""
    shown = ("a" * 40, "a" * 40, None, "b" * 40, "")
    assert told(verona, monkeypatch, Level.NATIVE, *shown) == ["a" * 40, "b" * 40, ""]


def test_network_without_pictures_is_told_of_none(verona: Stage, monkeypatch: MonkeyPatch) -> None:
    """There is nothing that it could do."""
    assert told(verona, monkeypatch, Level.DROPPED, "a" * 40) == []
