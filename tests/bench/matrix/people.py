"""Those who talk, and those who note each message as it arrives."""

from __future__ import annotations

import itertools
from typing import Any

import aiohttp
import nio

from tests.bench.matrix.talk import Arrivals
from tests.live.cast.matrix import MatrixPerson
from tests.live.cast.stanzas import Stanza
from tests.live.cast.xmpp import Person
from tests.live.peers.synapse import Synapse


class Listener(Person):
    """On XMPP; `arrivals` is told of every groupchat body."""

    arrivals = Arrivals()

    def received(self, stanza: Stanza) -> None:
        """Take in a stanza of the gateway."""
        body = stanza.findtext("body") if stanza.get("type") == "groupchat" else None
        if body is not None:
            self.arrivals.arrives(body)
        super().received(stanza)


class MatrixSpeaker:
    """On Matrix, talking only: whoever synchronises costs the homeserver more than the message does."""

    _numbers = itertools.count(1)

    def __init__(self, synapse: Synapse, token: str) -> None:
        self._api = f"{synapse.url}/_matrix/client/v3"
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"})

    @classmethod
    async def register(cls, synapse: Synapse, name: str) -> MatrixSpeaker:
        """Make an account."""
        return cls(synapse, await synapse.register(name))

    async def join(self, room: str) -> None:
        """Join a room by its id."""
        async with self._session.post(f"{self._api}/join/{room}", json={}) as joined:
            joined.raise_for_status()

    async def say(self, room: str, text: str) -> None:
        """Send a text; returns when the homeserver has it."""
        path = f"{self._api}/rooms/{room}/send/m.room.message/{next(self._numbers)}"
        async with self._session.put(path, json={"msgtype": "m.text", "body": text}) as sent:
            sent.raise_for_status()

    async def close(self) -> None:
        """Close the connection."""
        await self._session.close()


class MatrixListener(MatrixPerson):
    """On Matrix; `arrivals` is told of every message's body."""

    arrivals = Arrivals()

    async def _take(self, room: nio.MatrixRoom, event: nio.Event) -> None:
        content: dict[str, Any] = event.source.get("content") or {}
        if isinstance(content.get("body"), str):
            self.arrivals.arrives(content["body"])
        await super()._take(room, event)
