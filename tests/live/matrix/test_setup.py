"""The way of an operator: `xmppbridge init`, what it writes for the others, `check`, `run`, a first room."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nio
import pytest

from tests.live.cast.matrix import MatrixPerson
from tests.live.cast.xmpp import Person
from tests.live.peers.daemon import HOST, Daemon, free_port
from tests.live.peers.gateway import CONNECTED, ROOT, table
from tests.live.peers.synapse import SERVER_NAME, Synapse
from tests.live.peers.xmpp import PASSWORD, Prosody

XMPP = "setup.test"
GATEWAY = f"matrix.{XMPP}"
PYTHONPATH = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
COMMAND = [sys.executable, "-m", "bridge.cli"]


class Operator:
    """Does what the README says, in a folder of his own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "xmppbridge.toml"
        for name in ("prosody", "synapse"):
            (folder / name).mkdir()
        self.prosody = Prosody(folder / "prosody", XMPP)
        self._synapse_port = free_port()
        self.files = f"http://{HOST}:{free_port()}"
        self.init()
        self._tell_prosody()
        self.synapse = self._tell_synapse()
        command = [*COMMAND, "run", "--config", str(self.config)]
        self.bridge = Daemon(
            "xmppbridge",
            folder,
            command,
            ready=lambda: CONNECTED in self.bridge.output(),
            environment=PYTHONPATH,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `xmppbridge` with these."""
        return subprocess.run(
            [*COMMAND, *arguments], env=PYTHONPATH, capture_output=True, text=True, check=False, timeout=60
        )

    def init(self) -> None:
        """Answer what is asked."""
        values = {
            "homeserver": f"http://{HOST}:{self._synapse_port}",
            "server_name": SERVER_NAME,
            "listen": f"{HOST}:{free_port()}",
        }
        options = [part for key, value in values.items() for part in ("--option", f"{key}={value}")]
        port = str(self.prosody.component_port)
        where = ("--server", "prosody", "--port", port, "--output", str(self.config))
        made = self.run("init", "--yes", "--network", "matrix", "--domain", GATEWAY, *where, *options)
        assert made.returncode == 0, made.stderr
        web = {"listen": f"{HOST}:{self.files.rpartition(':')[2]}", "url": self.files}
        with self.config.open("a") as config:
            config.write(table("web", web))

    def _tell_prosody(self) -> None:
        with (self.folder / "prosody/prosody.cfg.lua").open("a") as config:
            config.write((self.folder / "xmppbridge.prosody.cfg.lua").read_text())

    def _tell_synapse(self) -> Synapse:
        """Take the part over as it is, and the registration to where this Synapse looks for it."""
        part = self.folder / "synapse/xmppbridge.yaml"
        here = str(self.folder / f"{GATEWAY}.registration.yaml")
        text = (self.folder / f"{GATEWAY}.homeserver.yaml").read_text()
        assert text.count("/etc/matrix-synapse/xmppbridge.yaml") == 1
        part.write_text(text.replace("/etc/matrix-synapse/xmppbridge.yaml", here))
        return Synapse(self.folder / "synapse", [], port=self._synapse_port, parts=[part])

    def check(self) -> tuple[int, str]:
        """Return the code and the words of `xmppbridge check --live`."""
        found = self.run("check", "--live", "--config", str(self.config))
        return found.returncode, found.stdout


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator whose Prosody and Synapse run with what `init` wrote; the bridge does not yet."""
    made = Operator(tmp_path_factory.mktemp("operator"))
    made.prosody.daemon.start()
    made.synapse.start()
    yield made
    for daemon in (made.bridge, made.synapse.daemon, made.prosody.daemon):
        daemon.close()


async def test_what_init_writes_is_a_gateway_that_works(operator: Operator, loop: asyncio.AbstractEventLoop):
    """Each server takes its part as it is; the check is content before and after; a first room is entered."""
    before = await asyncio.to_thread(operator.check)
    await asyncio.to_thread(operator.bridge.start)
    operator.prosody.register("romeo")
    juliet = await MatrixPerson.register(operator.synapse, "juliet")
    public = {"visibility": nio.RoomVisibility.public, "preset": nio.RoomPreset.public_chat}
    room = await juliet.create_room(alias="garden", **public)
    romeo = Person(f"romeo@{XMPP}/a", PASSWORD, operator.prosody.client_port, GATEWAY)
    await romeo.log_in()
    await romeo.join(f"#garden\\3a{SERVER_NAME}@{GATEWAY}", "romeo")
    romeo.say(f"#garden\\3a{SERVER_NAME}@{GATEWAY}", "what light is this?")
    await juliet.hears(room, "what light is this?", sender=f"@_xmpp_romeo=40{XMPP}:{SERVER_NAME}")
    beside = await asyncio.to_thread(operator.check)
    await romeo.log_out()
    await juliet.close()
    for code, words in (before, beside):
        assert f"{GATEWAY}: {HOST}:{operator.prosody.component_port} accepts the secret" in words
        assert f"homeserver {operator.synapse.url}: works both ways\n" in words
        assert f"{operator.files}: leads to 127.0.0.1:" in words
        assert code == 0, words
