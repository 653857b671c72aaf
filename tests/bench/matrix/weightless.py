"""The gateway between an XMPP server and a homeserver that cost nothing: `python -m tests.bench.matrix.weightless`.

What it needs is seen here without the noise of a homeserver that takes all of the machine; a room of twenty
thousand members, which takes a homeserver ten minutes to fill, is there at once.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from bridge.secret import Secret
from tests.bench.figures import Figure, table
from tests.bench.matrix.world import MatrixSide, XmppSide
from tests.bench.usage import cpu_seconds, resident_bytes
from tests.live.peers.daemon import HOST, free_port
from tests.live.peers.gateway import MatrixBridge
from transports.matrix.config import MatrixConfig

DOMAIN = "mx.test"
ROOM_JID = rf"!room\3ahs.test@{DOMAIN}"
MUC = "<x xmlns='http://jabber.org/protocol/muc'/>"
USERS = 5
WORDS = "x" * 80
GHOSTS_AT_ONCE = 20
"""Users who are in the room together and leave it again."""
PATIENCE = 60.0
FIGURES = {
    "join": Figure("join of the room, s", 1, "less", 10),
    "stall": Figure("… longest answer to another user's ping meanwhile, ms", 0, "less", 100),
    "rss": Figure("… RSS per member, bytes", 0, "less", 8_000),
    "ghosts": Figure("RSS per user of XMPP who was in it once, bytes", 0, "less", 8_000),
    "to_cpu": Figure("XMPP → Matrix: CPU ms per message, gateway", 2, "less", 1),
    "from_cpu": Figure("Matrix → XMPP: CPU ms per message, gateway", 2, "less", 1),
}


class Bench:
    """The gateway, and both sides of it."""

    def __init__(self, folder: Path, members: int, rate: float, count: int, ghosts: int) -> None:
        self._members, self._rate, self._count, self._ghosts = members, rate, count, ghosts
        self._port, self._homeserver_port, self._listen = free_port(), free_port(), free_port()
        config = MatrixConfig(
            homeserver=f"http://{HOST}:{self._homeserver_port}",
            server_name="hs.test",
            as_token=Secret("as"),
            hs_token=Secret("hs"),
            listen=f"{HOST}:{self._listen}",
            id="gateway",
            sender="gateway",
            prefix="_jabber_",
        )
        self._xmpp, self._matrix = XmppSide(), MatrixSide("hs", members)
        self.daemon = MatrixBridge(folder, DOMAIN, self._port, config).daemon
        self.results: dict[str, list[float]] = {}

    async def run(self) -> None:
        """Measure all."""
        await asyncio.start_server(self._xmpp.serve, HOST, self._port)
        await asyncio.start_server(self._matrix.serve, HOST, self._homeserver_port, limit=1 << 20)
        await asyncio.to_thread(self.daemon.start)
        delivering = asyncio.ensure_future(self._matrix.deliver(self._listen))
        try:
            await self._join()
            await self._talk("to", self._say)
            await self._talk("from", self._push)
            await self._pass_through()
        finally:
            delivering.cancel()
            self.daemon.close()
            # both sides see the end of their connections
            await asyncio.sleep(0.1)

    def _note(self, figure: str, value: float) -> None:
        self.results.setdefault(figure, []).append(value)

    async def _until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not is_so():
                await asyncio.sleep(0.01)

    async def _join(self) -> None:
        clock, xmpp = asyncio.get_running_loop().time, self._xmpp
        before, pinging = resident_bytes(self.daemon.pid), asyncio.ensure_future(xmpp.ping(DOMAIN))
        await asyncio.sleep(0.5)
        for user in range(USERS):
            began = clock()
            xmpp.write(f"<presence from='u{user}@xmpp.test/a' to='{ROOM_JID}/u{user}'>{MUC}</presence>")
            await self._until(lambda there=user: xmpp.entered > there)
            if user == 0:
                self._note("join", clock() - began)
                await asyncio.sleep(1.0)
                self._note("rss", (resident_bytes(self.daemon.pid) - before) / self._members)
        await asyncio.sleep(1.0)
        pinging.cancel()
        self._note("stall", 1000 * xmpp.slowest)

    async def _pass_through(self) -> None:
        """Have users of XMPP come and go, so that their ghosts are known."""
        before, xmpp = resident_bytes(self.daemon.pid), self._xmpp
        for first in range(0, self._ghosts, GHOSTS_AT_ONCE):
            entered, left = xmpp.entered + GHOSTS_AT_ONCE, xmpp.left + GHOSTS_AT_ONCE
            people = [
                f"<presence from='g{number}@xmpp.test/a' to='{ROOM_JID}/g{number}'"
                for number in range(first, first + GHOSTS_AT_ONCE)
            ]
            xmpp.write("".join(f"{one}>{MUC}</presence>" for one in people))
            await self._until(lambda wanted=entered: xmpp.entered >= wanted)
            xmpp.write("".join(f"{one} type='unavailable'/>" for one in people))
            await self._until(lambda wanted=left: xmpp.left >= wanted)
        if self._ghosts:
            self._note("ghosts", (resident_bytes(self.daemon.pid) - before) / self._ghosts)

    async def _talk(self, way: str, say: Callable[[int], None]) -> None:
        clock, xmpp = asyncio.get_running_loop().time, self._xmpp
        began, wanted = clock(), xmpp.bodies + self._count * USERS
        used = cpu_seconds(self.daemon.pid)
        for number in range(self._count):
            await asyncio.sleep(max(0.0, began + number / self._rate - clock()))
            say(number)
        await self._until(lambda: xmpp.bodies >= wanted)
        await asyncio.sleep(0.5)
        self._note(f"{way}_cpu", 1000 * (cpu_seconds(self.daemon.pid) - used) / self._count)

    def _say(self, number: int) -> None:
        attributes = f"from='u{number % USERS}@xmpp.test/a' to='{ROOM_JID}' type='groupchat' id='m{number}'"
        self._xmpp.write(f"<message {attributes}><body>{number} {WORDS}</body></message>")

    def _push(self, number: int) -> None:
        content = {"msgtype": "m.text", "body": f"{number} {WORDS}"}
        sender = f"@member{number % self._members}:hs.test"
        self._matrix.push(self._matrix.event("m.room.message", sender, content))


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.matrix.weightless", description=__doc__)
    parser.add_argument("--members", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=100.0, help="messages per second")
    parser.add_argument("--count", type=int, default=1_000, help="messages each way")
    parser.add_argument("--ghosts", type=int, default=0, help="users of XMPP who come and go")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Path(folder), chosen.members, chosen.rate, chosen.count, chosen.ghosts)
        asyncio.run(bench.run())
    print(table(FIGURES, {"xmppbridge": bench.results}, "xmppbridge"))


if __name__ == "__main__":
    main()
