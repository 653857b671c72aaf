"""A client tells in its presence which picture its user has: XEP-0153."""

from types import SimpleNamespace
from typing import Any

from msgspec import structs
from pytest import MonkeyPatch

from bridge.capabilities import Level
from bridge.events import Profile
from tests.scenarios.stage import GATEWAY, ROMEO, ROOM, SERVER, Stage

NS_UPDATE = "vcard-temp:x:update"


def told(
    verona: Stage, patch: MonkeyPatch, level: Level, *pictures: str | None, to: str = f"{ROOM}/Romeo"
) -> list[str]:
    """Return what the network is told when Romeo's client shows these pictures."""
    network, found = verona.network, list[Any]()
    levels = structs.replace(network.capabilities("", None), profiles=level)
    patch.setattr(network, "capabilities", lambda user, room: levels)
    patch.setattr(network, "submit", lambda user, event: found.append(event))
    for picture in pictures:
        photo = "" if picture is None else f"<photo>{picture}</photo>"
        verona.say(f"<presence from='{ROMEO}' to='{to}'><x xmlns='{NS_UPDATE}'>{photo}</x></presence>")
        assert not any(seen.get("@type") == "error" for seen in verona.take())
    return [event.avatar for event in found if isinstance(event, Profile)]


def test_picture_is_told_once_and_when_it_changes(verona: Stage, monkeypatch: MonkeyPatch) -> None:
    """A client that does not know yet tells nothing."""
    shown = ("a" * 40, "a" * 40, None, "b" * 40, "")
    assert told(verona, monkeypatch, Level.NATIVE, *shown) == ["a" * 40, "b" * 40, ""]


def test_network_without_pictures_is_told_of_none(verona: Stage, monkeypatch: MonkeyPatch) -> None:
    """There is nothing that it could do."""
    assert told(verona, monkeypatch, Level.DROPPED, "a" * 40) == []


def test_picture_is_told_in_presence_to_a_contact_too(verona: Stage, monkeypatch: MonkeyPatch) -> None:
    """Servers send it to everybody who is subscribed, also to those who are in no room."""
    subscribed = SimpleNamespace(outbound=True)
    monkeypatch.setattr(verona.store, "subscription", lambda *_: subscribed)
    nurse = f"nurse%{SERVER}@{GATEWAY}"
    assert told(verona, monkeypatch, Level.NATIVE, "a" * 40, to=nurse) == ["a" * 40]
