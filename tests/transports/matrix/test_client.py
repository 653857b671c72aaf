"""The homeserver's client-server API, as we use it."""

from __future__ import annotations

import pytest
from nio.api import Api
from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from tests.transports.matrix.web import Scene, outcome
from transports.matrix import client
from transports.matrix.client import transaction_id
from transports.matrix.http_connection import Answer, LinkError
from transports.matrix.refusal import Refusal

GHOST = "@_xmpp_romeo=40montague.lit:hs.test"
OTHER = "@_xmpp_juliet=40capulet.lit:hs.test"
ROOM = "!room"


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_call_names_us_in_a_header_and_the_ghost_in_the_query(scene):
    """The token is in no URL, where it would be logged; the ghost and its device are."""
    scene.register(GHOST)
    asked = scene.server.call("PUT", "/p", query={"ts": "1"}, body={"a": 1}, user=GHOST, device="D")
    request = scene.http.take()
    assert (request.method, request.server, request.path) == ("PUT", "http://hs.test", "/p")
    assert request.query == {"ts": ["1"], "user_id": [GHOST], "device_id": ["D"]}
    assert request.headers == {"Authorization": "Bearer secret", "Content-Type": "application/json"}
    assert request.body == {"a": 1}
    request.reply({"b": [2]})
    assert outcome(asked) == {"b": [2]}


def test_what_nio_builds_is_sent_without_a_token(scene):
    """A request of matrix-nio's builders goes out as it is, but for its place for a token."""
    scene.server.api(Api.room_kick("nio-token", "!r:hs.test", "@x:hs.test", "why"), user=None)
    request = scene.http.take()
    assert request.path == "/_matrix/client/v3/rooms/%21r%3Ahs.test/kick"
    assert (request.method, request.query) == ("POST", {})
    assert request.body == {"user_id": "@x:hs.test", "reason": "why"}
    scene.server.api(Api.room_messages("", "!r:hs.test", limit=5))
    assert scene.http.take().query == {"limit": ["5"], "dir": ["b"]}


def test_ghost_is_registered_once_before_its_first_request(scene):
    """Nobody registers by hand; ten requests register once, and go out afterwards."""
    for _ in range(10):
        scene.server.call("GET", "/p", user=GHOST)
    request = scene.http.take()
    assert scene.http.asked == []
    assert request.path == "/_matrix/client/v3/register"
    assert request.body == {
        "type": "m.login.application_service",
        "username": "_xmpp_romeo=40montague.lit",
        "inhibit_login": True,
    }
    request.reply({"user_id": GHOST})
    assert [one.path for one in scene.http.asked] == ["/p"] * 10
    scene.server.call("GET", "/q", user=GHOST)
    assert scene.http.asked[-1].path == "/q"


def test_ghost_of_an_earlier_run_is_good(scene):
    """That it is registered already is no error."""
    asked = scene.server.register(GHOST)
    scene.http.take().refuse(400, "M_USER_IN_USE")
    assert outcome(asked) is None
    scene.server.call("GET", "/p", user=GHOST)
    assert scene.http.take().path == "/p"


def test_ghost_that_cannot_be_registered_fails_its_request_and_is_tried_anew(scene):
    """A homeserver's refusal is told, and asked again with the next request."""
    asked = scene.server.call("GET", "/p", user=GHOST)
    scene.http.take().refuse(400, "M_EXCLUSIVE")
    assert outcome(asked).errcode == "M_EXCLUSIVE"
    scene.server.call("GET", "/p", user=GHOST)
    assert scene.http.take().path == "/_matrix/client/v3/register"


def test_registered_ghosts_are_remembered_up_to_a_bound(scene, monkeypatch):
    """Those seen longest ago are asked for again."""
    monkeypatch.setattr(client, "GHOSTS", 2)
    for user in ("@a:x", "@b:x", "@c:x"):
        scene.register(user)
    scene.server.call("GET", "/p", user="@c:x")
    assert scene.http.take().path == "/p"
    scene.server.call("GET", "/p", user="@a:x")
    assert scene.http.take().path == "/_matrix/client/v3/register"


