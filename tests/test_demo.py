"""The demonstration, as a new user meets it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.serve import GATEWAY, PHONE, PHONES, ROOM
from tests.live.cast.jingle import Habits, JinglePerson
from tests.live.cast.xmpp import Person
from tests.live.peers.xmpp import PASSWORD

ROOT = Path(__file__).parents[1]
LIMIT = 60.0
"""Seconds after which a command is taken for stuck."""
pytestmark = pytest.mark.live


def read_until(process: subprocess.Popen[str], start: str) -> str:
    """Return the output up to the line that starts so; fail when the process ends before, or takes long."""
    assert process.stdout is not None
    late = threading.Timer(LIMIT, process.kill)
    late.start()
    seen = ""
    for line in process.stdout:
        seen += line
        if line.startswith(start):
            late.cancel()
            return seen
    late.cancel()
    raise AssertionError(f"no line began with {start!r}:\n{seen}")


class Served:
    """`python -m tests.demo serve` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = self.run("serve")
        self.guide = read_until(self.process, "Ctrl-C")

    def run(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command of the demonstration."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.demo", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def children(self) -> list[int]:
        """Return the processes that it started."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """One running demonstration; ended in case that no test did."""
    with tempfile.TemporaryDirectory(prefix="xb-demo-") as folder:
        made = Served(Path(folder))
        yield made
        made.process.send_signal(signal.SIGTERM)
        made.process.communicate(timeout=LIMIT)


async def greeted_and_answered(port: int) -> tuple[str | None, str | None]:
    romeo = Person("romeo@localhost/test", PASSWORD, port, GATEWAY)
    await romeo.log_in()
    await romeo.join(ROOM, "romeo")
    greeting = await romeo.message(frm=f"{ROOM}/echo")
    romeo.say(ROOM, "hello")
    await romeo.message(frm=f"{ROOM}/romeo", body="hello")
    answer = await romeo.message(frm=f"{ROOM}/echo")
    await romeo.log_out()
    return greeting.findtext("body"), answer.findtext("body")


def test_printed_account_and_room_lead_to_one_who_answers(served: Served) -> None:
    """Whoever types what is printed is greeted by someone on IRC, who says again what he says."""
    assert f"romeo@localhost   (or juliet@localhost)\n  password   {PASSWORD} " in served.guide
    assert f"room       {ROOM}\n" in served.guide
    port = re.search(r"server +127\.0\.0\.1, port (\d+)", served.guide)
    assert port is not None
    greeting, answer = asyncio.run(greeted_and_answered(int(port[1])))
    assert greeting is not None
    assert "Welcome, romeo!" in greeting
    assert answer == "romeo: hello"


async def hears_himself(port: int) -> None:
    romeo = JinglePerson("romeo@localhost/phone", PASSWORD, port, PHONES, Habits(frequency=440))
    await romeo.log_in()
    call = romeo.call(PHONE)
    await call.sees("session-accept")
    await call.hears(440)
    await call.hang_up()
    await romeo.log_out()


def test_printed_telephone_answers_and_echoes(served: Served) -> None:
    """Whoever calls it hears what he says."""
    assert f"A call:  {PHONE} " in served.guide
    port = re.search(r"server +127\.0\.0\.1, port (\d+)", served.guide)
    assert port is not None
    asyncio.run(hears_himself(int(port[1])))


def test_line_chat_shows_the_answer(served: Served) -> None:
    """Who has no XMPP client chats in the terminal all the same."""
    chat = served.run("chat", "--lines")
    assert chat.stdin is not None
    chat.stdin.write("good morrow\n")
    chat.stdin.flush()
    seen = read_until(chat, "<echo> juliet: ").splitlines()
    assert "<juliet> good morrow" in seen
    assert seen[-1] == "<echo> juliet: good morrow"
    rest, _ = chat.communicate("/quit\n", timeout=LIMIT)
    assert chat.returncode == 0, rest


def test_second_demonstration_leaves_the_first_alone(served: Served) -> None:
    """It says that one runs already, and touches nothing."""
    second = served.run("serve")
    said, _ = second.communicate(timeout=LIMIT)
    assert second.returncode == 1
    assert "runs already" in said
    assert served.process.poll() is None


def test_interrupted_demonstration_leaves_no_process(served: Served) -> None:
    """Ctrl-C ends every server, removes the folder and is no failure."""
    children = served.children()
    assert len(children) == 5
    served.process.send_signal(signal.SIGINT)
    served.process.communicate(timeout=LIMIT)
    assert served.process.returncode == 0
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    assert not (served.folder / ".demo").exists()
