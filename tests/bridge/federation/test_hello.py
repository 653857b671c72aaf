from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.federation.hello import LONGEST, Hello


@given(st.binary(min_size=1, max_size=40), st.binary(max_size=9), st.data())
def test_record_is_complete_whichever_way_it_was_cut(
    content: bytes, more: bytes, data: st.DataObject
) -> None:
    """And what came behind it is not lost."""
    record = b"\x16\x03\x01" + len(content).to_bytes(2, "big") + content
    cut = data.draw(st.integers(1, len(record) - 1))
    hello = Hello()
    assert hello.take(record[:cut]) is None
    assert hello.take(record[cut:] + more) == record + more


@pytest.mark.parametrize(
    "data", [b"<", b"\x17\x03\x01\x00\x05", b"\x16\x03\x01" + (LONGEST + 1).to_bytes(2, "big")]
)
def test_anything_else_is_an_error(data: bytes) -> None:
    """Other records, other protocols, records that no client sends."""
    with pytest.raises(ValueError, match="no handshake"):
        Hello().take(data)
