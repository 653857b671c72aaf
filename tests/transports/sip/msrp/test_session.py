"""Messages in chunks and what becomes of them."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.transports.sip.wires import tokens
from transports.sip.msrp.assembly import CHUNK, MAX_PARTS, Assembly, TooLong, chunks
from transports.sip.msrp.cpim import reads
from transports.sip.msrp.frame import Frame, FrameBuffer
from transports.sip.msrp.session import (
    MAX_SENT,
    RESPONSE_TIMEOUT,
    Arrived,
    Delivered,
    Event,
    Lost,
    Named,
    NameWanted,
    Session,
    Transmit,
)

OURS, THEIRS, RELAY = "msrp://a:1/aaaa;tcp", "msrp://b:2/bbbb;tcp", "msrp://r:3/rrrr;tcp"


class End:
    """A session, and what it sends as frames."""

    def __init__(self, local: str = OURS, remote: tuple[str, ...] = (THEIRS,)) -> None:
        self.clock, make = Clock(), tokens()
        self.session = Session(
            local, remote, 10_000, reads, self.clock.seconds, lambda: f"{make()}xx{local[7]}"
        )
        self.told: list[Event] = []

    def sent(self) -> list[Frame]:
        buffer = FrameBuffer()
        for event in self.session.events():
            if isinstance(event, Transmit):
                buffer.receive_data(event.data)
            else:
                self.told.append(event)
        return list(iter(buffer.next_frame, None))

    def hear(self, frames: list[Frame]) -> list[Frame]:
        """Take frames; return what is answered."""
        for frame in frames:
            self.session.receive(frame)
        return self.sent()


def send(**more: object) -> Frame:
    fields = {"Message-ID": "m123", "Content-Type": "text/plain", **more.pop("fields", {})}  # type: ignore[dict-item]
    values = {
        "transaction": "t123",
        "method": "SEND",
        "to_path": (OURS,),
        "from_path": (THEIRS,),
        "body": b"hi",
    }
    return Frame(**{**values, "fields": tuple(fields.items()), **more})  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=9000), st.integers())
def test_message_arrives_whole_whatever_order_its_chunks_have(body: bytes, seed: int) -> None:
    """No chunk is longer than may be uninterrupted (RFC 4975 §7.1.1), and all bytes come."""
    alice, bob = End(), End(THEIRS, (OURS,))
    alice.session.send("text/plain", body)
    sent = alice.sent()
    assert all(len(one.body or b"") <= CHUNK for one in sent)
    Random(seed).shuffle(sent)
    assert alice.hear(bob.hear(sent)) == []
    [arrived] = bob.told
    assert isinstance(arrived, Arrived) and arrived.message.body == body and arrived.wants_success
    bob.session.report(arrived.message.id, len(body), 200)
    alice.hear(bob.sent())
    assert [type(one) for one in alice.told] == [Delivered]


def test_later_bytes_count_where_chunks_overlap() -> None:
    """RFC 4975 §7.3.1."""
    end = End()
    for place, flag, body in (("1-4/6", "+", b"abcd"), ("3-5/6", "+", b"CDE"), ("6-6/6", "$", b"f")):
        end.hear([send(fields={"Byte-Range": place}, flag=flag, body=body)])
    [arrived] = end.told
    assert isinstance(arrived, Arrived) and arrived.message.body == b"abCDEf"


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        (send(), 200),
        (send(body=None), 200),
        (send(fields={"Content-Type": "image/png"}), 415),
        (send(fields={"Byte-Range": "1-2/10001"}, flag="+"), 413),
        (send(body=b"", is_cut=True), 413),
        (send(fields={"Byte-Range": "x"}), 400),
        (send(fields={"Message-ID": "?"}), 400),
        (send(method="AUTH"), 501),
        (send(method="REPORT", body=None), 0),
        (send(fields={"Failure-Report": "no", "Content-Type": "image/png"}), 0),
        (send(fields={"Failure-Report": "partial"}), 0),
        (send(fields={"Failure-Report": "partial", "Content-Type": "image/png"}), 415),
    ],
)
def test_request_gets_the_response_that_its_sender_wants(frame: Frame, status: int) -> None:
    """RFC 4975 §7.2 and §7.3."""
    answered = End().hear([frame])
    assert [one.status for one in answered] == ([status] if status else [])
    assert all((one.transaction, one.to_path) == ("t123", (THEIRS,)) for one in answered)


def test_messages_under_way_are_bounded() -> None:
    """In their number and their gaps; one given up makes room."""
    assembly = Assembly(10_000)

    def chunk(id: str, start: int, flag: str = "+") -> Frame:
        return send(fields={"Message-ID": id, "Byte-Range": f"{start}-*/*"}, flag=flag, body=b"x")

    for n in range(MAX_PARTS):
        assembly.receive(chunk(f"mess{n}", 1))
    with pytest.raises(TooLong):
        assembly.receive(chunk("more", 1))
    assembly.receive(chunk("mess0", 2, "#"))
    assembly.receive(chunk("more", 1))
    with pytest.raises(TooLong):
        for start in range(3, 1000, 2):
            assembly.receive(chunk("more", start))
    assert len(assembly) == MAX_PARTS - 1
    assert list(chunks(b"")) == [("1-0/0", "$", b"")]


def test_refusal_report_and_silence_are_told() -> None:
    """413 at once, a failure report later, and 408 for what nobody answers."""
    end = End()
    ids = [end.session.send("text/plain", b"hi") for _ in range(3)]
    refused, reported, _ = end.sent()
    answer = {"to_path": (OURS,), "from_path": (THEIRS,)}
    end.hear([Frame(transaction=refused.transaction, status=413, **answer)])
    end.hear([Frame(transaction=reported.transaction, status=200, **answer)])
    end.hear(
        [
            Frame(
                transaction="rrrr1",
                method="REPORT",
                fields=(("Message-ID", reported.message_id), ("Status", "000 404 nobody")),
                **answer,
            )
        ]
    )
    end.clock.advance(RESPONSE_TIMEOUT)
    end.session.expire()
    end.sent()
    assert end.told == [Lost(ids[0], 413), Lost(ids[1], 404), Lost(ids[2], 408)]
    assert end.session.next_deadline is None


@pytest.mark.parametrize(("path", "expected"), [((THEIRS,), Delivered), ((RELAY, THEIRS), Lost)])
def test_response_of_a_peer_counts_where_he_never_reports(path: tuple[str, ...], expected: type) -> None:
    """A relay's does not: it has the message, not the peer."""
    end = End(remote=path)
    end.session.send("text/plain", b"hi")
    [sent] = end.sent()
    assert sent.to_path == path
    end.hear([Frame(transaction=sent.transaction, status=200, to_path=(OURS,), from_path=path[:1])])
    assert end.told == []
    end.session.close()
    end.sent()
    assert [type(one) for one in end.told] == [expected]


