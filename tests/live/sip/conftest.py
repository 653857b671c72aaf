"""Fixtures: Kamailio, the gateway between it and Prosody, and a stage for each test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import pytest

from tests.live.cast.browser import BrowserPerson
from tests.live.cast.jingle import Habits
from tests.live.cast.web_phone import WebPhone
from tests.live.conftest import MakeTelephone
from tests.live.peers import xmpp
from tests.live.peers.baresip import Baresip
from tests.live.peers.browser import WEB_PHONE, Browser
from tests.live.peers.daemon import HOST, free_port
from tests.live.peers.dns import Nameserver
from tests.live.peers.gateway import SipBridge
from tests.live.peers.kamailio import PASSWORD, Kamailio
from tests.live.peers.rtpengine import Rtpengine
from tests.live.sip.stage import (
    BRANCH,
    BRANCH_PASSWORD,
    CHAT_DOMAIN,
    GUESSER,
    OWNER,
    SCANNER,
    STRANGER,
    THIEF,
    WRITER,
    SipStage,
)
from tests.live.stage import House

SIP_DOMAIN = "sip.test"
MakeDesk = Callable[..., Awaitable[Baresip]]
MakeSurfer = Callable[..., Awaitable[BrowserPerson]]
MakeWebPhone = Callable[..., Awaitable[WebPhone]]


@pytest.fixture(scope="session")
def sip_port() -> int:
    """Where the gateway listens for SIP."""
    return free_port()


@pytest.fixture(scope="session")
def kamailio(house: House, sip_port: int) -> Kamailio:
    """A SIP server that sends to the gateway what is for its domain."""
    made = Kamailio(house.make_folder("kam"), SIP_DOMAIN, sip_port)
    made.daemon.start()
    house.own(made.daemon)
    return made


@pytest.fixture(scope="session")
def sip_keys_port() -> int:
    """Where the gateway is told which keys were pressed."""
    return free_port()


@pytest.fixture(scope="session")
def sip_rtpengine(house: House, sip_keys_port: int) -> Rtpengine:
    """What carries the media of the gateway's calls."""
    made = Rtpengine(house.make_folder("rtpengine"), sip_keys_port)
    made.daemon.start()
    house.own(made.daemon)
    return made


@pytest.fixture(scope="session")
def sip_tls_port() -> int:
    """Where it listens for SIP over TLS."""
    return free_port()


@pytest.fixture(scope="session")
def sip_ws_port() -> int:
    """Where it listens for SIP over WebSocket."""
    return free_port()


@pytest.fixture(scope="session")
def sip_listens(sip_port: int, sip_tls_port: int, sip_ws_port: int) -> list[str]:
    """All that."""
    ports = {"udp": sip_port, "tcp": sip_port, "tls": sip_tls_port, "ws": sip_ws_port}
    return [f"{transport} {HOST}:{port}" for transport, port in ports.items()]


@pytest.fixture(scope="session")
def sip_names() -> Iterator[Nameserver]:
    """The nameserver that the gateway asks."""
    made = Nameserver()
    yield made
    made.close()


def trunks(kamailio: Kamailio, people: str) -> dict[str, dict[str, object]]:
    """The ways by Kamailio, and those that log in; `people` are all users of that domain."""
    server: dict[str, object] = {"server": f"sip:{HOST}:{kamailio.port}", "domain": kamailio.domain}
    account = {
        "username": "4711",
        "password": PASSWORD,
        "register": True,
        "publish": True,
        "owner": f"{OWNER}@{people}",
    }
    login = {"server": "", "users": [people], "inbound_password": BRANCH_PASSWORD}
    return {
        "desk": {**server, **account},
        "flow": {
            **{**server, "server": f"{server['server']};transport=tcp"},
            **{**account, "username": "4713", "publish": False},
        },
        "chat": {**server, "domain": CHAT_DOMAIN, "users": [people], "chat": "msrp"},
        "pbx": {**server, "users": [people, f"muc.{people}"], "numbers": ["+1555*"], "max_message": 20000},
        "branch": {
            **login,
            "domain": "branch.test",
            "numbers": ["+1666*"],
            "inbound_username": "branch",
            "trusts_identity": True,
        },
        "old": {**login, "domain": "old.test", "inbound_username": "old", "inbound_algorithms": ["MD5"]},
    }


