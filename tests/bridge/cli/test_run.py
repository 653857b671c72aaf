"""`xmppbridge run` and the other commands from outside, as processes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TWISTD = "from twisted.scripts.twistd import run; run()"
TEXT = (
    'store.url = "x.sqlite"\n[gateways."irc.example.org"]\nnetwork = "irc"\n'
    'component = { port = 1, secret = "hush" }\n'
)
RUNNERS = {
    "run": ["-m", "bridge.cli", "run"],
    "twistd": ["-c", TWISTD, "--nodaemon", "--pidfile=", "xmppbridge"],
    "twist": ["-m", "twisted", "xmppbridge"],
}


def start(tmp_path: Path, runner: str, text: str = TEXT) -> subprocess.Popen[str]:
    (tmp_path / "x.toml").write_text(text)
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, *RUNNERS[runner], "--config", "x.toml"],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"ended without {words!r}")


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_with_code_0(tmp_path: Path, runner: str, number: int) -> None:
    """Whichever way it was started."""
    process = start(tmp_path, runner)
    wait_for(process, "next attempt in")
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0, output
    assert "Traceback" not in output


@pytest.mark.parametrize("runner", RUNNERS)
def test_bad_configuration_ends_it_with_code_2_and_the_list(tmp_path: Path, runner: str) -> None:
    """No traceback; the same words as `check` has."""
    process = start(tmp_path, runner, TEXT + "nonsense = 1\n")
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert 'x.toml:5: gateways."irc.example.org".nonsense: unknown key' in output
    assert "Traceback" not in output and "hush" not in output


def test_store_that_cannot_be_opened_ends_it_with_code_1(tmp_path: Path) -> None:
    """systemd tries again."""
    process = start(tmp_path, "run", TEXT.replace("x.sqlite", "none/x.sqlite"))
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "cannot start: " in output and "Traceback" not in output


def test_daemon_forks_logs_to_its_file_and_leaves_politely(tmp_path: Path) -> None:
    """twistd xmppbridge, without -n: twistd.log and twistd.pid in the folder it was started in."""
    (tmp_path / "x.toml").write_text(TEXT)
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", TWISTD, "xmppbridge", "--config", "x.toml"]
    subprocess.run(command, cwd=tmp_path, env=environ, check=True, timeout=20)
    pid = int((tmp_path / "twistd.pid").read_text())
    descriptor = os.pidfd_open(pid)
    for _ in range(400):
        ended = bool(select.select([descriptor], [], [], 0.05)[0])
        if ended or "next attempt in" in (tmp_path / "twistd.log").read_text():
            break
    assert not ended
    os.kill(pid, signal.SIGTERM)
    assert select.select([descriptor], [], [], 20)[0], "it did not end"
    os.close(descriptor)
    assert not (tmp_path / "twistd.pid").exists()
    assert "Server Shut Down" in (tmp_path / "twistd.log").read_text()
