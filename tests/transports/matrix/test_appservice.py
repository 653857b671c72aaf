"""The application service API, byte for byte as the homeserver speaks it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from tests.transports.matrix.web import outcome
from transports.matrix import appservice
from transports.matrix.appservice import ApplicationService, read_transaction

V1 = "/_matrix/app/v1"
LIMIT = 10_000


class Transport(StringTransport):
    """Knows its ends, as a real one."""

    aborted = False

    def __init__(self) -> None:
        super().__init__(peerAddress=IPv4Address("TCP", "127.0.0.1", 1))

    def abortConnection(self) -> None:
        self.aborted = True


class Scene:
    """A service, and what it was given."""

    def __init__(self) -> None:
        self.reactor = MemoryReactorClock()
        self.taken: list[tuple] = []
        self.asked: list[str] = []
        self.lost = 0
        self.result: Deferred = succeed(None)
        self.exists: Deferred = succeed(True)
        self.service = ApplicationService(
            "secret", LIMIT, self._receive, self._exists, self._exists, self._look, self._lost
        )
        self.service.listen(self.reactor, "127.0.0.1", 29333)

    def _receive(self, id, events, ephemeral) -> Deferred:
        self.taken.append((id, events, ephemeral))
        return self.result

    def _exists(self, id) -> Deferred:
        self.asked.append(id)
        return self.exists

    def _lost(self) -> None:
        self.lost += 1

    def _look(self, path, query):
        return [query] if path == ["user", "xmpp"] else None

    def connect(self):
        """A connection of somebody."""
        protocol, transport = self.reactor.tcpServers[0][1].buildProtocol(None), Transport()
        protocol.makeConnection(transport)
        return protocol, transport

    def put(self, id: str) -> Transport:
        """Send an empty transaction; what is answered comes to the transport."""
        protocol, transport = self.connect()
        head = (
            f"PUT {V1}/transactions/{id}?access_token=secret HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
        )
        protocol.dataReceived(head.encode() + b"{}")
        return transport

    def ask(self, method: str, target: str, body: bytes = b"{}", token: str = "secret") -> tuple[int, dict]:
        """One request; the status and the JSON of its answer, which must be there at once."""
        protocol, transport = self.connect()
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\n{authorization}Content-Length: {len(body)}\r\n\r\n"
        protocol.dataReceived(head.encode() + body)
        return answer(transport)


def answer(transport: Transport) -> tuple[int, dict]:
    """Read a response."""
    head, _, body = transport.value().partition(b"\r\n\r\n")
    if b"chunked" in head.lower():
        body = body.split(b"\r\n")[1]
    return int(head.split()[1]), json.loads(body)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def logged():
    """What is logged at error level and above."""
    events: list[dict] = []

    def keep(event: dict) -> None:
        if event["log_level"].name in ("error", "critical"):
            events.append(event)

    globalLogPublisher.addObserver(keep)
    yield events
    globalLogPublisher.removeObserver(keep)


@pytest.mark.parametrize("path", [f"{V1}/transactions/t%2F1", "/transactions/t%2F1"])
@pytest.mark.spec("MX v1.19 application-service-api")
def test_transaction_is_taken_and_answered(scene, path):
    """Events and ephemeral events arrive as they were written, at the old path too."""
    body = b'{"events":[{"a": 1},{"b":2}],"ephemeral":[{"c":3}],"de.sorunome.msc2409.to_device":[]}'
    assert scene.ask("PUT", path, body) == (200, {})
    assert scene.taken == [("t/1", [b'{"a": 1}', b'{"b":2}'], [b'{"c":3}'])]


def test_transaction_is_answered_when_it_is_durable(scene):
    """The homeserver forgets events only after they cannot be lost any more."""
    scene.result = Deferred()
    protocol, transport = scene.connect()
    body = b'{"events":[]}'
    head = f"PUT {V1}/transactions/1?access_token=secret HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    protocol.dataReceived(head.encode() + body)
    assert (len(scene.taken), transport.value()) == (1, b"")
    scene.result.callback(None)
    assert answer(transport) == (200, {})


def test_many_transactions_at_once_are_answered_at_a_pace(scene):
    """They are passed on at once; the homeserver gathers more for the next while it waits for the answer."""
    for number in range(appservice.BURST):
        assert scene.ask("PUT", f"{V1}/transactions/{number}") == (200, {})
    transports = [scene.put("late"), scene.put("later")]
    assert len(scene.taken) == appservice.BURST + 2
    assert [one.value() for one in transports] == [b"", b""]
    scene.reactor.advance(appservice.PACE)
    assert answer(transports[0]) == (200, {})
    assert transports[1].value() == b""
    scene.reactor.advance(appservice.PACE)
    assert answer(transports[1]) == (200, {})
    scene.reactor.advance(appservice.PACE)
    assert scene.ask("PUT", f"{V1}/transactions/last") == (200, {})


def test_transaction_that_cannot_be_kept_comes_again(scene, logged):
    """While the store is full the homeserver is told so, in words that tell nothing of ours."""
    scene.result = fail(BridgeError(Trouble.STORE_FULL, "inner words"))
    status, said = scene.ask("PUT", f"{V1}/transactions/1", b'{"events":[]}')
    assert (status, said["errcode"]) == (500, "M_UNKNOWN")
    assert "inner" not in said["error"]
    assert logged == []


def test_bug_of_ours_is_logged_and_the_homeserver_comes_again(scene, logged):
    """An error that nobody expected is no end of the conversation."""
    scene.result = fail(ZeroDivisionError("inner words"))
    status, said = scene.ask("PUT", f"{V1}/transactions/1", b'{"events":[]}')
    assert (status, said["errcode"], len(logged)) == (500, "M_UNKNOWN", 1)
    assert "inner" not in said["error"]


def test_homeserver_that_does_not_wait_for_the_answer_does_no_harm(scene, logged):
    """A connection that is gone before we answer is no error."""
    scene.result = Deferred()
    protocol, _ = scene.connect()
    head = f"PUT {V1}/transactions/1 HTTP/1.1\r\nHost: x\r\nAuthorization: bearer secret\r\nContent-Length: 2\r\n\r\n"
    protocol.dataReceived(head.encode() + b"{}")
    protocol.connectionLost(Failure(ConnectionDone()))
    scene.result.callback(None)
    assert (len(scene.taken), logged) == (1, [])


@pytest.mark.parametrize("token", ["", "Secret", "secrets", "sécret"])
@pytest.mark.parametrize(
    "path", ["transactions/1", "rooms/x", "users/x", "ping", "thirdparty/protocol/x", "nothing"]
)
def test_stranger_is_told_nothing(scene, token, path):
    """Without the homeserver's token nothing is taken, and nothing told."""
    for method in ("PUT", "GET", "POST"):
        status, said = scene.ask(method, f"{V1}/{path}", token=token)
        assert (status, said["errcode"]) == (403, "M_FORBIDDEN")
    assert (scene.taken, scene.asked) == ([], [])