@pytest.fixture(scope="session")
def sip_bridge(
    house: House,
    kamailio: Kamailio,
    sip_rtpengine: Rtpengine,
    sip_keys_port: int,
    sip_listens: list[str],
    sip_names: Nameserver,
) -> SipBridge:
    """The gateway, with an account of one user's at Kamailio, and a trunk for everybody there."""
    xmpp = house.xmpp("prosody")
    certificate = house.authority.issue("sip", SIP_DOMAIN)
    made = SipBridge(
        house.make_folder("sip"),
        f"sip.{xmpp.domain}",
        xmpp.component_port,
        {
            "domain": SIP_DOMAIN,
            "listen": sip_listens,
            "websocket_proxies": [HOST],
            "websocket_origins": ["null", "https://www.example.test"],
            "certificate": str(certificate.certificate),
            "key": str(certificate.key),
            "ca_file": str(house.authority.root),
            "nameservers": [f"{HOST}:{sip_names.port}"],
            "federation": True,
            "conferences": [f"conf*@{kamailio.domain}"],
            "account_key": "a secret of the operator",
            "allowed_peers": [STRANGER, SCANNER, BRANCH, GUESSER, THIEF, WRITER],
            "call_log": str(house.make_folder("calls") / "calls.jsonl"),
        },
        trunks(kamailio, xmpp.domain),
        {
            "rtpengine": [sip_rtpengine.address],
            "sip_interface": "int",
            "xmpp_interface": "pub",
            "dtmf_listen": f"{HOST}:{sip_keys_port}",
        },
        f"admin@{xmpp.domain}",
        {"listen": [f"tcp {HOST}:{free_port()}", f"tls {HOST}:{free_port()}"]},
    )
    made.daemon.start()
    house.own(made.daemon)
    return made


@pytest.fixture
def sip_stage(
    house: House,
    kamailio: Kamailio,
    sip_bridge: SipBridge,
    sip_port: int,
    loop: asyncio.AbstractEventLoop,
    request: pytest.FixtureRequest,
) -> Iterator[SipStage]:
    """An XMPP server, a SIP server, and the gateway between them."""
    made = SipStage(house, kamailio, sip_bridge, SIP_DOMAIN, sip_port)
    yield made
    loop.run_until_complete(made.close())
    if request.session.testsfailed:
        print(sip_bridge.daemon.tail())
    assert "Traceback" not in sip_bridge.daemon.output()


async def at_desk(
    stage: SipStage, telephone: MakeTelephone, name: str = "bob", habits: str = "", **facts: object
) -> Baresip:
    """Return a telephone at Kamailio, with G.711 and a tone of 1000 Hz unless something else is said.

    `habits` are further parameters of its account.
    """
    domain, way = (
        stage.kamailio.domain,
        f';auth_pass={PASSWORD};outbound="sip:{HOST}:{stage.kamailio.port}"{habits}',
    )
    user = f"{name}{stage.number}"
    return await telephone(user, **{"domain": domain, "account": way, "frequency": 1000, **facts})


@pytest.fixture
def desk(sip_stage: SipStage, telephone: MakeTelephone) -> MakeDesk:
    """Make telephones that are registered at Kamailio."""
    return partial(at_desk, sip_stage, telephone)


@pytest.fixture
def surfer(sip_stage: SipStage, browser: Browser, loop: asyncio.AbstractEventLoop) -> Iterator[MakeSurfer]:
    """Make people who are logged in from a page."""
    server, people = sip_stage.xmpp, []
    assert isinstance(server, xmpp.Prosody)

    async def make(name: str, **habits: object) -> BrowserPerson:
        local = f"{name}{sip_stage.number}"
        await asyncio.to_thread(server.register, local)
        jid, page = f"{local}@{server.domain}/page", await browser.page()
        told = Habits(**habits)  # type: ignore[arg-type]
        person = await BrowserPerson.log_in(page, jid, xmpp.PASSWORD, server.websocket, told)
        people.append(person)
        return person

    async def log_out() -> None:
        await asyncio.gather(*(person.log_out() for person in people))

    yield make
    loop.run_until_complete(log_out())


@pytest.fixture
def web_phone(
    sip_stage: SipStage, sip_ws_port: int, browser: Browser, loop: asyncio.AbstractEventLoop
) -> Iterator[MakeWebPhone]:
    """Make phones that are pages, with a tone of 1000 Hz, at the gateway's WebSocket or another."""
    phones: list[WebPhone] = []

    async def make(uri: str, url: str = f"ws://{HOST}:{sip_ws_port}/sip") -> WebPhone:
        made = await WebPhone.switch_on(await browser.page(WEB_PHONE), url, uri, 1000)
        phones.append(made)
        return made

    async def switch_off() -> None:
        await asyncio.gather(*(phone.close() for phone in phones))

    yield make
    loop.run_until_complete(switch_off())
