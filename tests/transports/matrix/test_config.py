"""What the operator sets."""

from __future__ import annotations

import msgspec
import pytest

from tests.transports.matrix.test_registration import config
from transports.matrix.config import MatrixConfig


def test_config_of_four_lines_is_enough():
    """Where the homeserver is, what it is called, and the two tokens; everything else has a default."""
    found = config()
    assert (found.listen_host, found.listen_port, found.bot) == ("127.0.0.1", 29333, "@xmppbridge:hs.test")
    assert config(listen="[::1]:80").listen_host == "::1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("homeserver", "hs.test:8008"),
        ("homeserver", "http://hs.test/?x"),
        ("server_name", "hs test"),
        ("listen", "localhost:29333"),
        ("url", "gw.test"),
        ("id", "a/b"),
        ("prefix", "_XMPP_"),
        ("sender", "@bot"),
    ],
)
def test_config_that_cannot_work_is_refused(name, value):
    """A slip is told when the file is read, not when the first user comes."""
    field = next(one for one in msgspec.structs.fields(MatrixConfig) if one.name == name)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(value, field.type)


def test_config_shows_no_token():
    """A configuration that is logged tells no secret."""
    assert "hs'" not in repr(config().hs_token)
    assert 'a"s' not in repr(config())