def test_ghost_speaks_in_order_and_nobody_waits_for_others(scene):
    """A ghost's second message leaves when its first has arrived; others, and other rooms, need not wait."""
    for user in (GHOST, OTHER):
        scene.register(user)

    def say(user: str, room: str, body: str) -> Deferred:
        return scene.server.send(user, room, "m.room.message", {"body": body}, f"t{body}", 60)

    first, second = say(GHOST, ROOM, "1"), say(GHOST, ROOM, "2")
    say(OTHER, ROOM, "3")
    say(GHOST, "!other", "4")
    one, *others = [scene.http.take() for _ in range(3)]
    assert [request.body["body"] for request in (one, *others)] == ["1", "3", "4"]
    assert scene.http.asked == []
    one.reply({"event_id": "$1"})
    two = scene.http.take()
    assert two.path == "/_matrix/client/v3/rooms/%21room/send/m.room.message/t2"
    assert two.query == {"user_id": [GHOST]}
    two.reply({"event_id": "$2"})
    assert [outcome(first), outcome(second)] == ["$1", "$2"]


def test_homeserver_that_wants_a_pause_gets_it(scene):
    """429 is waited out as long as it says, then the same request is made again."""
    asked = scene.server.call("POST", "/p")
    scene.http.take().refuse(429, "M_LIMIT_EXCEEDED", retry_after_ms=7000)
    scene.clock.advance(7)
    assert scene.http.asked == []
    scene.clock.advance(0.1)
    scene.http.take().reply({"done": True})
    assert outcome(asked) == {"done": True}


def test_pause_that_is_too_long_is_told_at_once(scene):
    """Who would have to wait longer than his patience is told now."""
    asked = scene.server.call("PUT", "/p", patience=5)
    scene.http.take().refuse(429, "M_LIMIT_EXCEEDED", retry_after_ms=6000)
    assert outcome(asked).trouble is Trouble.BUSY


@pytest.mark.parametrize("status", [502, 503, 504])
def test_homeserver_that_restarts_is_waited_for(scene, status):
    """While its proxy answers for it, a message waits, and leaves when it is back."""
    asked = scene.server.call("PUT", "/p", patience=100)
    scene.http.take().answer.errback(LinkError(Trouble.UNREACHABLE, sent=False))
    assert scene.server.trouble.trouble is Trouble.UNREACHABLE
    for pause in (0.5, 1, 2, 4, 8, 15, 15):
        scene.clock.advance(pause)
        scene.http.take().refuse(status, "")
    assert scene.server.trouble is None
    scene.clock.advance(15)
    scene.http.take().reply({"event_id": "$"})
    assert outcome(asked) == {"event_id": "$"}


def test_patience_ends_with_the_last_trouble(scene):
    """A homeserver that stays away is given up in bounded time."""
    asked = scene.server.call("PUT", "/p", patience=60)
    for _ in range(100):
        if asked.called:
            break
        if scene.http.asked:
            scene.http.take().answer.errback(LinkError(Trouble.UNREACHABLE, sent=False))
        scene.clock.advance(1)
    assert scene.clock.seconds() <= 61
    assert outcome(asked).trouble is Trouble.UNREACHABLE


def test_request_without_patience_is_tried_once_all_the_same(scene):
    """That there was trouble before does not answer it: time passes while it is made."""
    failed = scene.server.call("GET", "/p", patience=0)
    scene.http.take().answer.errback(LinkError(Trouble.UNREACHABLE, sent=False))
    assert outcome(failed).trouble is Trouble.UNREACHABLE
    seconds = iter((0.0, 0.001))
    scene.clock.seconds = lambda: next(seconds, 0.001)
    asked = scene.server.call("GET", "/p", patience=0)
    scene.http.take().reply({})
    assert outcome(asked) == {}


def test_queue_of_a_homeserver_that_is_away_is_given_up_together(scene):
    """Messages of a room do not wait one after the other for the same dead homeserver."""
    scene.register(GHOST)
    asked = [scene.server.send(GHOST, ROOM, "m.room.message", {}, str(n), 5) for n in range(50)]
    for _ in range(20):
        while scene.http.asked:
            scene.http.take().answer.errback(LinkError(Trouble.UNREACHABLE, sent=False))
        scene.clock.advance(1)
    assert {outcome(one).trouble for one in asked} == {Trouble.UNREACHABLE}


def test_request_that_breaks_its_homeserver_is_not_repeated_for_ever(scene):
    """One that is answered by an internal error again and again is given up; the room goes on."""
    scene.register(GHOST)
    asked = scene.server.send(GHOST, ROOM, "m.room.message", {}, "poison", 3600)
    for attempt in range(client.FAULTS):
        scene.clock.advance(15 * (attempt > 0))
        scene.http.take().refuse(500, "M_UNKNOWN")
    assert outcome(asked).trouble is Trouble.BUSY
    scene.server.send(GHOST, ROOM, "m.room.message", {}, "next", 3600)
    assert scene.http.take().path.endswith("/next")


