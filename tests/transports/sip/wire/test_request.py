"""Requests outside of dialogs."""

from __future__ import annotations

from tests.transports.sip.samples import ANN, BOB
from tests.transports.sip.wires import tokens
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.request import make


def test_request_has_a_tag_and_a_call_id_of_its_own() -> None:
    """Unless it belongs to others, as those of a registration do."""
    token = tokens()
    first, second = (make("OPTIONS", BOB, NameAddr(uri=ANN), NameAddr(uri=BOB), token) for _ in range(2))
    assert first.via == () and first.from_.tag and not first.to.tag
    assert first.call_id != second.call_id and first.from_.tag != second.from_.tag
    third = make("REGISTER", BOB, NameAddr(uri=ANN), NameAddr(uri=ANN), token, call_id="c", number=7)
    assert (third.call_id, third.cseq.number, third.method) == ("c", 7, "REGISTER")
