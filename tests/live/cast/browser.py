"""People who call from a browser, by stanza.js; they see and do what those of `cast.jingle` do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from uuid import uuid4

from tests.live.cast.jingle import AUDIO, Habits
from tests.live.cast.stanzas import TIMEOUT
from tests.live.cast.witness import Witness
from tests.live.peers.browser import Page


class BrowserCall(Witness):
    """One call. `stanzas` is what came, as the page read it."""

    def __init__(self, person: BrowserPerson, sid: str) -> None:
        super().__init__(person.jid)
        self.sid, self._page = sid, person.page
        self.stanzas: list[str] = []

    async def answer(self) -> None:
        """Take the call."""
        await self._page.run("answer", self.sid)

    async def refuse(self, reason: str = "busy") -> None:
        """Refuse the call."""
        await self._page.run("refuse", self.sid, reason)

    async def hang_up(self, reason: str = "success") -> None:
        """End the call."""
        await self._page.run("hangUp", self.sid, reason)

    async def hold(self) -> None:
        """Tell that one does not listen for now."""
        await self._page.evaluate(f"sessions['{self.sid}'].hold()")

    async def resume(self) -> None:
        """Tell that one listens again."""
        await self._page.evaluate(f"sessions['{self.sid}'].resume()")

    async def press(self, keys: str) -> None:
        """Press keys, which go with the sound (RFC 4733)."""
        await self._page.run("press", self.sid, keys)

    async def hears(self, frequency: float, timeout: float = TIMEOUT) -> None:
        """Wait until that tone is what is heard."""
        if not await self._page.run("hears", self.sid, frequency, timeout):
            loudest = await self._page.run("loudest", self.sid)
            raise AssertionError(f"{self.name} hears {loudest}, not {frequency} Hz; saw {self.seen}")

    async def hears_nothing(self, timeout: float = TIMEOUT) -> None:
        """Wait until it is silent in the line."""
        assert await self._page.run("hearsNothing", self.sid, timeout)

    async def sees_moves(self, timeout: float = TIMEOUT) -> None:
        """Wait until pictures come."""
        assert await self._page.run("seesMoves", self.sid, timeout), f"{self.name} sees nothing move"

    async def codec(self) -> str:
        """Return what sound is sent as."""
        return str(await self._page.run("codec", self.sid))


class BrowserPerson:
    """One who is logged in from a page."""

    def __init__(self, page: Page, jid: str) -> None:
        self.page, self.jid = page, jid
        self.calls: dict[str, BrowserCall] = {}
        self._incoming: asyncio.Queue[BrowserCall] = asyncio.Queue()
        self._reader = asyncio.ensure_future(self._read())

    @classmethod
    async def log_in(cls, page: Page, jid: str, password: str, url: str, habits: Habits) -> BrowserPerson:
        """Log in at a server's websocket."""
        told = {**asdict(habits), "jid": jid, "password": password, "url": url}
        return cls(page, str(await page.run("logIn", told)))

    @property
    def bare(self) -> str:
        """The bare JID."""
        return self.jid.partition("/")[0]

    async def enter(self, room: str, nick: str) -> None:
        """Enter a room."""
        await self.page.run("enter", room, nick)

    async def appear(self, to: str) -> None:
        """Show somebody that one is there."""
        await self.page.run("appear", to)

    async def call(self, to: str, media: Sequence[str] = AUDIO) -> BrowserCall:
        """Call somebody: all his devices by a bare JID, one by a full one."""
        sid = str(uuid4())
        call = self.calls[sid] = BrowserCall(self, sid)
        await self.page.run("call", to, sid, list(media))
        return call

    async def is_called(self, timeout: float = TIMEOUT) -> BrowserCall:
        """Return the next call that comes in."""
        try:
            return await asyncio.wait_for(self._incoming.get(), timeout)
        except TimeoutError:
            raise AssertionError(f"nobody calls {self.jid}") from None

    async def _read(self) -> None:
        while True:
            told = await self.page.tellings.get()
            sid, words = told["sid"], told["words"]
            if sid not in self.calls:
                self.calls[sid] = BrowserCall(self, sid)
                self._incoming.put_nowait(self.calls[sid])
            self.calls[sid].stanzas.append(told["xml"])
            self.calls[sid].told(words)

    async def log_out(self) -> None:
        """Close the page."""
        self._reader.cancel()
        await self.page.close()
