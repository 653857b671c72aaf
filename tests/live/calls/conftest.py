"""People who call each other through Prosody, without the gateway: that they can is what other tests build on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from tests.live.cast.jingle import Habits, JinglePerson
from tests.live.peers.xmpp import PASSWORD
from tests.live.stage import House

MakePerson = Callable[..., Awaitable[JinglePerson]]


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
    loop.run_until_complete(asyncio.wait_for(_all_gone(people), 10))


async def _all_gone(people: list[JinglePerson]) -> None:
    await asyncio.gather(*(person.log_out() for person in people), return_exceptions=True)
