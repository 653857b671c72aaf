"""The homeserver is killed, and the bridge with it: what was said meanwhile is neither lost nor doubled."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.live.cast.matrix import MatrixPerson
from tests.live.cast.stanzas import Pattern
from tests.live.cast.xmpp import Person
from tests.live.matrix.portal_stage import PortalStage
from tests.live.matrix.stage import MatrixStage

pytestmark = pytest.mark.last
WORDS = [f"word {number}" for number in range(4)]


async def says_and_is_killed(juliet: MatrixPerson, room: str, stage: MatrixStage, *, both: bool) -> None:
    """Have her say words that the homeserver takes and cannot push any more; all are up again then."""
    # it pushes one at a time: what waits behind that is in its memory only
    bridge, homeserver = stage.bridge.daemon, stage.synapse.daemon
    bridge.send_signal(signal.SIGSTOP)
    for words in WORDS:
        await juliet.say(room, words)
    await asyncio.to_thread(homeserver.kill)
    if both:
        await asyncio.to_thread(bridge.kill)
        await asyncio.gather(asyncio.to_thread(homeserver.start), asyncio.to_thread(bridge.start))
    else:
        bridge.send_signal(signal.SIGCONT)
        await asyncio.to_thread(homeserver.start)


async def is_on_disk(romeo: Person, juliet: MatrixPerson, address: str) -> None:
    """Let it be written down that what she said was passed on; else it would be once more."""
    for number in range(3):
        romeo.say(address, f"r {number}")
        await juliet.find(
            "m.room.message", lambda one, number=number: one["content"]["body"] == f"r {number}"
        )


async def hears_until(person: Person, sender: str | None, last: str) -> list[str]:
    """Return what somebody of XMPP hears of an occupant up to some words."""
    bodies: list[str] = []
    while last not in bodies:
        message = await person.mailbox.find(
            Pattern("message", has="body", **({"frm": sender} if sender else {"type": "chat"}))
        )
        bodies.append(message.findtext("body") or "")
    return bodies


@pytest.mark.parametrize("both", [False, True], ids=["homeserver", "both"])
async def test_room_is_caught_up(matrix_stage: MatrixStage, both: bool):
    """What the homeserver took and forgot to push comes in order, and before what is said afterwards."""
    romeo, juliet, room = await matrix_stage.together()
    await juliet.say(room, "before")
    await hears_until(romeo, f"{matrix_stage.room}/Juliet", "before")
    await is_on_disk(romeo, juliet, matrix_stage.room)
    await says_and_is_killed(juliet, room, matrix_stage, both=both)
    await juliet.say(room, "after")
    heard = await hears_until(romeo, f"{matrix_stage.room}/Juliet", "after")
    assert heard == [*WORDS, "after"]


@pytest.mark.parametrize("both", [False, True], ids=["homeserver", "both"])
async def test_portal_is_caught_up(portal_stage: PortalStage, both: bool):
    """So are rooms of XMPP; and what was said there before is not said once more on Matrix."""
    romeo, juliet, room = await portal_stage.together_in_muc()
    await juliet.say(room, "before")
    await hears_until(romeo, f"{portal_stage.muc}/Juliet", "before")
    await is_on_disk(romeo, juliet, portal_stage.muc)
    romeo.say(portal_stage.muc, "r before")
    await juliet.hears(room, "r before")
    await says_and_is_killed(juliet, room, portal_stage, both=both)
    await juliet.say(room, "after")
    assert await hears_until(romeo, f"{portal_stage.muc}/Juliet", "after") == [*WORDS, "after"]
    romeo.say(portal_stage.muc, "r after")
    told = await juliet.find("m.room.message", lambda one: one["sender"] == portal_stage.ghost("romeo"))
    assert told["content"]["body"] == "r after"


async def test_conversation_is_caught_up(matrix_stage: MatrixStage):
    """And what is said to one alone."""
    romeo, juliet, _ = await matrix_stage.together()
    ghost = matrix_stage.ghost("romeo")
    opened = await juliet.create_room(is_direct=True, invite=[ghost])
    await juliet.find(
        "m.room.member",
        lambda one: one["state_key"] == ghost and one["content"]["membership"] == "join",
        room=opened,
    )
    await juliet.say(opened, "before")
    await hears_until(romeo, None, "before")
    await says_and_is_killed(juliet, opened, matrix_stage, both=False)
    assert await hears_until(romeo, None, WORDS[-1]) == WORDS
