"""The relay's process: `python -m transports.sip.media.relay.process ADDRESS [FIRST LAST]`, its ports.

Lines of JSON come by standard input, each with `do` and `call`; answers and news go by standard output,
each with `tell` and `call`. It ends when its input does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from transports.sip.media.relay.call import RelayedCall
from transports.sip.media.relay.dtls import Identity
from transports.sip.media.relay.ports import Ports

MAX_LINE = 65536
"""Bytes of a line."""


class Relay:
    """The calls of a process; `tell` writes a line."""

    def __init__(self, address: str, ports: Ports, tell: Callable[[dict[str, object]], None]) -> None:
        self._address, self._ports, self._tell = address, ports, tell
        self._identity = Identity()
        self._calls: dict[str, RelayedCall] = {}

    async def do(self, line: dict[str, Any]) -> None:
        """Do what a line wants; of a call that is over, nothing."""
        name, id = line["do"], line["call"]
        if name == "open":
            await self._open(id, line["is_controlling"])
        elif (call := self._calls.get(id)) is not None:
            if name == "connect":
                call.connect(
                    line["ufrag"], line["password"], line["hash"], line["fingerprint"], line["is_client"]
                )
            elif name == "candidate":
                await call.add(line["candidate"])
            elif name == "aim":
                for port, number in ((call.rtp, line["port"]), (call.rtcp, line["rtcp"])):
                    port.aim((line["host"], number), is_symmetric=line["is_symmetric"])
                call.events = frozenset(line["events"])
            elif name == "press":
                call.press(line["digit"], line["duration"])
            elif name == "close":
                del self._calls[id]
                await call.close()

    async def _open(self, id: str, is_controlling: bool) -> None:
        def tell(event: str, **values: object) -> None:
            self._tell({"tell": event, "call": id, **values})

        call = RelayedCall(self._identity, self._address, self._ports, tell)
        try:
            opened = await call.open(is_controlling)
        except OSError as error:
            await call.close()
            tell("refused", reason=str(error))
            return
        self._calls[id] = call
        tell("opened", **opened)


async def serve(address: str, ports: Ports) -> None:
    """Do what the lines of standard input want, in order, until they end."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(MAX_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)

    def tell(line: dict[str, object]) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    relay = Relay(address, ports, tell)
    tell({"tell": "ready", "call": ""})
    while data := await lines.readline():
        await relay.do(json.loads(data))


def main() -> None:
    """Run, on uvloop if it is installed."""
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(sys.argv[1], Ports(*map(int, sys.argv[2:]))))


if __name__ == "__main__":
    main()
