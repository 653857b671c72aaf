"""People who call each other through Prosody, with the gateway between them or without it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

import pytest

from tests.live.cast.browser import BrowserPerson
from tests.live.cast.jingle import Habits, JinglePerson
from tests.live.cast.stanzas import TIMEOUT
from tests.live.peers.browser import Browser
from tests.live.peers.gateway import LoopbackBridge
from tests.live.peers.xmpp import PASSWORD, Prosody
from tests.live.stage import House

MakePerson = Callable[..., Awaitable[JinglePerson]]
MakeSurfer = Callable[..., Awaitable[BrowserPerson]]


@pytest.fixture
def surfer(house: House, browser: Browser, loop: asyncio.AbstractEventLoop) -> Iterator[MakeSurfer]:
    """Make people of that name and those habits; they are logged in from a page."""
    server, people = house.xmpp("prosody"), []
    assert isinstance(server, Prosody)

    async def make(name: str, **habits: object) -> BrowserPerson:
        await asyncio.to_thread(server.register, name)
        jid, page = f"{name}@{server.domain}/page", await browser.page()
        person = await BrowserPerson.log_in(page, jid, PASSWORD, server.websocket, Habits(**habits))  # type: ignore[arg-type]
        people.append(person)
        return person

    yield make
    loop.run_until_complete(_all_gone(people))


@pytest.fixture(scope="session")
def bridge(house: House) -> LoopbackBridge:
    """The gateway to the network in memory."""
    server = house.xmpp("prosody")
    made = LoopbackBridge(house.make_folder("calls"), f"calls.{server.domain}", server.component_port)
    made.daemon.start()
    house.own(made.daemon)
    return made


@pytest.fixture
def somebody(house: House, loop: asyncio.AbstractEventLoop) -> Iterator[MakePerson]:
    """Make people of that name and those habits; they are logged in."""
    server, people = house.xmpp("prosody"), []

    async def make(name: str, resource: str = "a", **habits: object) -> JinglePerson:
        await asyncio.to_thread(server.register, name)
        jid = f"{name}@{server.domain}/{resource}"
        person = JinglePerson(jid, PASSWORD, server.client_port, server.domain, Habits(**habits))  # type: ignore[arg-type]
        people.append(person)
        await person.log_in()
        return person

    yield make
    loop.run_until_complete(_all_gone(people))


async def _all_gone(people: Sequence[JinglePerson | BrowserPerson]) -> None:
    gone = asyncio.gather(*(person.log_out() for person in people), return_exceptions=True)
    await asyncio.wait_for(gone, TIMEOUT)
