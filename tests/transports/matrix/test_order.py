"""Work in order for each room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from transports.matrix.order import InOrder


def failure_of(deferred: Deferred) -> BaseException:
    """What a Deferred failed with."""
    found: list = []
    deferred.addErrback(found.append)
    return found[0].value


def test_order_of_one_room_is_kept_and_others_go_ahead():
    """A slow message keeps those after it in its room waiting, and nobody else."""
    order, begun, first = InOrder(10, 10), [], Deferred()
    order.run("a", lambda: begun.append("a1") or first)
    order.run("a", lambda: begun.append("a2"))
    order.run("b", lambda: begun.append("b1"))
    assert begun == ["a1", "b1"]
    assert (len(order), order.keys) == (2, 1)
    first.callback(None)
    assert begun == ["a1", "b1", "a2"]
    assert (len(order), order.keys) == (0, 0)


def test_failure_is_told_and_the_room_goes_on():
    """What fails fails alone."""
    order = InOrder(10, 10)
    first: Deferred = Deferred()
    failing, after = order.run("a", lambda: first), order.run("a", lambda: succeed("sent"))
    raising = order.run("a", lambda: 1 / 0)
    first.errback(BridgeError(Trouble.BUSY))
    assert failure_of(failing).trouble is Trouble.BUSY
    assert isinstance(failure_of(raising), ZeroDivisionError)
    assert after.result == "sent"


def test_queue_of_a_room_is_bounded_and_so_are_all_together():
    """Nobody fills the memory with messages that wait."""
    order, first = InOrder(2, 3), Deferred()
    for key in ("a", "a", "b"):
        order.run(key, lambda: first)
    assert failure_of(order.run("a", lambda: None)).trouble is Trouble.OVERLOADED
    assert failure_of(order.run("c", lambda: None)).trouble is Trouble.OVERLOADED
    first.callback(None)
    assert order.run("c", lambda: "again").result == "again"


def test_cancelled_work_does_not_begin():
    """What nobody wants any more is left out."""
    order, first, begun = InOrder(10, 10), Deferred(), []
    order.run("a", lambda: first)
    cancelled, after = order.run("a", lambda: begun.append(1)), order.run("a", lambda: begun.append(2))
    cancelled.cancel()
    assert isinstance(failure_of(cancelled), CancelledError)
    first.callback(None)
    assert (begun, after.called, len(order)) == ([2], True, 0)


def test_thousands_that_end_at_once_do_not_nest():
    """A long queue that drains at once is no deep recursion."""
    order, first, done = InOrder(20_000, 20_000), Deferred(), []
    order.run("a", lambda: first)
    for index in range(10_000):
        order.run("a", lambda index=index: done.append(index))
    first.callback(None)
    assert done == list(range(10_000))


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["now", "later", "fail"])), max_size=30),
    st.randoms(),
)
def test_every_piece_of_work_ends_once_in_the_order_of_its_room(works, random):
    """However quick or slow the rooms are, each sees its own work in order, and all of it."""
    order, begun, waiting, ended = InOrder(100, 100), [], [], []

    def work(index: int, how: str):
        begun.append(index)
        if how == "now":
            return None
        waiting.append((Deferred(), how))
        return waiting[-1][0]

    for index, (key, how) in enumerate(works):
        order.run(key, lambda index=index, how=how: work(index, how)).addBoth(
            lambda result, index=index: ended.append((index, isinstance(result, Failure)))
        )
    while waiting:
        deferred, how = waiting.pop(random.randrange(len(waiting)))
        (deferred.errback if how == "fail" else deferred.callback)(ValueError())
    for key in "abc":
        mine = [index for index, (where, _) in enumerate(works) if where == key]
        assert [index for index in begun if works[index][0] == key] == mine
        assert [index for index, _ in ended if works[index][0] == key] == mine
    assert all(failed == (works[index][1] == "fail") for index, failed in ended)
    assert (len(order), order.keys) == (0, 0)


def test_work_asked_for_by_work_comes_after_it():
    """A message that is sent because another went out comes after it."""
    order, begun = InOrder(10, 10), []

    def work() -> None:
        order.run("a", lambda: begun.append("inner"))
        begun.append("outer")

    order.run("a", work).addCallback(lambda _: order.run("a", lambda: begun.append("after")))
    assert begun == ["outer", "inner", "after"]
