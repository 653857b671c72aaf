"""The journal of accepted messages."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.store import Journalled
from bridge.store.store import STANZA_BYTES

GW = "irc.example.org"
ROMEO = "romeo@montague.lit"


def test_journal_holds_what_was_not_settled_in_order(desk):
    """After a crash the senders of unconfirmed messages can be told."""
    store = desk.open()
    refs = [store.next_id() for _ in range(4)]
    for ref in reversed(refs):
        store.journal(GW, ROMEO, ref, b"<message/>")
    store.settled(GW, ROMEO, refs[0])
    desk.wait(store.flush())
    store.settled(GW, ROMEO, refs[2])
    store = desk.reopen(store)
    expected = [Journalled(owner=ROMEO, ref=ref, stanza=b"<message/>") for ref in (refs[1], refs[3])]
    assert store.journalled(GW) == expected
    assert store.journalled(GW) == []
    store = desk.reopen(store)
    assert store.journalled(GW) == expected


def test_journal_settled_before_the_commit_is_never_written(sqlite_desk):
    """A message that is confirmed at once costs no write."""
    store = sqlite_desk.open()
    before = store._writer._pending.size
    store._writer._interval = 20
    store.journal(GW, ROMEO, 1, b"x" * 100)
    store.settled(GW, ROMEO, 1)
    assert store._writer._pending.size == before
    assert not len(store._writer._pending)


def test_journal_of_an_over_long_stanza_is_refused(sqlite_desk):
    """One stanza cannot fill the store."""
    store = sqlite_desk.open()
    with pytest.raises(BridgeError) as error:
        store.journal(GW, ROMEO, 1, b"x" * (STANZA_BYTES + 1))
    assert error.value.trouble is Trouble.TOO_LONG
