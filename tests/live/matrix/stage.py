"""Where a test plays: an unused room on a real homeserver, people of both sides, and the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import nio

from tests.live.cast.matrix import MatrixPerson
from tests.live.cast.stanzas import TIMEOUT
from tests.live.cast.xmpp import Person
from tests.live.peers.gateway import MatrixBridge
from tests.live.peers.synapse import Synapse
from tests.live.peers.xmpp import PASSWORD
from tests.live.stage import House


class MatrixStage:
    """See the module's docstring."""

    def __init__(self, house: House, synapse: Synapse, bridge: MatrixBridge) -> None:
        self.house, self.synapse, self.bridge = house, synapse, bridge
        self.xmpp = house.xmpp("prosody")
        self.number = house.number()
        self.alias = f"room{self.number}"
        self._people: list[Person] = []
        self._matrix: list[MatrixPerson] = []

    @property
    def room(self) -> str:
        """The room's JID."""
        return f"#{self.alias}\\3a{self.synapse.server_name}@{self.bridge.domain}"

    @property
    def by_percent(self) -> str:
        """The same, as people used to other gateways write it."""
        return f"#{self.alias}%{self.synapse.server_name}@{self.bridge.domain}"

    def by_id(self, room: str) -> str:
        """The address of a room by its id."""
        written = "".join(f"\\{ord(one):x}" if one.isupper() else one for one in room).replace(":", "\\3a")
        return f"{written}@{self.bridge.domain}"

    def ghost(self, name: str) -> str:
        """The id on Matrix of somebody on XMPP."""
        return f"@_jabber_{name}{self.number}=40{self.xmpp.domain}:{self.synapse.server_name}"

    async def account_data(self, name: str, kind: str) -> Any:
        """Return what the ghost of somebody on XMPP keeps in its account."""
        ghost = self.ghost(name)
        path = f"/_matrix/client/v3/user/{quote(ghost)}/account_data/{kind}?user_id={quote(ghost)}"
        request = Request(
            self.synapse.url + path, headers={"Authorization": f"Bearer {self.bridge.as_token}"}
        )
        answer = await asyncio.to_thread(lambda: urlopen(request, timeout=20).read())
        return json.loads(answer)

    async def on_xmpp(self, name: str) -> Person:
        """Log somebody in at the XMPP server."""
        local = f"{name}{self.number}"
        await asyncio.to_thread(self.xmpp.register, local)
        person = Person(f"{local}@{self.xmpp.domain}/a", PASSWORD, self.xmpp.client_port, self.bridge.domain)
        self._people.append(person)
        await person.log_in()
        return person

    async def on_matrix(self, name: str) -> MatrixPerson:
        """Make an account on the homeserver; its display name is `name`."""
        person = await MatrixPerson.register(self.synapse, f"{name.lower()}.{self.alias}")
        self._matrix.append(person)
        await person.client.set_displayname(name)
        return person

    async def open_room(self, person: MatrixPerson, **options: Any) -> str:
        """Make the room and return its id."""
        public = {"visibility": nio.RoomVisibility.public, "preset": nio.RoomPreset.public_chat}
        return await person.create_room(alias=self.alias, **{**public, **options})

    async def together(self) -> tuple[Person, MatrixPerson, str]:
        """Put Juliet of Matrix and Romeo of XMPP into the room; return its id too."""
        juliet = await self.on_matrix("Juliet")
        room = await self.open_room(juliet)
        romeo = await self.on_xmpp("romeo")
        await romeo.join(self.room, "romeo")
        await juliet.find("m.room.member", lambda event: event["sender"] == self.ghost("romeo"))
        return romeo, juliet, room

    async def restart(self) -> None:
        """Kill the bridge and start it again."""
        daemon = self.bridge.daemon
        await asyncio.to_thread(daemon.kill)
        await asyncio.to_thread(daemon.start)

    async def stored(self, query: str, *values: str) -> None:
        """Wait until a query of the bridge's store finds anything: who has heard something does not know that."""
        with contextlib.closing(sqlite3.connect(self.bridge.config.parent / "xmppbridge.sqlite")) as store:
            async with asyncio.timeout(TIMEOUT):
                while store.execute(query, values).fetchone() is None:
                    await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Send everybody home."""
        everybody = [*(one.log_out() for one in self._people), *(one.close() for one in self._matrix)]
        await asyncio.gather(*everybody, return_exceptions=True)
