"""What systemd is told of the service's state (sd_notify(3)); silent where there is no systemd."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from time import clock_gettime_ns

CLOCK_MONOTONIC = 1
"""clock_gettime(2); what sd_notify's MONOTONIC_USEC counts in microseconds."""


class ServiceNotifier:
    """The notification socket named by $NOTIFY_SOCKET.

    `watchdog_interval` is how often `alive` must be called, in seconds: half of systemd's limit;
    None if it keeps no watch.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        name = environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        limit = environ.get("WATCHDOG_USEC", "")
        watched = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_interval = int(limit) / 2e6 if self._address and limit.isdigit() and watched else None

    def ready(self, status: str) -> None:
        """The start, or a reload, is done; `status` is shown by systemctl."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """A reload begins."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={clock_gettime_ns(CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The shutdown begins."""
        self._send("STOPPING=1\nSTATUS=Leaving the rooms")

    def status(self, status: str) -> None:
        """Say how things are, in one line."""
        self._send(f"STATUS={status}")

    def alive(self) -> None:
        """Keep the watchdog quiet for another interval."""
        self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setblocking(False)
            try:
                sock.sendto(state.encode(), self._address)
            except OSError:
                return
