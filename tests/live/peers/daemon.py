"""One server process: started in its own folder, ready when its ports answer, ended by its own pid."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

START_TIMEOUT = 45.0
STOP_TIMEOUT = 20.0
POLL = 0.02
LOG_TAIL = 4000
HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port of loopback on which nothing listens, neither by TCP nor by UDP."""
    while True:
        with (
            socket.create_server((HOST, 0)) as listener,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
            contextlib.suppress(OSError),
        ):
            port = int(listener.getsockname()[1])
            datagrams.bind((HOST, port))
            return port


def answers(port: int, host: str = HOST) -> bool:
    """Tell whether something accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
        return True
    return False


def find_program(name: str) -> str:
    """Return a program's path, looking where Debian puts daemons too; FileNotFoundError names it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise FileNotFoundError(f"{name} is not installed; `make install` gets it")
    return found


class Daemon:
    """A server process that may be stopped, killed and started again with the same folder and ports."""

    def __init__(
        self,
        name: str,
        folder: Path,
        argv: Sequence[str],
        *,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        user: int | None = None,
    ) -> None:
        self.name = name
        self.folder = folder
        self.argv = list(argv)
        self.log = folder / f"{name}.out"
        self._ready = ready
        self._environment = {**os.environ, **(environment or {})}
        self._user = user
        self._started_at = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running process."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and return once it is ready; raises with the end of its log otherwise."""
        with self.log.open("ab") as out:
            self._started_at = out.tell()
            self._process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.folder,
                env=self._environment,
                start_new_session=True,
                user=self._user,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not self._ready():
            try:
                code = self._process.wait(POLL)
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    self.kill()
                    raise TimeoutError(
                        f"{self.name} is not ready after {START_TIMEOUT} s\n{self.tail()}"
                    ) from None
            else:
                raise ChildProcessError(f"{self.name} ended with {code}\n{self.tail()}")

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self, timeout: float = STOP_TIMEOUT) -> int:
        """Wait for its end and return its exit code; subprocess.TimeoutExpired if it goes on."""
        assert self._process is not None
        return self._process.wait(timeout)

    def stop(self) -> int:
        """End it politely and return its exit code; killed when it does not listen."""
        if not self.running:
            return self.wait()
        self.send_signal(signal.SIGTERM)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once (SIGKILL), with what it started in its session."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(STOP_TIMEOUT)

    def close(self) -> None:
        """End it by whatever means; for the end of the tests."""
        if self._process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop()

    def output(self) -> str:
        """Return what it wrote since its last start."""
        if not self.log.exists():
            return ""
        return self.log.read_bytes()[self._started_at :].decode(errors="replace")

    def tail(self) -> str:
        """Return the end of its output."""
        return self.log.read_text(errors="replace")[-LOG_TAIL:] if self.log.exists() else ""