def test_request_that_may_have_been_done_is_done_once(scene):
    """A room is not created twice because the answer to the first was lost."""
    asked = scene.server.call("POST", "/_matrix/client/v3/createRoom", body={})
    scene.http.take().answer.errback(LinkError(Trouble.LOST, sent=True))
    assert outcome(asked).trouble is Trouble.LOST
    asked = scene.server.call("POST", "/_matrix/client/v3/createRoom", body={})
    scene.http.take().answer.errback(LinkError(Trouble.UNREACHABLE, sent=False))
    scene.clock.advance(1)
    scene.http.take().reply({"room_id": ROOM})
    assert outcome(asked) == {"room_id": ROOM}


def test_message_that_the_homeserver_took_before_it_restarted_is_not_sent_again(scene):
    """It does not know the transaction any more; but the message is there, as it was sent."""
    scene.register(GHOST)
    content = {"body": "hello", "txn": "t"}
    asked = scene.server.send(GHOST, ROOM, "m.room.message", content, "t", 60)
    scene.http.take().answer.errback(LinkError(Trouble.LOST, sent=True))
    scene.clock.advance(1)
    # it is not up yet
    scene.http.take().answer.errback(LinkError(Trouble.UNREACHABLE, sent=False))
    scene.http.take().answer.errback(LinkError(Trouble.UNREACHABLE, sent=False))
    scene.clock.advance(2)
    looked = scene.http.take()
    assert (looked.method, looked.path) == ("GET", "/_matrix/client/v3/rooms/%21room/messages")
    assert looked.query["user_id"] == [GHOST] and looked.query["filter"] == [f'{{"senders":["{GHOST}"]}}']
    other = {"event_id": "$1", "content": {"body": "hello", "txn": "s"}}
    looked.reply({"chunk": [7, other, {"event_id": "$2", "content": content}]})
    assert outcome(asked) == "$2" and not scene.http.asked


@pytest.mark.parametrize("found", [{}, {"chunk": "?"}, [], {"chunk": [{"event_id": "$1", "content": {}}]}])
def test_message_that_is_not_there_is_sent_again(scene, found):
    """Under the same transaction id."""
    scene.register(GHOST)
    asked = scene.server.send(GHOST, ROOM, "m.room.message", {"body": "hello"}, "t", 60)
    first = scene.http.take()
    first.refuse(502, "")
    scene.clock.advance(1)
    scene.http.take().reply(found)
    again = scene.http.take()
    assert (again.method, again.path) == ("PUT", first.path)
    again.reply({"event_id": "$3"})
    assert outcome(asked) == "$3"


@pytest.mark.parametrize(
    ("status", "body", "trouble"),
    [
        (403, {"errcode": "M_FORBIDDEN"}, Trouble.NO_PRIVILEGE),
        (413, {"errcode": "M_TOO_LARGE"}, Trouble.TOO_LONG),
        (401, {"errcode": "M_UNKNOWN_TOKEN"}, Trouble.LOGIN_FAILED),
        (400, {"errcode": 7, "error": ["x"]}, Trouble.REFUSED),
        (418, [1], Trouble.REFUSED),
    ],
)
def test_refusal_is_told_in_the_bridges_terms(scene, status, body, trouble):
    """Whatever the homeserver answers, the user is told something fit for him."""
    asked = scene.server.call("GET", "/p")
    scene.http.take().reply(body, status)
    error = outcome(asked)
    assert isinstance(error, Refusal)
    assert (error.trouble, error.status, bool(error.text)) == (trouble, status, True)


def test_answer_that_is_no_json_is_an_error(scene):
    """A proxy's error page with status 200 is not taken for an answer."""
    asked = scene.server.call("GET", "/p")
    scene.http.take().answer.callback(Answer(200, b"<html>"))
    assert outcome(asked).trouble is Trouble.REFUSED


def test_join_names_the_servers_that_help(scene):
    """A room of another server is joined with its help; the room's id comes back."""
    scene.register(GHOST)
    joined = scene.server.join(GHOST, "#a:b.test", ["b.test", "c.test"])
    request = scene.http.take()
    assert request.path == "/_matrix/client/v3/join/%23a%3Ab.test"
    servers = ["b.test", "c.test"]
    assert request.query == {"via": servers, "server_name": servers, "user_id": [GHOST]}
    request.reply({"room_id": ROOM})
    assert outcome(joined) == ROOM


