"""Nobody can have us send more to an address than comes from it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.transports.sip.agent.test_user_agent import Scene
from tests.transports.sip.samples import INVITE, request
from tests.transports.sip.wires import PEER
from transports.sip.agent.allowance import Allowances
from transports.sip.agent.transactions import TransactionId
from transports.sip.wire.message import Request, respond, write

ONE = TransactionId(1)
FIELDS = (("Allow", "MESSAGE" * 50),)
INVITED = request("INVITE", body=b"v=0" * 100)


def begun(asked: Request) -> tuple[Allowances, int]:
    """An allowance of that request's, and its size."""
    allowances, size = Allowances(), len(write(asked))
    allowances.arrived(size)
    allowances.begin(ONE, asked)
    allowances.arrived(0)
    return allowances, size


def sent(allowances: Allowances, asked: Request, status: int, body: bytes = b"") -> int | None:
    """How long a response becomes; None if it is not sent."""
    response = respond(asked, status, "t", FIELDS, body)
    found = allowances.fit(response, write(response), ONE)
    return None if found is None else len(found)


def test_refusals_are_sent_until_the_bytes_are_used_up() -> None:
    """What its sender sends again is counted for him; afterwards nothing is remembered."""
    allowances, size = begun(INVITED)
    got = [sent(allowances, INVITED, 403) for _ in range(8)]
    assert got[0] and got[-1] is None and sum(filter(None, got)) <= size
    allowances.arrived(size)
    assert sent(allowances, INVITED, 403)
    allowances.end(ONE)
    assert len(allowances) == 0


def test_challenge_is_sent_whole_once_however_small_the_request() -> None:
    """Without it nobody could log in; a request that is longer is not answered by more than it had."""
    small = request("MESSAGE")
    allowances, size = begun(small)
    challenge = (("WWW-Authenticate", "x" * 2 * size), *FIELDS)
    response = respond(small, 401, "t", challenge)
    found = allowances.fit(response, write(response), ONE)
    assert found is not None and challenge[0][1].encode() in found and b"Allow" not in found
    assert allowances.fit(response, write(response), ONE) is None
    allowances, size = begun(INVITED)
    response = respond(INVITED, 401, "t", (("WWW-Authenticate", "x"),))
    got = [allowances.fit(response, write(response), ONE) for _ in range(8)]
    assert sum(len(one) for one in got if one) <= size


def test_100_leaves_room_for_a_refusal() -> None:
    """Of a small INVITE nothing else would be heard."""
    small = request("INVITE", fields=(("X", "y" * 50),))
    allowances, _ = begun(small)
    assert sent(allowances, small, 100) is None and sent(allowances, small, 403)


def test_call_that_was_put_to_a_user_is_refused_until_it_is_heard() -> None:
    """RFC 3261 §17.2.1; each time by no more than the INVITE had."""
    allowances, size = begun(INVITED)
    allowances.put(ONE)
    got = [sent(allowances, INVITED, 486) for _ in range(11)]
    assert all(one is not None and one <= size for one in got)


def test_what_a_user_took_and_what_is_in_a_dialog_is_sent_in_full() -> None:
    """Its other end has heard from us."""
    allowances, size = begun(INVITED)
    assert (sent(allowances, INVITED, 200, b"x" * 2000) or 0) > 2000
    inside = request("UPDATE", to_tag="ours")
    allowances, _ = begun(inside)
    assert (sent(allowances, inside, 200, b"x" * 2000) or 0) > 2000
    allowances, size = begun(inside)
    assert (sent(allowances, inside, 481) or 0) <= size


METHODS = ("REGISTER", "INVITE", "OPTIONS", "MESSAGE", "SUBSCRIBE", "CANCEL", "ACK", "BYE", "NOTIFY", "X")
via = st.sampled_from(("", ";rport", ";received=203.0.113.9", ";rport=1;received=203.0.113.9"))
change = st.tuples(st.integers(0, 600), st.integers(0, 40), st.binary(max_size=3))
asked = st.tuples(st.sampled_from(METHODS), via, st.integers(0, 400), st.lists(change, max_size=2))


@settings(deadline=None, max_examples=200)
@given(st.lists(asked, min_size=1, max_size=6), st.sampled_from((200, 403, 404, 503)))
def test_strangers_get_no_more_than_they_sent(
    requests: list[tuple[str, str, int, list[tuple[int, int, bytes]]]], status: int
) -> None:
    """Whatever he says, whoever answers, and however long we wait; and nobody else gets anything."""
    scene = Scene(request_burst=1000)

    def serve(asked: Request, hop: object, answer: object) -> None:
        is_call = asked.method == "INVITE" and status == 200
        answer(respond(asked, 403 if is_call else status, "t", FIELDS))  # type: ignore[operator]

    scene.agent._serve = serve
    got = 0
    for number, (method, more, padding, changes) in enumerate(requests):
        first = request(method, branch=f"z9hG4bK{number}", fields=(("X", "y" * padding),))
        data = write(replace(first, call_id=f"c{number}")).replace(b";branch", more.encode() + b";branch")
        for start, length, new in changes:
            data = data[:start] + new + data[start + length :]
        got += len(data)
        scene.reactor.arrive(data)
        scene.reactor.pump([0.3])
    scene.reactor.pump([0.5] * 80)
    out = scene.reactor.ports[0].sent
    assert sum(len(data) for data, _ in out) <= got
    assert {host for _, (host, _) in out} <= {PEER}


def test_received_that_a_stranger_writes_is_not_believed() -> None:
    """The answer goes where the request came from."""
    scene = Scene()
    data = INVITE.replace(b"rport=5060;received=192.0.2.1", b"received=203.0.113.9")
    scene.reactor.arrive(data.replace(b"UDP 192.0.2.1:5060", f"UDP {PEER}:5060".encode()))
    assert {host for _, (host, _) in scene.reactor.ports[0].sent} == {PEER}
