"""Fixtures: the servers of a session, the gateways between them, and a stage for each test."""

from __future__ import annotations

import asyncio
import inspect
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.cast.scripted import ScriptedIrcd
from tests.live.cast.stanzas import TIMEOUT
from tests.live.peers.baresip import Baresip
from tests.live.peers.browser import Browser
from tests.live.peers.gateway import Gateway, IrcServer
from tests.live.stage import House, Script, Stage

MakeTelephone = Callable[..., Awaitable[Baresip]]
TEST_TIMEOUT = 120.0
PAIRS = (("prosody", "inspircd"), ("ejabberd", "ngircd"), ("ejabberd", "hybrid"))
"""Which XMPP server and ircd play together; a test narrows them with ``@pytest.mark.stage(…)``."""


def pytest_configure(config: pytest.Config) -> None:
    """Declare our marks."""
    config.addinivalue_line("markers", "stage(*ircds): the IRC servers that the test needs")
    config.addinivalue_line("markers", "first: begins what takes long, before all others of the live tests")
    config.addinivalue_line("markers", "last: looks at how it ended, after all others of the live tests")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that use `stage` on each pair of servers, or on those whose ircd the mark names."""
    mark = metafunc.definition.get_closest_marker("stage")
    pairs = [pair for pair in PAIRS if mark is None or pair[1] in mark.args]
    for name in {"stage", "own_stage"} & set(metafunc.fixturenames):
        metafunc.parametrize(name, pairs, indirect=True, ids=["-".join(pair) for pair in pairs])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here as live, and put tests marked first and last there.

    What waits in the background does so while live tests run: in other tests the loop stands still.
    """
    places = [place for place, item in enumerate(items) if "tests/live" in str(item.path)]
    ordered = sorted((items[place] for place in places), key=_rank)
    for place, item in zip(places, ordered, strict=True):
        item.add_marker(pytest.mark.live)
        items[place] = item


def _rank(item: pytest.Item) -> int:
    return bool(item.get_closest_marker("last")) - bool(item.get_closest_marker("first"))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run coroutine tests on the session's event loop."""
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    test = pyfuncitem.function(**{name: pyfuncitem.funcargs[name] for name in names})
    loop: asyncio.AbstractEventLoop = pyfuncitem.funcargs["loop"]
    loop.run_until_complete(asyncio.wait_for(test, TEST_TIMEOUT))
    return True


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The one event loop of the live tests."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield made
    for task in asyncio.all_tasks(made):
        task.cancel()
    made.run_until_complete(asyncio.sleep(0))
    made.close()


@pytest.fixture(scope="session")
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A short path that daemons without privileges may read; kept when a test failed, for its logs."""
    made = Path(tempfile.mkdtemp(prefix="xb-"))
    made.chmod(0o755)
    yield made
    if request.session.testsfailed:
        print(f"\nlogs of the live tests: {made}")
    else:
        shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def house(request: pytest.FixtureRequest, folder: Path, loop: asyncio.AbstractEventLoop) -> Iterator[House]:
    """Every server of the session, started when first asked for; ended on SIGTERM too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    made = House(folder, request.config.getoption("--gateway"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def browser(house: House, loop: asyncio.AbstractEventLoop) -> Iterator[Browser]:
    """The one browser; each person has a page of his own."""
    made = Browser(house.make_folder("browser"))
    made.daemon.start()
    house.own(made.daemon)
    loop.run_until_complete(made.connect())
    yield made
    loop.run_until_complete(made.disconnect())


@pytest.fixture
def telephone(house: House, loop: asyncio.AbstractEventLoop) -> Iterator[MakeTelephone]:
    """Make telephones; they are switched on."""
    telephones = []

    async def make(name: str, **facts: Any) -> Baresip:
        made = Baresip(house.make_folder(f"baresip-{house.number()}"), name, **facts)
        telephones.append(made)
        await made.start()
        return made

    async def switch_off() -> None:
        await asyncio.gather(*(one.close() for one in telephones))

    yield make
    loop.run_until_complete(asyncio.wait_for(switch_off(), TIMEOUT))


@pytest.fixture
def stage(request: pytest.FixtureRequest, house: House, loop: asyncio.AbstractEventLoop) -> Iterator[Stage]:
    """One XMPP server, one IRC server, the gateway between them, and an unused channel."""
    xmpp, ircd = request.param
    made = house.stage(xmpp, ircd)
    yield made
    loop.run_until_complete(made.close())


@pytest.fixture(scope="session")
def script_gateway(house: House, loop: asyncio.AbstractEventLoop) -> Iterator[tuple[ScriptedIrcd, Gateway]]:
    """A scripted IRC server, and a gateway (``spare.prosody.test``) that knows no other."""
    ircd = ScriptedIrcd()
    loop.run_until_complete(ircd.start())
    yield ircd, house.start_gateway("prosody", "spare", servers=[IrcServer("scripted.test", ircd.port)])
    loop.run_until_complete(ircd.close())


@pytest.fixture
def script(
    script_gateway: tuple[ScriptedIrcd, Gateway], house: House, loop: asyncio.AbstractEventLoop
) -> Iterator[Script]:
    """A stage whose IRC server does what the test says."""
    ircd, gateway = script_gateway
    ircd.reset()
    made = Script(house, house.xmpp("prosody"), ircd, gateway, "spare.prosody.test")
    yield made
    loop.run_until_complete(made.close())


@pytest.fixture
def own_house(
    request: pytest.FixtureRequest, folder: Path, house: House, loop: asyncio.AbstractEventLoop
) -> Iterator[House]:
    """Servers of this test alone, to be killed and started again."""
    mine = folder / f"o{house.number()}"
    mine.mkdir()
    made = House(mine, request.config.getoption("--gateway"))
    yield made
    made.close()


@pytest.fixture
def own_stage(
    request: pytest.FixtureRequest, own_house: House, loop: asyncio.AbstractEventLoop
) -> Iterator[Stage]:
    """A stage whose XMPP server, IRC server and gateway are this test's own."""
    made = own_house.own_stage(*request.param)
    yield made
    loop.run_until_complete(made.close())


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> None:
    """Show the end of the gateway's log with a failure."""
    if call.when != "call" or call.excinfo is None:
        return
    for value in getattr(item, "funcargs", {}).values():
        if isinstance(value, Stage):
            item.add_report_section("call", "gateway", value.gateway.daemon.tail())
