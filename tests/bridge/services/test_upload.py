"""Slots (XEP-0363)."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.services.upload import Upload
from bridge.web.sharing import TooLarge
from bridge.web.sharing import Upload as Place
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.upload import NS_UPLOAD
from tests.bridge.services.scene import DOMAIN, Scene, condition


class Sharing:
    """Gives a slot, or fails."""

    renewed = 1_800_000_000.0

    def __init__(self) -> None:
        self.error: BridgeError | None = None
        self.asked: list[Any] = []

    async def slot(self, *wanted: Any) -> Place:
        self.asked.append(wanted)
        if self.error is not None:
            raise self.error
        return Place("https://f/put", "Bearer x", "https://f/get")


@pytest.fixture
def sharing() -> Sharing:
    return Sharing()


@pytest.fixture
def scene(sharing: Sharing) -> Scene:
    return Scene().add(Upload(sharing))  # type: ignore[arg-type]


def request(**attributes: str) -> Element:
    return Element("request", NS_UPLOAD, {"filename": "rose.png", "size": "5", **attributes})


@pytest.mark.spec("XEP-0363 §5")
def test_user_gets_a_slot(scene: Scene, sharing: Sharing):
    """Where to put it, with which header, and where it will be."""
    slot = scene.get(DOMAIN, request(**{"content-type": "image/png"}))
    put, get = slot.elements()
    assert (put.get("url"), get.get("url")) == ("https://f/put", "https://f/get")
    header = put.child("header")
    assert header is not None and (header.get("name"), header.text()) == ("Authorization", "Bearer x")
    assert sharing.asked == [("romeo@montague.example", "rose.png", 5, "image/png")]


@pytest.mark.parametrize(
    "wrong", [{"size": "0"}, {"size": "-1"}, {"size": "x"}, {"size": "9" * 20}, {"filename": ""}]
)
def test_request_that_names_no_file_is_refused(scene: Scene, wrong: dict[str, str]):
    """A file has a name and a length."""
    assert condition(scene.iq("get", DOMAIN, request(**wrong))) == ("modify", "bad-request")


@pytest.mark.spec("XEP-0363 §7")
def test_error_says_how_large_a_file_may_be(scene: Scene, sharing: Sharing):
    """Beside the condition."""
    sharing.error = TooLarge(100)
    answer = scene.iq("get", DOMAIN, request())
    error = answer.child("error")
    assert error is not None and condition(answer) == ("modify", "not-acceptable")
    detail = error.child("file-too-large", NS_UPLOAD)
    assert detail is not None and detail.child_text("max-file-size") == "100"


def test_error_says_when_to_try_again(scene: Scene, sharing: Sharing):
    """A quota is for a day."""
    sharing.error = BridgeError(Trouble.TOO_MANY)
    answer = scene.iq("get", DOMAIN, request())
    error = answer.child("error")
    assert error is not None and condition(answer) == ("wait", "resource-constraint")
    retry = error.child("retry", NS_UPLOAD)
    assert retry is not None and retry.get("stamp") == "2027-01-15T08:00:00Z"


def test_other_trouble_is_told_as_it_is(scene: Scene, sharing: Sharing):
    """The homeserver is away, for instance."""
    sharing.error = BridgeError(Trouble.BUSY)
    assert condition(scene.iq("get", DOMAIN, request())) == ("wait", "service-unavailable")
