"""Fixtures: Synapse, the reactor of our own parts, and an application service for each test."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from bridge.secret import Secret
from tests.live.cast.matrix import MatrixPerson
from tests.live.cast.web import WebSite
from tests.live.matrix.portal_stage import PortalStage
from tests.live.matrix.service import LoopReactor, Service
from tests.live.matrix.stage import MatrixStage
from tests.live.peers.daemon import HOST, free_port
from tests.live.peers.gateway import IrcServer, MatrixBridge, irc_tables, table
from tests.live.peers.synapse import SERVER_NAME, Synapse
from tests.live.peers.xmpp import SECRET
from tests.live.stage import House
from transports.matrix.config import MatrixConfig
from transports.matrix.registration import registration

Start = Callable[[], Awaitable[Service]]
Register = Callable[[str], Awaitable[MatrixPerson]]


@pytest.fixture(scope="session")
def reactor(loop: asyncio.AbstractEventLoop) -> Iterator[LoopReactor]:
    """A Twisted reactor that turns when the tests' loop does."""
    made = LoopReactor(loop)
    made.begin()
    yield made
    made.end()


@pytest.fixture(scope="session")
def matrix_config(folder: Path) -> MatrixConfig:
    """The application service that Synapse knows; the port of Synapse is filled in by `synapse`."""
    return MatrixConfig(
        homeserver=f"http://{HOST}:{free_port()}",
        server_name=SERVER_NAME,
        as_token=Secret("as-token"),
        hs_token=Secret("hs-token"),
        listen=f"{HOST}:{free_port()}",
    )


@pytest.fixture(scope="session")
def gateway_config(matrix_config: MatrixConfig) -> MatrixConfig:
    """The application service of a whole gateway, at the same homeserver."""
    return replace(
        matrix_config,
        as_token=Secret("gateway-as-token"),
        hs_token=Secret("gateway-hs-token"),
        listen=f"{HOST}:{free_port()}",
        id="gateway",
        sender="gateway",
        prefix="_jabber_",
    )


@pytest.fixture(scope="session")
def second_config(gateway_config: MatrixConfig) -> MatrixConfig:
    """The application service of a gateway at another XMPP server, at the same homeserver."""
    return replace(
        gateway_config,
        as_token=Secret("second-as-token"),
        hs_token=Secret("second-hs-token"),
        listen=f"{HOST}:{free_port()}",
        id="second",
        sender="second",
        prefix="_second_",
    )


@pytest.fixture(scope="session")
def synapse(
    folder: Path, matrix_config: MatrixConfig, gateway_config: MatrixConfig, second_config: MatrixConfig
) -> Iterator[Synapse]:
    """The homeserver of the session, with our registrations."""
    home = folder / "synapse"
    home.mkdir()
    paths = []
    for config in (matrix_config, gateway_config, second_config):
        paths.append(home / f"{config.id}.yaml")
        paths[-1].write_text(registration(config))
    made = Synapse(home, paths, port=int(matrix_config.homeserver.rpartition(":")[2]))
    made.start()
    yield made
    made.daemon.close()


@pytest.fixture
def start(
    synapse: Synapse,
    matrix_config: MatrixConfig,
    reactor: LoopReactor,
    loop: asyncio.AbstractEventLoop,
    tmp_path: Path,
) -> Iterator[Start]:
    """Start our application service; the test's next one goes on with the store of the first."""
    made: list[Service] = []

    async def begin() -> Service:
        made.append(Service(matrix_config, reactor, tmp_path / "bridge.sqlite"))
        await made[-1].start()
        return made[-1]

    yield begin
    for one in made:
        loop.run_until_complete(one.stop())


@pytest.fixture
def service(start: Start, loop: asyncio.AbstractEventLoop) -> Service:
    """Our application service, started, with an empty store."""
    return loop.run_until_complete(start())


NUMBERS = itertools.count(1)


