"""Chromium without a window, whose pages are people that call with stanza.js, or phones that are JsSIP.

It is driven by the DevTools protocol; `browser.js` is what each page does, `web_phone.js` what those phones do.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse

from tests.live.peers.daemon import HOST, Daemon, find_program

LIBRARIES = Path(__file__).parents[3] / ".peers" / "browser"
"""Where each library is in one file that a page can have; `make install` builds them."""
PAGE = Path(__file__).with_suffix(".js")
PERSON = (LIBRARIES / "stanza.js", PAGE)
WEB_PHONE = (LIBRARIES / "jssip.js", PAGE, PAGE.with_name("web_phone.js"))
"""Scripts of pages."""
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
    "--autoplay-policy=no-user-gesture-required", "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns", "--disable-web-security", "--remote-debugging-port=0",
)  # fmt: skip
LARGEST = 64 * 1024 * 1024
"""Bytes of one message of the DevTools."""


class Page:
    """A page that runs our script; `tellings` is what it tells by ``window.tell``, in order."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser, self._target, self._session = browser, target, session
        self.tellings: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def run(self, function: str, *arguments: object) -> Any:
        """Call a function of the page and return its result, awaited; its exception fails the test."""
        call = f"{function}({', '.join(json.dumps(one) for one in arguments)})"
        return await self.evaluate(call)

    async def evaluate(self, script: str) -> Any:
        """Run a script in the page and return what it is worth."""
        answer = await self._browser.ask(
            "Runtime.evaluate",
            self._session,
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def close(self) -> None:
        """Close the page: whoever is in it is gone without a word."""
        await self._browser.ask("Target.closeTarget", targetId=self._target)


class Browser:
    """The process; `connect` before its first page."""

    def __init__(self, folder: Path) -> None:
        self._port_file = folder / "profile" / "DevToolsActivePort"
        argv = [find_program("chromium"), *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
        self.daemon = Daemon("chromium", folder, argv, ready=self._ready)
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._web: ClientSession | None = None
        self._socket: ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None

    def _ready(self) -> bool:
        return self._port_file.exists() and len(self._port_file.read_text().splitlines()) == 2

    async def connect(self) -> None:
        """Take the reins."""
        port, path = self._port_file.read_text().splitlines()
        self._web = ClientSession()
        self._socket = await self._web.ws_connect(f"ws://{HOST}:{port}{path}", max_msg_size=LARGEST)
        self._reader = asyncio.ensure_future(self._read(self._socket))

    async def page(self, scripts: Sequence[Path] = PERSON) -> Page:
        """Open a page with scripts of ours."""
        target = (await self.ask("Target.createTarget", url="about:blank"))["targetId"]
        session = (await self.ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = self._pages[session] = Page(self, target, session)
        await self.ask("Runtime.enable", session)
        await self.ask("Runtime.addBinding", session, name="tell")
        for script in scripts:
            await page.evaluate(script.read_text())
        return page

    async def ask(self, method: str, session: str = "", **parameters: object) -> dict[str, Any]:
        """Give an order and return its result."""
        assert self._socket is not None
        ident = next(self._ids)
        waiting = self._waiting[ident] = asyncio.get_running_loop().create_future()
        order = {"id": ident, "method": method, "params": parameters}
        await self._socket.send_json({**order, "sessionId": session} if session else order)
        answer = await waiting
        assert "error" not in answer, answer["error"]
        result: dict[str, Any] = answer["result"]
        return result

    async def _read(self, socket: ClientWebSocketResponse) -> None:
        async for message in socket:
            told = json.loads(message.data)
            if told.get("method") == "Runtime.bindingCalled":
                self._pages[told["sessionId"]].tellings.put_nowait(json.loads(told["params"]["payload"]))
            elif told.get("id") in self._waiting:
                self._waiting.pop(told["id"]).set_result(told)

    async def disconnect(self) -> None:
        """Let the reins go."""
        if self._web is not None:
            await self._web.close()
        if self._reader is not None:
            await self._reader
