"""The bridge is killed after the homeserver took what it asked for, and before it heard so."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import AsyncIterator

import pytest

from tests.live.cast.matrix import MatrixPerson
from tests.live.cast.proxy import Proxy
from tests.live.cast.stanzas import Pattern, Stanza, show, status
from tests.live.cast.xmpp import Person
from tests.live.matrix.stage import MatrixStage
from tests.live.matrix.test_direct import talking
from tests.live.peers.daemon import HOST

pytestmark = pytest.mark.last
UNDER_WAY = (
    "select 1 from journal where json_extract(cast(stanza as text), '$.id') = ? "
    "and json_extract(cast(stanza as text), '$.again') <> ''"
)
"""Finds a message that the bridge has asked for and not heard of."""


@contextlib.asynccontextmanager
async def crashing(stage: MatrixStage) -> AsyncIterator[Proxy]:
    """Have the bridge reach the homeserver through a proxy, until it is killed and started again."""
    proxy, config = Proxy(stage.synapse.port), stage.bridge.config
    await proxy.start()
    written = config.read_text()
    config.write_text(written.replace(stage.synapse.url, f"http://{HOST}:{proxy.port}"))
    try:
        await stage.restart()
        yield proxy
    finally:
        config.write_text(written)
        await stage.restart()
        await proxy.close()


async def hears(juliet: MatrixPerson, ghost: str, *said: tuple[str, str]) -> None:
    """See that she hears nothing else of a ghost before all of this: rooms and words."""
    events = [await juliet.find("m.room.message", lambda event: event["sender"] == ghost) for _ in said]
    heard = [(event["room_id"], event["content"]["body"]) for event in events]
    assert sorted(heard) == sorted(said)


async def without_errors(romeo: Person, wanted: Pattern) -> Stanza:
    """Return the first stanza of that kind; nothing before it may tell of a failure."""
    found = await romeo.mailbox.find_where(
        lambda one: wanted.matches(one) or one.get("type") == "error", wanted
    )
    assert wanted.matches(found), show(found)
    return found


async def test_what_the_homeserver_took_before_a_crash_is_heard_once(matrix_stage: MatrixStage):
    """In a room and in talk with one other: nothing is doubled, and nothing that was heard is an error."""
    romeo, juliet, room, address = await talking(matrix_stage)
    muc, ghost = matrix_stage.room, matrix_stage.ghost("romeo")
    verona = await matrix_stage.open_room(juliet)
    await romeo.join(muc, "romeo")
    own = f"{muc}/romeo"
    async with crashing(matrix_stage) as proxy:
        await without_errors(romeo, Pattern("presence", frm=own, has=status(110)))
        romeo.say(muc, "before")
        await without_errors(romeo, Pattern("message", frm=own, body="before"))
        romeo.say(address, "before", type="chat")
        await hears(juliet, ghost, (verona, "before"), (room, "before"))
        proxy.fall_silent()
        ident = romeo.say(muc, "to all")
        for said in (ident, romeo.say(address, "to one", type="chat")):
            await matrix_stage.stored(UNDER_WAY, said)
        matrix_stage.bridge.daemon.send_signal(signal.SIGSTOP)
        proxy.speak()
        await hears(juliet, ghost, (verona, "to all"), (room, "to one"))
    await without_errors(romeo, Pattern("presence", frm=own, has=status(110)))
    # he sees it when he is back, as he wrote it
    assert (await without_errors(romeo, Pattern("message", frm=own, body="to all"))).get("id") == ident
    romeo.say(muc, "after")
    await without_errors(romeo, Pattern("message", frm=own, body="after"))
    romeo.say(address, "again", type="chat")
    await hears(juliet, ghost, (verona, "after"), (room, "again"))
