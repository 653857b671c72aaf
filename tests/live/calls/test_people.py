"""People who call by Jingle can do so with each other."""

from __future__ import annotations

import pytest

from tests.live.calls.conftest import MakePerson


@pytest.mark.parametrize(
    ("codec", "trickles", "proposes"), [("opus", False, True), ("PCMU", True, True), ("PCMU", False, False)]
)
async def test_call_is_taken_and_both_hear_each_other(
    somebody: MakePerson, codec: str, trickles: bool, proposes: bool
) -> None:
    """By proposal to all devices or to one at once, with candidates in the offer or after it."""
    romeo = await somebody("romeo", frequency=440, codecs=[codec], trickles=trickles, proposes=proposes)
    juliet = await somebody("juliet", frequency=1000, codecs=["opus", "PCMU"], trickles=trickles)
    call = romeo.call(juliet.bare if proposes else juliet.jid)
    taken = await juliet.is_called()
    await call.sees("ringing" if proposes else "info ringing")
    taken.answer()
    await call.sees("session-accept")
    await call.hears(1000)
    await taken.hears(440)
    assert [await call.codec(), await taken.codec()] == [codec, codec]
    await taken.hold()
    await call.sees("info hold")
    await taken.resume()
    await call.sees("info active")
    await call.press("5")
    await taken.sees("info dtmf")
    assert (await call.hang_up()).get("type") == "result"
    await taken.sees("session-terminate success")
    if proposes:
        await call.sees("finish success")
        await taken.sees("finish success")


async def test_call_is_refused_or_given_up(somebody: MakePerson) -> None:
    """On all devices, before there is a session."""
    romeo, juliet = await somebody("romeo"), await somebody("juliet")
    other = await somebody("juliet", "b", rings=False)
    call = romeo.call(juliet.bare)
    await other.is_called()
    (await juliet.is_called()).refuse("busy")
    await call.sees("reject busy")
    given_up = romeo.call(juliet.bare)
    rings = await juliet.is_called()
    given_up.retract()
    await rings.sees("retract cancel")
    assert rings.over and given_up.over


async def test_session_that_nobody_knows_is_refused(somebody: MakePerson) -> None:
    """By the error of Jingle."""
    romeo, juliet = await somebody("romeo"), await somebody("juliet")
    call = romeo.call(juliet.jid)
    await juliet.is_called()
    refused = await call.ask("session-info", sid="nothing")
    assert refused.find("error/{urn:xmpp:jingle:errors:1}unknown-session") is not None
