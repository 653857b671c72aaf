"""XEP-0363 on the wire; what answers it is tested in services."""

from __future__ import annotations

import pytest

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.upload import NS_UPLOAD, SlotRequest, build_slot, parse_request


@pytest.mark.spec("XEP-0363 §5")
def test_request_is_read_with_and_without_a_type():
    """The type is optional."""
    request = Element("request", NS_UPLOAD, {"filename": "très cool.jpg", "size": "23456"})
    assert parse_request(request) == SlotRequest("très cool.jpg", 23456)
    request.attributes["content-type"] = "image/jpeg"
    assert parse_request(request).type == "image/jpeg"


@pytest.mark.spec("XEP-0363 §5")
def test_slot_is_written_as_clients_read_it():
    """Header inside put; get beside it."""
    assert build_slot("https://p", "Bearer x", "https://g").to_xml() == (
        f"<slot xmlns='{NS_UPLOAD}'><put url='https://p'><header name='Authorization'>Bearer x</header></put>"
        "<get url='https://g'/></slot>"
    )
