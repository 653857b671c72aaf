"""How owners of accounts are, published there."""

from __future__ import annotations

from msgspec.structs import replace

from bridge.events import Presence, Show
from tests.transports.sip.test_network import DESK, JULIET, ROMEO, Scene
from transports.sip.presence.pidf import State, parse_pidf
from transports.sip.presence.publication import FIRST_PAUSE


def test_owner_of_an_account_is_published_there() -> None:
    """RFC 3903; in the account's name, and withdrawn when he goes, and at the end."""
    scene = Scene(trunks={"desk": replace(DESK, publish=True)}).up()
    scene.network.submit(ROMEO, Presence(show=Show.AWAY))
    assert scene.asked() == []
    scene.network.submit(JULIET, Presence(show=Show.AWAY, status="lunch"))
    [asked] = scene.asked()
    assert (asked.method, str(asked.uri)) == ("PUBLISH", "sip:4711@pbx.example")
    assert parse_pidf(asked.body) == State(is_open=True, show=Show.AWAY, note="lunch") and asked.get(
        "Contact"
    )
    scene.reply(asked, fields=(("SIP-ETag", "e"), ("Expires", "600")))
    scene.network.submit(JULIET, Presence(show=Show.AWAY, available=False))
    [gone] = scene.asked()
    assert (gone.get("SIP-If-Match"), gone.get("Expires")) == ("e", "0")
    scene.reply(gone)
    scene.network.submit(JULIET, Presence(show=Show.AVAILABLE))
    [again] = scene.asked()
    assert again.get("SIP-If-Match") is None
    scene.reply(again, fields=(("SIP-ETag", "f"),))
    scene.network.stop("bye")
    assert "PUBLISH" in [one.method for one in scene.asked()]


def test_what_could_not_be_published_is_published_later() -> None:
    """A server that was down learns it in the end."""
    scene = Scene(trunks={"desk": replace(DESK, publish=True)}).up()
    scene.network.submit(JULIET, Presence(show=Show.DND))
    scene.reply(scene.asked()[0], 503)
    scene.reactor.advance(FIRST_PAUSE * 1.2)
    [again] = [one for one in scene.asked() if one.method == "PUBLISH"]
    assert parse_pidf(again.body).show is Show.DND
