"""Asking an rtpengine over a network that loses datagrams."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from tests.transports.sip.wires import Reactor, tokens
from transports.sip.media import ng as module
from transports.sip.media.ng import WAITS, Ng, NgRefused

ADDRESS = ("192.0.2.7", 22222)


class Desk:
    """A client, and what came of its questions."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        self.ng = Ng(self.reactor, "192.0.2.7:22222", tokens())
        self.ng.start()
        self.came: list[object] = []

    def ask(self) -> None:
        self.ng.ask("ping", {"x": 1}).addCallbacks(
            self.came.append, lambda failure: self.came.append(failure.value)
        )

    def sent(self) -> list[bytes]:
        sent, self.reactor.ports[0].sent = self.reactor.ports[0].sent, []
        assert all(to == ADDRESS for _, to in sent)
        return [data for data, _ in sent]

    def arrive(self, data: bytes, address: tuple[str, int] = ADDRESS) -> None:
        self.ng.datagramReceived(data, address)


def test_answer_is_known_by_its_cookie():
    """A cookie, a space, and a dictionary."""
    desk = Desk()
    desk.ask()
    assert desk.sent() == [b't1 {"command": "ping", "x": 1}']
    desk.arrive(b't1 {"result": "pong"}')
    assert desk.came == [{"result": "pong"}]
    assert not desk.reactor.getDelayedCalls()


def test_question_is_asked_again_and_given_up():
    """By the same cookie, so that it is not done twice; within four seconds."""
    desk = Desk()
    desk.ask()
    for wait in WAITS:
        desk.reactor.advance(wait)
    assert len(desk.sent()) == len(WAITS) and sum(WAITS) < 4
    [error] = desk.came
    assert isinstance(error, BridgeError) and error.trouble is Trouble.UNREACHABLE


def test_refusal_says_why():
    """As the instance words it."""
    desk = Desk()
    desk.ask()
    desk.arrive(b't1 {"result": "error", "error-reason": "Unknown call-id"}')
    [error] = desk.came
    assert isinstance(error, NgRefused) and str(error) == "Unknown call-id"


@pytest.mark.parametrize(
    ("data", "address"),
    [
        (b"", ADDRESS),
        (b't9 {"result": "ok"}', ADDRESS),
        (b't1 {"result": "ok"}', ("192.0.2.8", 22222)),
        (b"t1 garbage", ADDRESS),
        (b"t1 []", ADDRESS),
        (b"t1 " + b"[" * 50_000, ADDRESS),
        (b't1 {"sdp": "\\ud800"}', ADDRESS),
        (b"\xff\xfe {}", ADDRESS),
    ],
)
def test_what_is_no_answer_is_dropped(data, address):
    """Unknown, from elsewhere, or not to be read: it is asked again."""
    desk = Desk()
    desk.ask()
    desk.arrive(data, address)
    assert desk.came == []
    desk.reactor.advance(WAITS[0])
    assert len(desk.sent()) == 2


def test_waiting_questions_are_bounded_and_end_with_it(monkeypatch):
    """An instance that hangs fills no memory."""
    monkeypatch.setattr(module, "MAX_WAITING", 1)
    desk = Desk()
    desk.ask()
    desk.ask()
    desk.ng.stop()
    desk.ask()
    assert [error.trouble for error in desk.came] == [
        Trouble.OVERLOADED,
        Trouble.SHUTTING_DOWN,
        Trouble.SHUTTING_DOWN,
    ]
    assert desk.reactor.ports[0].stopped and not desk.reactor.getDelayedCalls()
