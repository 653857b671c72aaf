"""CTCP messages."""

import irc.ctcp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.events import Kind
from transports.irc import ctcp


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("hello", (Kind.TEXT, "hello")),
        ("", (Kind.TEXT, "")),
        ("\x01ACTION waves\x01", (Kind.EMOTE, "waves")),
        ("\x01action waves", (Kind.EMOTE, "waves")),
        ("\x01ACTION\x01", (Kind.EMOTE, "")),
        ("\x01VERSION\x01", ("VERSION", "")),
        ("\x01PING 1 2\x01", ("PING", "1 2")),
        ("\x01\x01", (Kind.TEXT, "")),
        ("\x01 x\x01", (Kind.TEXT, " x")),
        ("\x01" + "A" * 40 + "\x01", (Kind.TEXT, "A" * 40)),
        ("a \x01VERSION\x01", (Kind.TEXT, "a \x01VERSION\x01")),
        ("\x01PING a\x10nb\x10\x10\x10x\x01", ("PING", "a\nb\x10x")),
    ],
)
def test_a_message_is_words_an_action_or_a_command(text, meaning):
    """A missing end is forgiven, lower case too; anything odd is words."""
    assert ctcp.parse(text) == meaning


def test_an_action_is_built():
    """And what it adds to the words is known."""
    assert ctcp.action("waves") == "\x01ACTION waves\x01"
    assert len(ctcp.action("waves")) - len("waves") == ctcp.ACTION_OVERHEAD


@given(st.text(st.sampled_from("ab \x10\r\n\0\x01n0é"), max_size=20))
def test_an_argument_survives(argument):
    """What was built is read back, and a delimiter inside cannot end it."""
    assert ctcp.parse(ctcp.build("PING", argument)) == ("PING", argument.replace("\x01", ""))


@given(st.text(st.sampled_from("ab \x10\r\n\0\\n0é"), max_size=20))
def test_quotes_are_those_that_others_read(text):
    """The `irc` package reads the same text from our quotes."""
    assert ctcp.unquote(ctcp.quote(text)) == text
    assert irc.ctcp.dequote(ctcp.quote(text)) == [text]
    assert not set(ctcp.quote(text)) & {"\r", "\n", "\0"}