@pytest.fixture
def person(synapse: Synapse, loop: asyncio.AbstractEventLoop) -> Iterator[Register]:
    """Make people on Matrix, each with a name that nobody had before."""
    made: list[MatrixPerson] = []

    async def register(name: str) -> MatrixPerson:
        made.append(await MatrixPerson.register(synapse, f"{name}{next(NUMBERS)}"))
        return made[-1]

    yield register
    for one in made:
        loop.run_until_complete(one.close())


@pytest.fixture(scope="session")
def site_port() -> int:
    """Where somebody else's web server is that files may be fetched from."""
    return free_port()


@pytest.fixture
def site(site_port: int, loop: asyncio.AbstractEventLoop) -> Iterator[WebSite]:
    """That server, with nothing on it."""
    made = WebSite(site_port)
    loop.run_until_complete(made.start())
    yield made
    loop.run_until_complete(made.stop())


@pytest.fixture
def web(loop: asyncio.AbstractEventLoop) -> Iterator[aiohttp.ClientSession]:
    """A browser."""

    async def begin() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    made = loop.run_until_complete(begin())
    yield made
    loop.run_until_complete(made.close())


@pytest.fixture(scope="session")
def bridge(synapse: Synapse, gateway_config: MatrixConfig, house: House, site_port: int) -> MatrixBridge:
    """A gateway between Prosody and the homeserver."""
    xmpp = house.xmpp("prosody")
    made = MatrixBridge(
        house.make_folder("mx"),
        f"mx.{xmpp.domain}",
        xmpp.component_port,
        gateway_config,
        fetch_allowed=[f"{HOST}:{site_port}"],
    )
    made.daemon.start()
    house.own(made.daemon)
    return made


@pytest.fixture
def matrix_stage(
    synapse: Synapse,
    bridge: MatrixBridge,
    house: House,
    loop: asyncio.AbstractEventLoop,
    request: pytest.FixtureRequest,
) -> Iterator[MatrixStage]:
    """An XMPP server, a homeserver, the gateway between them, and a room that nobody used."""
    made = MatrixStage(house, synapse, bridge)
    yield made
    loop.run_until_complete(made.close())
    if request.session.testsfailed:
        print(bridge.daemon.tail())
    assert "Traceback" not in bridge.daemon.output()


@pytest.fixture(scope="session")
def second_bridge(
    synapse: Synapse, second_config: MatrixConfig, house: House, site_port: int
) -> MatrixBridge:
    """A gateway between ejabberd and the homeserver, and one to IRC (``spare``) in the same process."""
    xmpp, ircd = house.xmpp("ejabberd"), house.ircd("ngircd")
    made = MatrixBridge(
        house.make_folder("mx2"),
        f"mx.{xmpp.domain}",
        xmpp.component_port,
        second_config,
        fetch_allowed=[f"{HOST}:{site_port}"],
    )
    prefix = f'gateways."spare.{xmpp.domain}"'
    component = {"host": HOST, "port": xmpp.component_port, "secret": SECRET}
    written = table(prefix, {"network": "irc"}) + table(f"{prefix}.component", component)
    written += irc_tables(prefix, [IrcServer(ircd.name, ircd.port)], house.authority.root, {})
    made.config.write_text(made.config.read_text() + written)
    made.daemon.start()
    house.own(made.daemon)
    return made


@pytest.fixture(params=["prosody", "ejabberd"])
def portal_stage(
    synapse: Synapse, house: House, loop: asyncio.AbstractEventLoop, request: pytest.FixtureRequest
) -> Iterator[PortalStage]:
    """An unused room on Prosody, and on ejabberd, and a gateway between it and the homeserver."""
    is_first = request.param == "prosody"
    bridge = request.getfixturevalue("bridge" if is_first else "second_bridge")
    config = request.getfixturevalue("gateway_config" if is_first else "second_config")
    made = PortalStage(house, synapse, bridge, house.xmpp(request.param), config.prefix)
    yield made
    loop.run_until_complete(made.close())
    if request.session.testsfailed:
        print(bridge.daemon.tail())
    assert "Traceback" not in bridge.daemon.output()
