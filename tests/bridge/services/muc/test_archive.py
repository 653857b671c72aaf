"""Messages as the archive keeps them."""

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred, succeed

from bridge.events import (
    Kind,
    Message,
    MessageId,
    Reaction,
    Ref,
    Reply,
    Retraction,
    RoomId,
    Span,
    Style,
    Text,
    UserId,
)
from bridge.network import HistoryPage, HistoryQuery, Tombstone
from bridge.services.muc.archive import NetworkArchive, from_archive, to_archive
from bridge.xmpp.payloads.mam import MamQuery
from bridge.xmpp.payloads.rsm import PageRequest

NOW = 1_700_000_000_000_000


@pytest.mark.parametrize("id", [MessageId(f"{NOW:x}"), MessageId("$event:of.matrix")])
def test_archived_message_comes_back_as_it_was(id: MessageId) -> None:
    """Also by the name that the network itself gave it; when it was said, the archive's own id tells."""
    span = Span(start=0, end=4, style=Style.BOLD)
    message = Message(
        room=RoomId("#verona"),
        nick="Juliet",
        body=Text(plain="soft", spans=(span,)),
        id=id,
        origin="m1",
        kind=Kind.EMOTE,
        reply=Reply(id=MessageId("$other"), nick="Romeo"),
        identity="juliet",
    )
    [kept] = to_archive(message, lambda: NOW)
    assert kept.id == NOW
    assert from_archive(kept) == replace(message, time=NOW / 1_000_000)
    plain = Message(room=RoomId("#verona"), body=Text(plain="x"), id=id)
    assert from_archive(*to_archive(plain, lambda: NOW)).id == id


class Remembering:
    """A network that remembers what was said."""

    def __init__(self) -> None:
        self.asked: list[HistoryQuery] = []

    def ask(self, user: UserId, query: HistoryQuery) -> Deferred[HistoryPage]:
        self.asked.append(query)
        return succeed(HistoryPage(entries=(), complete=True))


VERONA, ROMEO = RoomId("#verona"), UserId("romeo@montague.example")


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        (MamQuery(start=1, end=2), {"start": 1, "end": 2}),
        (MamQuery(after_id="a", before_id="b"), {"after": "a", "before": "b"}),
        (MamQuery(after_id="a", before_id="z", rsm=PageRequest(after="b")), {"after": "b", "before": "z"}),
        (MamQuery(after_id="a", rsm=PageRequest(before="")), {"after": "a", "last": True}),
        (MamQuery(rsm=PageRequest(before="b", limit=9)), {"before": "b", "last": True, "limit": 9}),
        (MamQuery(rsm=PageRequest(limit=9_000)), {}),
        (MamQuery(ids=("a", "b")), {"ids": ("a", "b")}),
        (MamQuery(with_jid="#verona@gw/Juliet"), {"nick": "Juliet"}),
        (MamQuery(with_jid="#verona@gw"), {}),
    ],
)
def test_network_that_remembers_is_asked(query: MamQuery, asked: dict[str, object]) -> None:
    """XEP-0313 and XEP-0059 in the contract's words: the bound of the page is within that of the form."""
    network = Remembering()
    NetworkArchive(network).page(ROMEO, VERONA, query)  # type: ignore[arg-type]
    assert network.asked == [replace(HistoryQuery(room=VERONA), **asked)]


def test_network_is_not_asked_for_no_messages_at_all() -> None:
    """An empty list of ids asks for none, not for all."""
    network, found = Remembering(), list[HistoryPage]()
    NetworkArchive(network).page(ROMEO, VERONA, MamQuery(ids=())).addCallback(found.append)  # type: ignore[arg-type]
    assert (network.asked, found) == ([], [HistoryPage(entries=(), complete=True)])


def test_last_messages_of_a_network_are_its_last_page() -> None:
    """For who joins."""
    network = Remembering()
    NetworkArchive(network).recent(ROMEO, VERONA, 20, 5.0)  # type: ignore[arg-type]
    assert network.asked == [HistoryQuery(room=VERONA, start=5.0, limit=20, last=True, settled=True)]


REACTION = Reaction(
    room=VERONA, id=MessageId("a1"), nick="Romeo", emojis=("x", "y"), act=MessageId(f"{NOW:x}"), identity="r"
)
OWN = Retraction(room=VERONA, id=MessageId("a1"), nick="Romeo", act=MessageId(f"{NOW:x}"), origin="m2")
MODERATED = replace(OWN, actor="Nurse", reason="hush", origin="", identity="n")


@pytest.mark.parametrize(("act", "nick"), [(REACTION, "Romeo"), (OWN, "Romeo"), (MODERATED, "")])
def test_archived_act_comes_back_as_it_was(act: Reaction | Retraction, nick: str) -> None:
    """By its id, or a fresh one; it is found by the nick of whom it is from, as the room tells it."""
    kept = to_archive(act, lambda: 1)[0]
    assert (kept.id, kept.nick) == (NOW, nick)
    assert from_archive(kept) == replace(act, time=NOW / 1_000_000)
    unnamed = to_archive(replace(act, act=MessageId(""), ref=Ref(7)), lambda: NOW)[0]
    assert from_archive(unnamed) == replace(act, time=NOW / 1_000_000)


@pytest.mark.parametrize("act", [OWN, MODERATED])
def test_retracted_message_leaves_a_tombstone(act: Retraction) -> None:
    """In its place, with what took it back; not where the network names messages itself."""
    kept, stone = to_archive(act, lambda: 1)
    assert stone.id == 0xA1
    buried = replace(stone, nick="Romeo", identity="r", origin="m1")
    assert from_archive(buried) == Tombstone(
        room=VERONA,
        id=MessageId("a1"),
        nick="Romeo",
        origin="m1",
        identity="r",
        time=0xA1 / 1_000_000,
        retraction=from_archive(kept),  # type: ignore[arg-type]
    )
    assert len(to_archive(replace(act, id=MessageId("$event")), lambda: 1)) == 1
