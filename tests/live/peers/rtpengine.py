"""rtpengine: the media relay, with one interface towards phones and one towards everybody."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.live.peers.daemon import HOST, Daemon, find_program, free_port
from transports.sip.media.config import MediaConfig


def own_address() -> str:
    """Return an address of this machine that is not loopback, as ICE wants one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.99", 9))
        except OSError:
            return HOST
        return str(probe.getsockname()[0])


class Rtpengine:
    """In user space, with keys reported to `keys_port`; it forgets a call of which nothing came in 3 s."""

    def __init__(self, folder: Path, keys_port: int, ports: int = 100) -> None:
        self.port = free_port()
        first = 30000 + self.port % 300 * 100
        self.daemon = Daemon(
            "rtpengine",
            folder,
            [
                find_program("rtpengine"),
                *("--config-file=none", "--table=-1", "--foreground", "--log-stderr", "--log-level=6"),
                *(f"--interface=int/{HOST}", "--interface=int/::1", f"--interface=pub/{own_address()}"),
                *(f"--listen-ng={HOST}:{self.port}", f"--dtmf-log-dest={HOST}:{keys_port}"),
                *(
                    f"--port-min={first}",
                    f"--port-max={first + ports - 1}",
                    "--delete-delay=0",
                    "--num-threads=2",
                ),
                *("--timeout=3", "--silent-timeout=3", f"--pidfile={folder / 'rtpengine.pid'}"),
            ],
            ready=self.answers,
        )

    @property
    def address(self) -> str:
        """Where it is told what to do."""
        return f"{HOST}:{self.port}"

    def answers(self) -> bool:
        """Tell whether it takes calls."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(0.1)
            try:
                asking.connect((HOST, self.port))
                asking.send(b'1 {"command": "ping"}')
                return b"pong" in asking.recv(200)
            except OSError:
                return False


def media_config(engines: list[Rtpengine], keys_port: int) -> MediaConfig:
    """Return a gateway's configuration for them."""
    return MediaConfig(
        rtpengine=tuple(engine.address for engine in engines),
        sip_interface="int",
        xmpp_interface="pub",
        dtmf_listen=f"{HOST}:{keys_port}",
    )