def test_reports_of_others_and_of_parts_say_nothing() -> None:
    """Nor do those that nobody can read."""
    end = End()
    id = end.session.send("text/plain", b"hello")
    end.sent()
    for fields in (
        (("Message-ID", id), ("Status", "001 404")),
        (("Message-ID", id), ("Status", "000 x")),
        (("Message-ID", id),),
        (("Message-ID", "other"), ("Status", "000 404")),
        (("Message-ID", id), ("Status", "000 200"), ("Byte-Range", "1-2/5")),
    ):
        end.hear([send(method="REPORT", fields=dict(fields), body=None)])
    assert end.told == []
    while not end.session.is_full:
        end.session.send("text/plain", b"x")
    assert len(end.sent()) == MAX_SENT - 1


def test_body_with_its_own_end_in_it_gets_another_transaction() -> None:
    """RFC 4975 §7.1."""
    end = End()
    end.session.greet()
    body = b"".join(b"\r\n-------t%dxxa$\r\n" % n for n in range(40))
    end.session.send("text/plain", body)
    assert end.sent()[1].body == body


def test_nicknames_are_asked_for_and_answered() -> None:
    """RFC 7701 §7: quoted, and any status may come back."""
    alice, bob = End(), End(THEIRS, (OURS,))
    alice.session.name('Al "the" é')
    [asked] = alice.sent()
    assert (asked.method, asked.get("Use-Nickname")) == ("NICKNAME", '"Al \\"the\\" é"')
    assert bob.hear([asked]) == []
    [wanted] = bob.told
    assert isinstance(wanted, NameWanted) and wanted.nick == 'Al "the" é'
    bob.session.answer(wanted.request, 425)
    assert alice.hear(bob.sent()) == [] and alice.told == [Named('Al "the" é', 425)]
    alice.session.name("late")
    assert alice.sent() and alice.session.next_deadline == RESPONSE_TIMEOUT
    alice.clock.advance(RESPONSE_TIMEOUT)
    alice.session.expire()
    alice.session.name("lost")
    alice.session.close()
    alice.sent()
    assert alice.told[1:] == [Named("late", 408), Named("lost", 408)]


def test_what_is_not_reported_is_delivered_when_it_is_answered() -> None:
    """A switch answers for many, all chunks of it."""
    alice = End()
    id = alice.session.send("text/plain", b"x" * (CHUNK + 1), is_reported=False)
    first, second = alice.sent()
    assert first.get("Success-Report") is first.get("Failure-Report") is None
    for frame in (first, second):
        assert alice.told == []
        answer = Frame(transaction=frame.transaction, status=200, to_path=(OURS,), from_path=(THEIRS,))
        alice.hear([answer])
    assert alice.told == [Delivered(id)]
