"""People who call each other through Prosody, with the gateway between them or without it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest

from tests.live.cast.browser import BrowserPerson
from tests.live.cast.jingle import Habits, JinglePerson
from tests.live.cast.stanzas import TIMEOUT
from tests.live.peers.baresip import Baresip
from tests.live.peers.browser import Browser
from tests.live.peers.gateway import LoopbackBridge
from tests.live.peers.xmpp import PASSWORD, Prosody
from tests.live.stage import House

MakePerson = Callable[..., Awaitable[JinglePerson]]
MakeTelephone = Callable[..., Awaitable[Baresip]]
MakeSurfer = Callable[..., Awaitable[BrowserPerson]]


@pytest.fixture(scope="session")
def browser(house: House, loop: asyncio.AbstractEventLoop) -> Iterator[Browser]:
    """The one browser; each person has a page of his own."""
    made = Browser(house.make_folder("browser"))
    made.daemon.start()
    house.own(made.daemon)
    loop.run_until_complete(made.connect())
    yield made
    loop.run_until_complete(made.disconnect())


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
def telephone(house: House, loop: asyncio.AbstractEventLoop) -> Iterator[MakeTelephone]:
    """Make telephones; they are switched on."""
    telephones = []

    async def make(name: str, **facts: Any) -> Baresip:
        made = Baresip(house.make_folder(f"baresip-{house.number()}"), name, **facts)
        telephones.append(made)
        await made.start()
        return made

    yield make
    loop.run_until_complete(asyncio.wait_for(asyncio.gather(*(one.close() for one in telephones)), TIMEOUT))


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
