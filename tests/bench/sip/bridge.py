"""xmppbridge whose calls have no media: ``python -m tests.bench.sip.bridge CONFIG``, with `[media]` set."""

from __future__ import annotations

import sys
from typing import Any

from tests.transports.sip.calling import MemoryBackend
from transports.sip import network

HOST = "127.0.0.1"


class Forgetful(MemoryBackend):
    """Keeps no anchor itself."""

    def anchor(self, *arguments: Any) -> Any:
        made = super().anchor(*arguments)
        self.anchors.clear()
        return made


def main(config: str) -> None:
    """Become the bridge."""
    network.backend_of = lambda config, reactor: lambda changed: Forgetful(reactor, HOST)
    from bridge.cli import main as run

    run(args=["run", "--config", config])


if __name__ == "__main__":
    main(sys.argv[1])
