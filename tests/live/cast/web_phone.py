"""A SIP phone that is a web page: JsSIP over a WebSocket, in Chromium."""

from __future__ import annotations

import asyncio

from tests.live.cast.stanzas import TIMEOUT
from tests.live.cast.witness import Witness
from tests.live.peers.browser import Page


class WebPhone(Witness):
    """It has one call at a time. It sees words like ``progress``, ``confirmed``, ``message hello``."""

    def __init__(self, page: Page, uri: str) -> None:
        super().__init__(uri)
        self.uri, self.page = uri, page
        self.last = ""
        """Whom the last call or message was from."""
        self._reader = asyncio.ensure_future(self._read())

    @classmethod
    async def switch_on(cls, page: Page, url: str, uri: str, frequency: int) -> WebPhone:
        """Connect to a server's WebSocket."""
        await page.run("switchOn", {"url": url, "uri": uri, "name": "Alice", "frequency": frequency})
        return cls(page, uri)

    async def dial(self, uri: str) -> None:
        """Call somebody."""
        await self.page.run("dial", uri)

    async def answer(self) -> None:
        """Take the call."""
        await self.page.run("pickUp")

    async def hang_up(self) -> None:
        """End the call."""
        await self.page.run("hangUpPhone")

    async def write(self, uri: str, text: str) -> None:
        """Send a message."""
        await self.page.run("write", uri, text)

    async def hold(self) -> None:
        """Put the other side on hold."""
        await self.page.evaluate("sessions.call.hold()")

    async def resume(self) -> None:
        """Take it back."""
        await self.page.evaluate("sessions.call.unhold()")

    async def press(self, keys: str) -> None:
        """Press keys, which go with the sound (RFC 4733)."""
        await self.page.evaluate(
            f"sessions.call.connection.getSenders()[0].dtmf.insertDTMF({keys!r}, 100, 50)"
        )

    async def hears(self, frequency: float, timeout: float = TIMEOUT) -> None:
        """Wait until that tone is what is heard."""
        if not await self.page.run("hears", "call", frequency, timeout):
            loudest = await self.page.run("loudest", "call")
            raise AssertionError(f"{self.name} hears {loudest}, not {frequency} Hz; saw {self.seen}")

    async def _read(self) -> None:
        while True:
            news = await self.page.tellings.get()
            self.last = news["xml"] or self.last
            self.told(news["words"])

    async def leave(self) -> None:
        """Disconnect; returns when that is done."""
        await self.page.run("switchOff")

    async def close(self) -> None:
        """Close the page: the phone is gone without a word."""
        self._reader.cancel()
        await self.page.close()
