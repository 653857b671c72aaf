"""People on Matrix: real accounts, with matrix-nio's client, who see the timeline of their rooms in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import nio

from tests.live.peers.synapse import Synapse

TIMEOUT = 20.0
HISTORY = 60
"""Events that a failed wait shows."""
Event = dict[str, Any]
Passing = TypeVar("Passing")


class MatrixPerson:
    """Somebody with an ordinary Matrix client."""

    def __init__(self, client: nio.AsyncClient) -> None:
        self.client = client
        self.id = client.user_id
        self._waiting: deque[Event] = deque()
        self._history: deque[Event] = deque(maxlen=HISTORY)
        self._arrived = asyncio.Event()
        self._passing: deque[Any] = deque(maxlen=HISTORY)
        client.add_event_callback(self._take, nio.Event)
        client.add_event_callback(self._take, nio.InviteEvent)
        client.add_ephemeral_callback(lambda _room, event: self._overhear(event), nio.EphemeralEvent)
        client.add_presence_callback(self._overhear, nio.PresenceEvent)
        self._syncing = asyncio.ensure_future(self._sync())

    @classmethod
    async def register(cls, synapse: Synapse, name: str) -> MatrixPerson:
        """Make an account and log in."""
        token = await synapse.register(name)
        config = nio.AsyncClientConfig(encryption_enabled=False, store_sync_tokens=False)
        client = nio.AsyncClient(synapse.url, f"@{name}:{synapse.server_name}", config=config)
        client.access_token, client.user_id = token, f"@{name}:{synapse.server_name}"
        return cls(client)

    async def _sync(self) -> None:
        while True:
            # a homeserver that restarts is asked again
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                await self.client.sync(timeout=10_000)

    async def _take(self, room: nio.MatrixRoom, event: nio.Event) -> None:
        source = {"room_id": room.room_id, **event.source}
        if isinstance(event, nio.InviteMemberEvent):
            source["content"] = event.content
        self._waiting.append(source)
        self._history.append(source)
        self._arrived.set()

    async def _overhear(self, event: Any) -> None:
        self._passing.append(event)
        self._arrived.set()

    async def overhears(self, kind: type[Passing], fits: Callable[[Passing], bool]) -> Passing:
        """Return the first presence or ephemeral event of that class for which `fits` is true."""
        try:
            async with asyncio.timeout(TIMEOUT):
                while True:
                    while self._passing:
                        event = self._passing.popleft()
                        if isinstance(event, kind) and fits(event):
                            return event
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise AssertionError(f"{self.id} waits in vain for a {kind.__name__}") from None

    async def create_room(self, **options: Any) -> str:
        """Make a room and return its id; `options` are those of nio's `room_create`."""
        made = await self.client.room_create(**options)
        assert isinstance(made, nio.RoomCreateResponse), made
        return str(made.room_id)

    async def join(self, room: str) -> str:
        """Join a room by id or alias and return its id."""
        joined = await self.client.join(room)
        assert isinstance(joined, nio.JoinResponse), joined
        return str(joined.room_id)

    async def leave(self, room: str) -> None:
        """Leave a room."""
        left = await self.client.room_leave(room)
        assert isinstance(left, nio.RoomLeaveResponse), left

    async def send(self, room: str, content: Event, type: str = "m.room.message") -> str:
        """Send an event and return its id."""
        sent = await self.client.room_send(room, type, content)
        assert isinstance(sent, nio.RoomSendResponse), sent
        return str(sent.event_id)

    async def say(self, room: str, text: str) -> str:
        """Send a text and return its event's id."""
        return await self.send(room, {"msgtype": "m.text", "body": text})

    async def find(self, type: str, fits: Callable[[Event], bool] = bool, *, room: str = "") -> Event:
        """Return the first event of that type for which `fits` is true; those before it are dropped."""
        try:
            async with asyncio.timeout(TIMEOUT):
                while True:
                    while self._waiting:
                        event = self._waiting.popleft()
                        if event.get("type") == type and room in ("", event["room_id"]) and fits(event):
                            return event
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            seen = "\n  ".join(str(event) for event in self._history)
            raise AssertionError(f"{self.id} waits in vain for {type}\nseen so far:\n  {seen}") from None

    async def hears(self, room: str, text: str, *, sender: str = "") -> Event:
        """Wait for a message with exactly this body."""
        return await self.find(
            "m.room.message",
            lambda event: event["content"].get("body") == text and sender in ("", event["sender"]),
            room=room,
        )

    async def close(self) -> None:
        """Stop listening."""
        self._syncing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._syncing
        await self.client.close()
