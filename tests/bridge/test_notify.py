"""What systemd hears."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.notify import ServiceNotifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(2)
        yield sock


def notifier(manager: socket.socket, **environ: str) -> ServiceNotifier:
    return ServiceNotifier({"NOTIFY_SOCKET": manager.getsockname(), **environ})


def test_states_are_told_in_systemds_words(manager: socket.socket) -> None:
    """sd_notify(3): one datagram for each state."""
    notify = notifier(manager)
    notify.ready("2 of 2")
    notify.reloading()
    notify.stopping()
    notify.alive()
    heard = [manager.recv(1000).decode() for _ in range(4)]
    assert heard[0] == "READY=1\nSTATUS=2 of 2"
    assert heard[1].startswith("RELOADING=1\nMONOTONIC_USEC=") and heard[1].rpartition("=")[2].isdigit()
    assert heard[2].startswith("STOPPING=1\n")
    assert heard[3] == "WATCHDOG=1"


def test_abstract_socket_is_reached() -> None:
    """A name that begins with @ is in the abstract namespace (unix(7))."""
    name = f"@xmppbridge-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{name[1:]}")
        sock.settimeout(2)
        ServiceNotifier({"NOTIFY_SOCKET": name}).status("fine")
        assert sock.recv(100) == b"STATUS=fine"


def test_watchdog_is_fed_at_half_its_limit(manager: socket.socket) -> None:
    """sd_watchdog_enabled(3) recommends it."""
    assert notifier(manager, WATCHDOG_USEC="30000000").watchdog_interval == 15.0
    assert (
        notifier(manager, WATCHDOG_USEC="30000000", WATCHDOG_PID=str(os.getpid())).watchdog_interval == 15.0
    )


def test_watchdog_of_another_process_is_left_alone(manager: socket.socket) -> None:
    """A variable inherited from a service that started us is not for us."""
    assert notifier(manager, WATCHDOG_USEC="30000000", WATCHDOG_PID="1").watchdog_interval is None
    assert notifier(manager).watchdog_interval is None


def test_without_systemd_nothing_happens() -> None:
    """No socket, or one that is gone, is no reason to fail."""
    ServiceNotifier({}).ready("fine")
    ServiceNotifier({"NOTIFY_SOCKET": "/nonexistent/notify"}).ready("fine")
