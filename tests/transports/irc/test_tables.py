"""The literal tables."""

from pathlib import Path

import pytest

from bridge.errors import Trouble
from transports.irc.tables import (
    CAPABILITIES,
    JOIN_REFUSALS,
    LOGIN_REFUSALS,
    MESSAGE_REFUSALS,
    NICK_REFUSALS,
    TROUBLES,
    WANTED,
    Numeric,
    Tag,
)


@pytest.mark.parametrize(
    ("numeric", "trouble"),
    [
        ("403", Trouble.NO_SUCH_ROOM),
        ("405", Trouble.TOO_MANY_ROOMS),
        ("471", Trouble.ROOM_FULL),
        ("473", Trouble.INVITE_ONLY),
        ("474", Trouble.BANNED),
        ("475", Trouble.BAD_PASSWORD),
        ("476", Trouble.NO_SUCH_ROOM),
        ("477", Trouble.LOGIN_NEEDED),
        ("479", Trouble.NO_SUCH_ROOM),
    ],
)
def test_a_refused_join_says_why(numeric, trouble):
    """As the user reads it in his client."""
    assert JOIN_REFUSALS[numeric] is trouble


def test_refused_nicks_and_words_say_why():
    """In use, malformed, moderated, nobody there."""
    assert NICK_REFUSALS["433"] is Trouble.NICK_IN_USE
    assert NICK_REFUSALS["432"] is Trouble.BAD_NICK
    assert MESSAGE_REFUSALS["404"] is Trouble.CANNOT_SPEAK
    assert MESSAGE_REFUSALS["401"] is Trouble.NO_SUCH_NICK
    assert LOGIN_REFUSALS["904"] is Trouble.LOGIN_FAILED


def test_every_refusal_is_a_trouble():
    """The general table knows what the narrow ones know."""
    for table in (JOIN_REFUSALS, NICK_REFUSALS, MESSAGE_REFUSALS, LOGIN_REFUSALS):
        assert set(table) <= set(TROUBLES)
    assert TROUBLES["482"] is Trouble.NO_PRIVILEGE


def test_numerics_are_three_digits_that_equal_a_command():
    """So that a table of them can be asked with what a line holds."""
    assert all(len(numeric) == 3 and numeric.isdigit() for numeric in Numeric)
    assert {Numeric.RPL_WELCOME: 1}["001"] == 1
    assert all(numeric.name.startswith(("RPL_", "ERR_")) for numeric in Numeric)


def test_wanted_capabilities_are_unique_and_specified():
    """STS is read, never asked for."""
    assert len(WANTED) == len(CAPABILITIES)
    assert "sts" not in WANTED
    assert all(Path(capability.spec).suffix == ".md" for capability in CAPABILITIES)
    assert {"sasl", "message-tags", "server-time", "echo-message", "labeled-response"} <= WANTED


def test_client_tags_have_their_plus():
    """The others are the server's."""
    assert {tag for tag in Tag if not tag.startswith("+")} == {
        "account",
        "batch",
        "bot",
        "label",
        "msgid",
        "time",
    }
