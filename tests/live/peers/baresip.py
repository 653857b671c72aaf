"""baresip: a telephone, with a tone before its microphone and what it hears in a file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import socket
import wave
from array import array
from collections.abc import Sequence
from pathlib import Path

from tests.live.cast.stanzas import TIMEOUT
from tests.live.cast.tones import SHARE, energy_share
from tests.live.cast.witness import Witness
from tests.live.peers.daemon import HOST, Daemon, answers, find_program, free_port

RATE = 8000
LISTENED = RATE // 5
"""Samples in which a tone is looked for."""
HEADER = 44
"""Bytes of a WAV file before its samples; the length that they tell is wrong while the call lasts."""
GLANCE = 0.02
"""Seconds between two looks at a file."""
CONFIG = """
sip_listen {host}:{port}
net_interface {host}
module_path {modules}
ctrl_tcp_listen {near}:{control}
audio_path /usr/share/baresip
audio_source aufile,{folder}/tone.wav
audio_player aufile,{folder}/played.wav
audio_alert aufile,{folder}/alert.wav
ausrc_srate {rate}
auplay_srate {rate}
ausrc_channels 1
auplay_channels 1
snd_path {folder}
rtp_timeout 0
{loaded}
"""
MODULES = ("g711", "g722", "opus", "aufile", "sndfile", "srtp", "dtls_srtp")
APPLICATIONS = ("uuid", "account", "contact", "ctrl_tcp", "menu")


def write_tone(path: Path, frequency: float, seconds: int = 60) -> None:
    """Write a file with a tone."""
    step = 2 * math.pi * frequency / RATE
    second = array("h", (round(8000 * math.sin(step * n)) for n in range(RATE)))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(second.tobytes() * seconds)


def free_pair() -> int:
    """Return a port after which the next is free, too: baresip takes that for TLS."""
    while True:
        port = free_port()
        with contextlib.suppress(OSError), socket.create_server((HOST, port + 1)):
            return port


class Baresip(Witness):
    """A telephone under one address. It sees events like ``CALL_RINGING``, ``CALL_ESTABLISHED``, ``digit 5``."""

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        domain: str = "",
        frequency: int = 1000,
        codecs: Sequence[str] = ("PCMU/8000/1",),
        account: str = "",
        host: str = HOST,
        regint: int = 60,
    ) -> None:
        """`domain` is of its address, its own if ""; `account` is further parameters of baresip's accounts.

        `host` is where it is; `regint` 0 does not register it.
        """
        super().__init__(name)
        self.port, self._control, self._folder = free_pair(), free_port(), folder
        self.uri = f"sip:{name}@{domain or f'{host}:{self.port}'}"
        write_tone(folder / "tone.wav", frequency)
        modules = next(Path("/usr/lib").rglob("baresip/modules"))
        loaded = [f"module {one}.so" for one in MODULES] + [f"module_app {one}.so" for one in APPLICATIONS]
        told = {
            "host": host,
            "port": self.port,
            "near": HOST,
            "control": self._control,
            "modules": modules,
            "folder": folder,
            "rate": RATE,
            "loaded": "\n".join(loaded),
        }
        (folder / "config").write_text(CONFIG.format(**told))
        self._registers = bool(domain and regint)
        registers = f";regint={regint if domain else 0}"
        codec_list = f";audio_codecs={','.join(codecs)}"
        (folder / "accounts").write_text(f"<{self.uri}>{registers}{codec_list}{account}\n")
        (folder / "contacts").write_text("")
        self.daemon = Daemon(
            f"baresip-{name}",
            folder,
            [find_program("baresip"), "-f", str(folder)],
            ready=lambda: answers(self._control),
        )
        self._tokens = iter(range(1, 1_000_000))
        self._waiting: dict[str, asyncio.Future[dict[str, object]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Switch it on; if it has an account, it is registered when this returns."""
        await asyncio.to_thread(self.daemon.start)
        reader, self._writer = await asyncio.open_connection(HOST, self._control)
        self._reader = asyncio.ensure_future(self._read(reader))
        while self._registers and "OK" not in await self.order("reginfo"):
            await asyncio.sleep(GLANCE)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Read netstrings of JSON."""
        try:
            while True:
                size = int((await reader.readuntil(b":"))[:-1])
                told = json.loads(await reader.readexactly(size))
                await reader.readexactly(1)
                if told.get("event"):
                    self._happened(told)
                else:
                    self._waiting.pop(told["token"]).set_result(told)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.told("switched off")

    def _happened(self, told: dict[str, str]) -> None:
        kind = told["type"]
        self.told(f"digit {told['param']}" if kind == "CALL_DTMF_START" else kind)

    async def order(self, command: str, parameters: str = "") -> str:
        """Give an order of its menu and return what it says to it."""
        assert self._writer is not None
        token = str(next(self._tokens))
        answered = self._waiting[token] = asyncio.get_running_loop().create_future()
        text = json.dumps({"command": command, "params": parameters, "token": token})
        self._writer.write(f"{len(text)}:{text},".encode())
        answer = await asyncio.wait_for(answered, TIMEOUT)
        assert answer["ok"], answer
        return str(answer["data"])

    async def dial(self, uri: str) -> None:
        """Call somebody."""
        await self.order("dial", uri)

    async def answer(self) -> None:
        """Take the call that comes in."""
        await self.order("accept")

    async def hang_up(self) -> None:
        """End the call, or refuse it."""
        await self.order("hangup")

    async def hold(self) -> None:
        """Have the other one wait."""
        await self.order("hold")

    async def resume(self) -> None:
        """Go on talking."""
        await self.order("resume")

    async def press(self, keys: str) -> None:
        """Press keys (RFC 4733)."""
        for key in keys:
            await self.order("sndcode", key)

    def share(self, frequency: float) -> float:
        """Return how much of what it heard of late is in that frequency."""
        files = sorted(self._folder.glob("dump-*-dec.wav"))
        data = files[-1].read_bytes() if files else b""
        if len(data) <= HEADER:
            return 0.0
        rate = int.from_bytes(data[24:28], "little")  # of WAVE; G.722 has twice as many samples as G.711
        sound = data[HEADER : HEADER + (len(data) - HEADER) // 2 * 2]
        return energy_share(array("h", sound)[-LISTENED:], rate, frequency)

    async def hears(self, frequency: float, timeout: float = TIMEOUT) -> None:
        """Wait until that tone is what it hears.

        COMPAT baresip 1.0: after a re-INVITE it decodes nothing any more, with whomever it talks.
        """
        try:
            async with asyncio.timeout(timeout):
                while self.share(frequency) <= SHARE:
                    await asyncio.sleep(GLANCE)
        except TimeoutError:
            raise AssertionError(
                f"{self.name} does not hear {frequency} Hz: {self.share(frequency)}"
            ) from None

    async def close(self) -> None:
        """Switch it off."""
        if self._writer is not None:
            self._writer.close()
        if self._reader is not None:
            self._reader.cancel()
        await asyncio.to_thread(self.daemon.kill)