@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        ("?access_token=secret", "", 200),
        ("?access_token=secret", "secret", 200),
        ("?access_token=wrong", "secret", 403),
        ("?access_token=secret", "wrong", 403),
        ("?access_token=secret&access_token=wrong", "", 403),
    ],
)
def test_token_in_both_places_must_be_right_in_both(scene, query, header, status):
    """Older homeservers put it into the query as well."""
    assert scene.ask("POST", f"{V1}/ping{query}", token=header)[0] == status


@pytest.mark.parametrize(
    ("method", "path", "status", "errcode"),
    [
        ("GET", f"{V1}/nothing", 404, "M_UNRECOGNIZED"),
        ("GET", "/", 404, "M_UNRECOGNIZED"),
        ("GET", "/_matrix/app/v1", 404, "M_UNRECOGNIZED"),
        ("PUT", f"{V1}/transactions", 404, "M_UNRECOGNIZED"),
        ("PUT", f"{V1}/transactions/1/2", 404, "M_UNRECOGNIZED"),
        ("POST", "/ping", 404, "M_UNRECOGNIZED"),
        ("POST", f"{V1}/transactions/1", 405, "M_UNRECOGNIZED"),
        ("GET", f"{V1}/ping", 405, "M_UNRECOGNIZED"),
        ("DELETE", f"{V1}/rooms/x", 405, "M_UNRECOGNIZED"),
        ("GET", f"{V1}/thirdparty/protocol/xmpp", 404, "M_NOT_FOUND"),
        ("GET", "/_matrix/app/unstable/thirdparty/location?alias=x", 404, "M_NOT_FOUND"),
    ],
)
def test_unknown_request_is_told_as_the_specification_says(scene, method, path, status, errcode):
    """An unknown path, a wrong method and a thing that is not there are three answers."""
    found, said = scene.ask(method, path)
    assert (found, said["errcode"]) == (status, errcode)
    assert scene.taken == []


@pytest.mark.parametrize("kind", ["rooms", "users"])
def test_question_for_a_room_or_user_is_answered_when_it_is_known(scene, kind):
    """The homeserver waits until the room is made, or is told that there is none."""
    assert scene.ask("GET", f"{V1}/{kind}/%23_xmpp_a%3Dhs.test%3Ahs%2F1") == (200, {})
    assert scene.asked == ["#_xmpp_a=hs.test:hs/1"]
    scene.exists = succeed(False)
    assert scene.ask("GET", f"/{kind}/x")[1]["errcode"] == "M_NOT_FOUND"


def test_third_party_lookup_is_answered_with_what_is_found(scene):
    """By what the path and the query say; what is not known is not there."""
    found = scene.ask("GET", f"{V1}/thirdparty/user/xmpp?jid=romeo%40montague.lit&jid=x")
    assert found == (200, [{"jid": "romeo@montague.lit"}])
    assert scene.ask("GET", f"{V1}/thirdparty/user/irc")[1]["errcode"] == "M_NOT_FOUND"


def test_ping_is_answered(scene):
    """The homeserver's proof that it reaches us."""
    assert scene.ask("POST", f"{V1}/ping", b'{"transaction_id":"x"}') == (200, {})


