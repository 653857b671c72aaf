"""What a MESSAGE carries."""

from __future__ import annotations

import pytest

from bridge.events import TypingState
from tests.transports.sip.samples import request
from transports.sip.messages.content import (
    MAX_TEXT,
    Unsupported,
    about,
    composing,
    read,
    subject_of,
    words,
)


def message(body: bytes, **fields: str):
    return request("MESSAGE", fields=tuple((k.replace("_", "-"), v) for k, v in fields.items()), body=body)


def test_words_and_typing_survive_both_ways() -> None:
    """What we write we read."""
    fields, body = words("¡Hola! 😀")
    assert read(request("MESSAGE", fields=fields, body=body)) == "¡Hola! 😀"
    for state in (TypingState.COMPOSING, TypingState.PAUSED):
        fields, body = composing(state)
        assert read(request("MESSAGE", fields=fields, body=body)) is state


@pytest.mark.parametrize(
    ("body", "fields", "text"),
    [
        (b"hi", {}, "hi"),
        (b"caf\xe9", {"Content_Type": 'text/plain; charset="ISO-8859-1"'}, "café"),
        (b"hi", {"Content_Type": "Text/PLAIN"}, "hi"),
    ],
)
def test_plain_text_is_read_in_its_charset(body: bytes, fields: dict[str, str], text: str) -> None:
    """What is not said to be of another is UTF-8, or the ASCII in it."""
    assert read(message(body, **fields)) == text


def test_subject_is_one_line_and_survives_both_ways() -> None:
    """RFC 7572 §4 and §5; what is no line becomes one, and nothing no field."""
    assert subject_of(request("MESSAGE", fields=about("¿Qué\nluz?\t"))) == "¿Qué luz?"
    assert about(" \r\n") == () and subject_of(request("MESSAGE")) == ""


@pytest.mark.parametrize(
    ("body", "fields", "status"),
    [
        (b"<b>hi</b>", {"Content_Type": "text/html"}, 415),
        (b"hi", {"Content_Type": "text/plain;charset=koi8-r"}, 415),
        (b"hi", {"Content_Encoding": "gzip"}, 415),
        (b"\xff", {"Content_Type": "text/plain"}, 400),
        (b"<x/>", {"Content_Type": "application/im-iscomposing+xml"}, 400),
        (b"x" * (MAX_TEXT + 1), {}, 413),
        (b"hi", {"Content_Type": "text/plain;="}, 400),
    ],
)
def test_other_content_is_refused(body: bytes, fields: dict[str, str], status: int) -> None:
    """Its sender is told what is wrong."""
    with pytest.raises(Unsupported) as caught:
        read(message(body, **fields))
    assert caught.value.status == status
