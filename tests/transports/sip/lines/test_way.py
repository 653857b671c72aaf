"""How a user reaches a contact."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bridge.errors import Trouble
from tests.transports.sip.lines.test_errands import Agent, means
from transports.sip.agent.routing import Hop
from transports.sip.config import TrunkConfig
from transports.sip.lines.callerid import Shown
from transports.sip.lines.location import parse_location
from transports.sip.lines.routes import Route, Trunk
from transports.sip.lines.way import Way
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.uri import parse_uri

FAR, ROMEO = parse_uri("sip:bob@192.0.2.9:5070"), parse_uri("sip:romeo%40a.example@gw.example")
SHOWN = Shown(author=NameAddr(uri=ROMEO), caller=NameAddr(uri=ROMEO))
MEANS = means(Agent(None))


def test_stranger_is_where_his_address_says() -> None:
    """Nobody answers challenges for us there, and a MESSAGE is a short one."""
    way = Way(Route(uri=FAR, trunk=None), SHOWN, None, MEANS)
    found: list = []
    Deferred.fromCoroutine(way.hops()).addCallback(found.append)
    assert found == [[Hop("UDP", "192.0.2.9", 5070)]]
    assert (way.client, way.limit, way.sender) == (None, 1300, ROMEO)


def test_nobody_dials_a_trunk_by_its_address() -> None:
    """It may know us by ours, and no rule for numbers would count; names are no numbers."""
    failed: list = []
    for user in ("+1900123", "0900;x=y", "bob"):
        uri = parse_uri(f"sip:{user}@192.0.2.9")
        way = Way(Route(uri=uri, trunk=None), SHOWN, None, MEANS, is_trunks=lambda host: host == "192.0.2.9")
        Deferred.fromCoroutine(way.hops()).addErrback(lambda failure: failed.append(failure.value.trouble))
    assert failed == [Trouble.NOT_ALLOWED] * 2


def test_trunk_says_how_long_a_message_may_be() -> None:
    """Its operator knows what is behind it."""
    config = TrunkConfig(server="sip:192.0.2.9", max_message=20_000)
    trunk = Trunk(name="pbx", config=config, server=parse_location(config.server), domain="192.0.2.9")
    assert Way(Route(uri=FAR, trunk=trunk), SHOWN, None, MEANS).limit == 20_000


def test_stranger_reaches_the_user_under_our_own_address() -> None:
    """As whom he writes."""
    way = Way(Route(uri=FAR, trunk=None), SHOWN, None, MEANS)
    assert str(way.contact(Hop("UDP", "192.0.2.9", 5070))) == "sip:romeo%40a.example@gw.example"
    assert way.caller_fields == way.author_fields == ()