def test_body_above_the_limit_is_refused(scene, logged):
    """A transaction that is too long is not kept in memory, and told in the log."""
    body = b'{"events":["' + b"x" * LIMIT + b'"]}'
    status, said = scene.ask("PUT", f"{V1}/transactions/1", body)
    assert (status, said["errcode"], scene.taken, len(logged)) == (413, "M_TOO_LARGE", [], 1)


@pytest.mark.parametrize("token", ["secret", "wrong"])
def test_body_without_end_is_cut_off(scene, token):
    """Who sends and sends loses the connection, the sooner without the token."""
    protocol, transport = scene.connect()
    head = f"PUT {V1}/transactions/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 99999999\r\n\r\n"
    protocol.dataReceived(head.encode())
    sent = 0
    while not transport.aborted and sent < 5 * LIMIT:
        protocol.dataReceived(b"x" * 1000)
        sent += 1000
    assert transport.aborted
    assert scene.taken == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'"x"', b"[" * 9000, b"\xff\xfe"])
def test_transaction_that_is_none_is_refused(scene, body, logged):
    """What is no JSON object cannot be taken."""
    status, said = scene.ask("PUT", f"{V1}/transactions/1", body)
    assert (status, said["errcode"], scene.taken, len(logged)) == (400, "M_NOT_JSON", [], 1)


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"{}", []),
        (b'{"events":null,"ephemeral":7}', []),
        (b'{"events":{"a":1}}', []),
        (b'{"events":[{"a":1}],"ephemeral":"x"}', [{"a": 1}]),
    ],
)
def test_transaction_with_parts_missing_is_taken(body, events):
    """Homeservers that omit what is empty, or write it oddly, are understood."""
    found, ephemeral = read_transaction(body)
    assert [json.loads(event) for event in found] == events
    assert ephemeral == []


def test_event_that_is_written_badly_does_not_stop_the_others():
    """A lone surrogate or a NaN in one event leaves the rest of the transaction readable."""
    found, _ = read_transaction(b'{"events":[{"a":"\\ud800"},{"b":NaN},{"c":"\xff"},{"d":1}]}')
    assert json.loads(found[3]) == {"d": 1}
    assert len(found) == 4


def test_event_that_is_too_deep_does_not_stop_the_others():
    """Nor does it keep the homeserver coming with the same transaction for ever."""
    deep = b'{"event_id":"$deep","content":' + b'[{"\\"]":' * 9_000 + b"0" + b"}]" * 9_000 + b"}"
    body = b'{"x":[{}],"events":[{"a":"}"},' + deep + b',{"b":[{}]}],"ephemeral":[{"c":1}]}'
    assert read_transaction(body) == ([b'{"a":"}"}', deep, b'{"b":[{}]}'], [b'{"c":1}'])


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(st.fixed_dictionaries({}, optional={"events": JSON, "ephemeral": JSON, "x": JSON}))
def test_transaction_of_any_json_is_read(body):
    """Whatever stands where, it is read, and no event is lost or made up."""
    events, ephemeral = read_transaction(json.dumps(body).encode())
    for found, key in ((events, "events"), (ephemeral, "ephemeral")):
        written = body.get(key)
        assert len(found) == (len(written) if isinstance(written, list) else 0)


@given(st.binary(max_size=300))
def test_transaction_of_any_bytes_is_read_or_refused(body):
    """No bytes make more than a ValueError."""
    try:
        events, ephemeral = read_transaction(body)
    except ValueError:
        return
    assert (events, ephemeral) == ([], [])


def test_service_that_stops_closes_its_connections(scene):
    """After it is stopped, and stopped again, nobody is answered."""
    (_, transport), (_, other) = scene.connect(), scene.connect()
    assert [outcome(scene.service.stop()) for _ in range(2)] == [None, None]
    assert transport.disconnecting
    assert other.disconnecting


def test_service_that_stops_answers_what_it_has_taken(scene):
    """A homeserver that gets no answer would not come again for a while."""
    for number in range(appservice.BURST):
        assert scene.ask("PUT", f"{V1}/transactions/{number}") == (200, {})
    transport = scene.put("last")
    assert transport.value() == b""
    scene.service.stop()
    assert answer(transport) == (200, {})


def test_connections_are_bounded(scene, monkeypatch):
    """Who opens connections and says nothing takes so many and no more."""
    monkeypatch.setattr(appservice, "CONNECTIONS", 2)
    first, _ = scene.connect()
    scene.connect()
    assert scene.reactor.tcpServers[0][1].buildProtocol(None) is None
    first.connectionLost(Failure(ConnectionDone()))
    assert scene.reactor.tcpServers[0][1].buildProtocol(None) is not None


def test_homeserver_that_closes_its_connection_may_have_gone(scene):
    """What strangers do says nothing."""
    for token, lost in (("wrong", 0), ("secret", 1)):
        protocol, transport = scene.connect()
        head = f"POST /_matrix/app/v1/ping HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        protocol.dataReceived(f"{head}Content-Length: 2\r\n\r\n{{}}".encode())
        answer(transport)
        protocol.connectionLost(Failure(ConnectionDone()))
        assert scene.lost == lost
