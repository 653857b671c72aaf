"""Whether homeserver and gateway reach each other."""

from __future__ import annotations

import pytest
from twisted.logger import globalLogPublisher

from bridge.errors import Trouble
from tests.transports.matrix.web import Scene, outcome
from transports.matrix.http_connection import LinkError
from transports.matrix.ping import STEADY_PAUSE, Pings, Way, ping


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_ping_that_comes_back_works_both_ways(scene):
    """The homeserver called us back."""
    asked = ping(scene.server, "xmppbridge", "t")
    request = scene.http.take()
    assert (request.method, request.path) == ("POST", "/_matrix/client/v1/appservice/xmppbridge/ping")
    assert request.body == {"transaction_id": "t"}
    request.reply({"duration_ms": 12})
    assert outcome(asked) is Way.BOTH


@pytest.mark.parametrize(
    ("status", "said", "way"),
    [
        (401, {"errcode": "M_UNKNOWN_TOKEN"}, Way.NOT_KNOWN),
        (403, {"errcode": "M_FORBIDDEN"}, Way.OTHER_ID),
        (404, {}, Way.NO_HOMESERVER),
        (400, {"errcode": "M_URL_NOT_SET"}, Way.NO_URL),
        (502, {"errcode": "M_CONNECTION_FAILED"}, Way.NO_WAY_BACK),
        (504, {"errcode": "M_CONNECTION_TIMEOUT"}, Way.NO_WAY_BACK),
        (502, {"errcode": "M_BAD_STATUS", "status": 403}, Way.BAD_TOKEN),
        (502, {"errcode": "M_BAD_STATUS", "status": 404, "body": "<html>"}, Way.BAD_ANSWER),
        (404, {"errcode": "M_UNRECOGNIZED"}, Way.NO_PING),
        (502, {}, Way.NOT_THERE),
    ],
)
def test_ping_that_fails_says_which_direction_is_broken(scene, status, said, way):
    """Each failure has its own words for the operator, at once and without another attempt."""
    asked = ping(scene.server, "xmppbridge")
    scene.http.take().reply(said, status)
    assert outcome(asked) is way
    assert scene.clock.getDelayedCalls() == []


def test_homeserver_that_is_down_is_pinged_until_it_is_there(scene):
    """Gateway and homeserver may be started in any order; what changes is logged once."""
    words: list[str] = []
    observer = lambda event: words.append(event.get("state", ""))  # noqa: E731
    globalLogPublisher.addObserver(observer)
    ways: list[Way] = []
    pings = Pings(scene.server, "xmppbridge", scene.clock, lambda: 0.5, ways.append)
    assert pings.way is Way.UNKNOWN
    pings.start()
    for pause in (1, 2, 4):
        scene.http.take().answer.errback(LinkError(Trouble.UNREACHABLE, sent=False))
        assert pings.way is Way.NOT_THERE
        scene.clock.advance(pause)
    scene.http.take().reply()
    globalLogPublisher.removeObserver(observer)
    assert (pings.way, len(scene.clock.getDelayedCalls())) == (Way.BOTH, 1)
    assert words == [Way.NOT_THERE.value, Way.BOTH.value]
    assert ways == [Way.NOT_THERE, Way.BOTH]


def test_homeserver_that_does_not_answer_any_more_is_pinged_at_once(scene):
    """A request without an answer casts doubt; one ping at a time looks into it."""
    ways: list[Way] = []
    pings = Pings(scene.server, "xmppbridge", scene.clock, lambda: 0.5, ways.append)
    scene.server.lost = pings.doubt
    pings.start()
    scene.http.take().reply()
    asked = scene.server.call("GET", "/x", patience=0)
    scene.http.take().answer.errback(LinkError(Trouble.UNREACHABLE, sent=False))
    assert outcome(asked).trouble is Trouble.UNREACHABLE
    pings.doubt()
    scene.http.take().answer.errback(LinkError(Trouble.UNREACHABLE, sent=False))
    assert ways == [Way.BOTH, Way.NOT_THERE]
    pings.doubt()
    assert scene.http.asked == []
    scene.clock.advance(1)
    scene.http.take().reply()
    assert ways == [Way.BOTH, Way.NOT_THERE, Way.BOTH]


def test_ping_that_works_is_repeated_now_and_then(scene):
    """A homeserver that cannot reach us any more is else only silent."""
    ways: list[Way] = []
    pings = Pings(scene.server, "xmppbridge", scene.clock, lambda: 0.5, ways.append)
    pings.start()
    scene.http.take().reply()
    scene.clock.advance(STEADY_PAUSE)
    scene.http.take().reply({"errcode": "M_CONNECTION_FAILED"}, 502)
    assert ways == [Way.BOTH, Way.NO_WAY_BACK]


def test_pings_that_are_stopped_do_not_go_on(scene):
    """After the end nothing is asked, whatever the last answer was."""
    ways: list[Way] = []
    pings = Pings(scene.server, "xmppbridge", scene.clock, lambda: 0.5, ways.append)
    pings.start()
    scene.http.take().reply(status=502)
    pings.stop()
    scene.clock.advance(1000)
    assert scene.http.asked == []
    pings = Pings(scene.server, "xmppbridge", scene.clock, lambda: 0.5, ways.append)
    pings.start()
    pings.stop()
    scene.http.take().reply(status=502)
    assert scene.clock.getDelayedCalls() == []


def test_homeserver_that_pushes_again_is_pinged_at_once(scene):
    """One ping at a time, however long the pause is by now; it is tried though the last trouble is known."""
    pings = Pings(scene.server, "xmppbridge", scene.clock, lambda: 0.5, lambda way: None)
    pings.start()
    scene.http.take().answer.errback(LinkError(Trouble.UNREACHABLE, sent=False))
    pings.hurry()
    pings.hurry()
    [request] = scene.http.asked
    request.reply()
    assert pings.way is Way.BOTH
