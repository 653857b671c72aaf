"""Trunks that come, go and change while the gateway runs."""

from __future__ import annotations

from msgspec.structs import replace

from bridge.errors import Trouble
from tests.transports.sip.test_network import DESK, PBX, Scene, troubles
from tests.transports.sip.wires import PEER

OTHER = "198.51.100.8"


def test_trunk_is_added_changed_and_removed_by_a_reload() -> None:
    """One that is as before is not disturbed; a registration that goes is taken back."""
    scene = Scene().up()
    desk = replace(DESK, server=f"sip:{OTHER}")
    scene.network.reload(replace(scene.config, trunks={"pbx": PBX, "desk": desk}))
    [register] = scene.asked()
    assert register.method == "REGISTER"
    scene.reply(register, host=OTHER)
    renamed = replace(desk, username="4712")
    scene.network.reload(replace(scene.config, trunks={"pbx": PBX, "desk": renamed}))
    gone, come = scene.asked()
    assert [gone.get("Expires"), come.get("Expires")] == ["0", "3600"]
    assert (gone.to.uri.user, come.to.uri.user) == ("4711", "4712")
    scene.reply(gone, host=OTHER)
    scene.reply(come, host=OTHER)
    scene.network.reload(replace(scene.config, trunks={"pbx": PBX}))
    [gone] = scene.asked()
    assert gone.get("Expires") == "0"
    scene.reply(gone, host=OTHER)
    guard = scene.network._guard
    assert guard.trunks(OTHER) == [] and guard.trunks(PEER) == ["pbx"]


def test_trunk_that_is_gone_carries_nothing_more_and_troubles_nobody() -> None:
    """Nor is its address spoken with, if it is a private one."""
    scene = Scene(allowed_peers=())
    [options] = scene.asked()
    scene.reply(options, 503)
    assert scene.bridge.troubles == ["out of reach: pbx"]
    scene.network.reload(replace(scene.config, trunks={}))
    assert scene.bridge.troubles[-1] == ""
    scene.say("hello")
    assert troubles(scene) == [Trouble.NOT_ALLOWED]
    scene.reactor.advance(3600)
    assert scene.asked() == []
