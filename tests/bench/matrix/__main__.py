"""Load on the gateway between XMPP and Matrix: a real Prosody, a real Synapse, real clients.

    python -m tests.bench.matrix [--gateways xmppbridge,matridge] [--rows to,from,crowd] [--rate 100]

Starts everything itself, on loopback. Several users talk in one room at the rate that is asked for; each
message is timed from its sender's socket to a receiver's client, and none may be lost. The homeserver, on
SQLite or PostgreSQL, shares the machine and is what limits: its CPU is shown beside the gateway's. matridge is measured
where 0.3.3 of it is installed (0.4.1 lets nobody in); its users have accounts of their own. It holds few messages a
second (--rate 3).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import nio
import psycopg

from bridge.secret import Secret
from tests.bench.figures import table
from tests.bench.matrix.crowd import IDLE, gather_crowd, join_crowd
from tests.bench.matrix.crowd_rows import ROOM_VERSION, multiply
from tests.bench.matrix.figures import FIGURES
from tests.bench.matrix.gateways import Bridge, Matridge, MatrixGateway
from tests.bench.matrix.people import Listener, MatrixListener, MatrixSpeaker
from tests.bench.matrix.talk import pace
from tests.bench.usage import cpu_seconds, resident_bytes
from tests.live.peers.daemon import HOST, free_port
from tests.live.peers.postgresql import USER, cluster
from tests.live.peers.synapse import SERVER_NAME, Synapse
from tests.live.peers.xmpp import PASSWORD, Prosody
from transports.matrix.config import MatrixConfig
from transports.matrix.registration import registration

ROWS = ("alone", "to", "from", "crowd")
CROWD = "_crowd_"
ALONE = "homeserver"
"""Who is measured without a gateway."""


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.matrix",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--gateways", default="xmppbridge", help="of xmppbridge, matridge")
    parser.add_argument("--rows", default="alone,to,from", help="of " + ", ".join(ROWS))
    parser.add_argument("--rate", type=float, default=100.0, help="messages per second")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long they talk")
    parser.add_argument("--speakers", type=int, default=5, help="users who talk")
    parser.add_argument("--members", type=int, default=20_000, help="of the crowd")
    parser.add_argument("--database", default="sqlite", choices=("sqlite", "postgresql"), help="Synapse's")
    parser.add_argument("--runs", type=int, default=1)
    return parser.parse_args()


class Bench:
    """The servers, and the people on them."""

    def __init__(self, folder: Path, chosen: argparse.Namespace, parts: Sequence[Path]) -> None:
        self.chosen = chosen
        self.folder = folder
        self.prosody = Prosody(self._folder("prosody"))
        self.config = _config("gateway", "_jabber_")
        self.crowd = _config("crowd", CROWD)
        paths = []
        for config in (self.config, self.crowd):
            paths.append(folder / f"{config.id}.yaml")
            paths[-1].write_text(registration(config))
        paths[-1].write_text(paths[-1].read_text().replace(f"http://{self.crowd.listen}", "null"))
        port = int(self.config.homeserver.rpartition(":")[2])
        self.synapse = Synapse(self._folder("synapse"), paths, port=port, parts=parts)
        self.results: dict[str, dict[str, list[float]]] = {}

    def _folder(self, name: str) -> Path:
        made = self.folder / name
        made.mkdir()
        return made

    def _gateway(self, name: str) -> MatrixGateway:
        if name == Matridge.name:
            return Matridge(self._folder(name), self.prosody, self.synapse)
        return Bridge(self._folder(name), self.prosody, self.config)

    async def run(self) -> None:
        """Measure one gateway after the other."""
        for daemon in (self.prosody.daemon, self.synapse):
            await asyncio.to_thread(daemon.start)
        try:
            if "alone" in self.chosen.rows.split(","):
                await self._alone()
            if "crowd" in self.chosen.rows.split(","):
                for name in self.chosen.gateways.split(","):
                    await self._gather(name)
            for name in self.chosen.gateways.split(","):
                gateway = self._gateway(name)
                await asyncio.to_thread(gateway.daemon.start)
                self.results[name] = defaultdict(list)
                try:
                    await self._measure(gateway)
                finally:
                    gateway.daemon.close()
        finally:
            self.synapse.daemon.close()
            self.prosody.daemon.close()

    def _note(self, name: str, figures: dict[str, float]) -> None:
        for figure, value in figures.items():
            self.results[name][figure].append(value)
        print(
            name,
            json.dumps({figure: round(value, 2) for figure, value in figures.items()}),
            file=sys.stderr,
        )

    async def _person(self, gateway: MatrixGateway, name: str) -> Listener:
        self.prosody.register(name)
        person = Listener(
            f"{name}@{self.prosody.domain}/a", PASSWORD, self.prosody.client_port, gateway.domain
        )
        await person.log_in()
        return person

    async def _measure(self, gateway: MatrixGateway) -> None:
        pid = gateway.daemon.pid
        self._note(gateway.name, {"idle_rss": resident_bytes(pid) / 1_000_000})
        rows = set(self.chosen.rows.split(","))
        if rows & {"to", "from"}:
            await self._talk(gateway, rows)
        if "crowd" in rows:
            await self._crowd(gateway)

    async def _open(self, alias: str, version: str | None = None) -> tuple[MatrixListener, str]:
        """Make a public room, and somebody who listens there."""
        owner = await MatrixListener.register(self.synapse, f"{alias}.owner")
        public = {"visibility": nio.RoomVisibility.public, "preset": nio.RoomPreset.public_chat}
        return owner, await owner.create_room(alias=alias, room_version=version, **public)

    async def _alone(self) -> None:
        """Have people of the homeserver talk with nobody of XMPP there: faster than this no gateway can be."""
        listener, room = await self._open(ALONE)
        speakers = [
            await MatrixSpeaker.register(self.synapse, f"{ALONE}.speaker{n}")
            for n in range(self.chosen.speakers)
        ]
        for speaker in speakers:
            await speaker.join(room)
        self.results[ALONE] = defaultdict(list)
        says = [partial(speaker.say, room) for speaker in speakers]
        pids = self.synapse.daemon.pid, self.synapse.daemon.pid
        for _ in range(self.chosen.runs):
            asked = (self.chosen.rate, self.chosen.seconds, *pids)
            figures = await pace("from", says, MatrixListener.arrivals, *asked)
            self._note(ALONE, {name: value for name, value in figures.items() if name != "from_cpu"})
        for one in (listener, *speakers):
            await one.close()

    async def _talk(self, gateway: MatrixGateway, rows: set[str]) -> None:
        chosen, gateway_pid, homeserver = self.chosen, gateway.daemon.pid, self.synapse.daemon.pid
        alias = f"#{gateway.name}:{SERVER_NAME}"
        listener, room = await self._open(gateway.name)
        there = [
            await MatrixSpeaker.register(self.synapse, f"{gateway.name}.speaker{n}")
            for n in range(chosen.speakers)
        ]
        for speaker in there:
            await speaker.join(room)
        here = [await self._person(gateway, f"{gateway.name}{n}") for n in range(chosen.speakers)]
        places = [await gateway.enter(person, alias, room) for person in here]
        await asyncio.sleep(2)
        used = cpu_seconds(gateway_pid)
        await asyncio.sleep(IDLE)
        self._note(gateway.name, {"idle_cpu": 1000 * (cpu_seconds(gateway_pid) - used) / IDLE})
        from_xmpp = [partial(_say, *both) for both in zip(here, places, strict=True)]
        from_matrix = [partial(speaker.say, room) for speaker in there]
        for _ in range(chosen.runs):
            for prefix, speakers, arrivals in (
                ("to", from_xmpp, MatrixListener.arrivals),
                ("from", from_matrix, Listener.arrivals),
            ):
                if prefix in rows:
                    asked = (chosen.rate, chosen.seconds, gateway_pid, homeserver)
                    self._note(gateway.name, await pace(prefix, speakers, arrivals, *asked))
        for person in here:
            await person.log_out()
        for one in (listener, *there):
            await one.close()

    async def _gather(self, name: str) -> None:
        """Make a room with very many members: one joins, and his copies go into the database."""
        owner, room = await self._open(f"{name}.crowd", ROOM_VERSION)
        await owner.close()
        first, members = f"{CROWD}{name}", self.chosen.members
        is_sqlite = self.chosen.database == "sqlite"
        token = self.crowd.as_token.reveal()
        await gather_crowd(self.synapse, token, first, room, 1 if is_sqlite else members)
        if is_sqlite:
            await asyncio.to_thread(self.synapse.daemon.stop)
            database = self.synapse.folder / "homeserver.db"
            await asyncio.to_thread(multiply, database, f"@{first}0:{SERVER_NAME}", members - 1)
            await asyncio.to_thread(self.synapse.start)

    async def _crowd(self, gateway: MatrixGateway) -> None:
        first = await self._person(gateway, f"{gateway.name}first")
        alias = f"#{gateway.name}.crowd:{SERVER_NAME}"
        self._note(gateway.name, await join_crowd(gateway, first, alias, self.chosen.members))
        await first.log_out()


def _say(person: Listener, place: str, text: str) -> None:
    person.say(place, text)


def _config(name: str, prefix: str) -> MatrixConfig:
    return MatrixConfig(
        homeserver=f"http://{HOST}:{free_port()}",
        server_name=SERVER_NAME,
        as_token=Secret(f"{name}-as"),
        hs_token=Secret(f"{name}-hs"),
        listen=f"{HOST}:{free_port()}",
        id=name,
        sender=name,
        prefix=prefix,
    )


def _on_postgresql(socket: str) -> dict[str, Any]:
    """Make a database as Synapse wants it, and return how it finds it; it needs psycopg2 for it."""
    with psycopg.connect(f"postgresql:///postgres?host={socket}&user={USER}", autocommit=True) as connection:
        connection.execute("CREATE DATABASE synapse TEMPLATE template0 LOCALE 'C'")
    return {"database": {"name": "psycopg2", "args": {"user": USER, "dbname": "synapse", "host": socket}}}


def main() -> None:
    """Measure what is asked for and print the table."""
    chosen = options()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        parts = []
        if chosen.database == "postgresql":
            parts.append(Path(folder) / "database.yaml")
            parts[0].write_text(json.dumps(_on_postgresql(stack.enter_context(cluster()))))
        bench = Bench(Path(folder), chosen, parts)
        asyncio.run(bench.run())
    print(table(FIGURES, bench.results, Bridge.name))


if __name__ == "__main__":
    main()