def test_join_names_the_user_where_the_homeserver_takes_it(scene):
    """COMPAT Synapse: so others see him come in once, and not be renamed."""
    scene.register(GHOST)
    scene.server.join(GHOST, ROOM, name="romeo")
    assert scene.http.take().body == {"displayname": "romeo"}


@pytest.mark.parametrize(
    ("errcode", "words", "trouble"),
    [
        ("M_FORBIDDEN", "You are not invited to this room.", Trouble.INVITE_ONLY),
        ("M_FORBIDDEN", "@x:hs.test is banned from the room", Trouble.BANNED),
        ("M_BAD_STATE", "Cannot join user who was banned", Trouble.BANNED),
        ("M_BAD_STATE", "Something else", Trouble.REFUSED),
        ("M_NOT_FOUND", "No alias, banned or not", Trouble.NO_SUCH_ROOM),
    ],
)
def test_join_that_is_forbidden_says_why(scene, errcode, words, trouble):
    """A ban is told from a room for the invited."""
    scene.register(GHOST)
    joined = scene.server.join(GHOST, ROOM)
    scene.http.take().refuse(403, errcode, error=words)
    assert outcome(joined).trouble is trouble


def test_send_that_is_forbidden_is_told_as_no_voice(scene):
    """Who may not speak is told so."""
    scene.register(GHOST)
    sent = scene.server.send(GHOST, ROOM, "m.room.message", {}, "t", 60)
    scene.http.take().refuse(403, "M_FORBIDDEN")
    assert outcome(sent).trouble is Trouble.CANNOT_SPEAK


@pytest.mark.parametrize("answer", [{}, {"event_id": 1}, []])
def test_send_whose_answer_names_no_event_failed(scene, answer):
    """A homeserver that omits what it must say is not believed."""
    scene.register(GHOST)
    sent = scene.server.send(GHOST, ROOM, "m.room.message", {}, "t", 60)
    scene.http.take().reply(answer)
    assert isinstance(outcome(sent), BridgeError)


def test_profile_is_set_in_the_ghosts_name(scene):
    """Name and avatar are set; what is not given is left alone."""
    scene.register(GHOST)
    done = Deferred.fromCoroutine(scene.server.set_profile(GHOST, "Romeo", "mxc://hs.test/a"))
    for key, value in (("displayname", "Romeo"), ("avatar_url", "mxc://hs.test/a")):
        request = scene.http.take()
        assert request.path.endswith(f"/profile/%40_xmpp_romeo%3D40montague.lit%3Ahs.test/{key}")
        assert (request.query, request.body) == ({"user_id": [GHOST]}, {key: value})
        request.reply()
    assert outcome(done) is None


def test_closed_client_tries_nothing_again(scene):
    """On shutdown what waits fails at once, and nothing new begins."""
    waiting = scene.server.call("PUT", "/p", patience=3600)
    scene.http.take().answer.errback(LinkError(Trouble.UNREACHABLE, sent=False))
    scene.server.close()
    assert outcome(waiting).trouble is Trouble.SHUTTING_DOWN
    assert outcome(scene.server.call("GET", "/p")).trouble is Trouble.SHUTTING_DOWN
    assert (scene.http.asked, scene.http.closed, scene.clock.getDelayedCalls()) == ([], True, [])


def test_transaction_id_is_the_same_for_the_same_message_only():
    """A message sent again after a crash is not said twice; another is another."""
    one = transaction_id("romeo@montague.lit", ROOM, "stanza1")
    assert one == transaction_id("romeo@montague.lit", ROOM, "stanza1")
    assert one.isalnum()
    assert one not in (
        transaction_id("romeo@montague.lit", ROOM, "stanza2"),
        transaction_id("romeo@montague.lit!", "room", "stanza1"),
    )


@pytest.mark.parametrize(("user", "query"), [(GHOST, {"user_id": [GHOST]}), (None, {})])
def test_state_of_a_room_is_asked_for_as_somebody_in_it(scene, user, query):
    """As a ghost, or as our own user."""
    found = Deferred.fromCoroutine(scene.server.room_state(ROOM, user))
    asked = scene.http.take()
    assert (asked.method, asked.path, asked.query) == ("GET", "/_matrix/client/v3/rooms/%21room/state", query)
    asked.reply([{"type": "m.room.create"}])
    assert list(outcome(found)) == [{"type": "m.room.create"}]
