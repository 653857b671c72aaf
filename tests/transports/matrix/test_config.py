"""What the operator sets."""

from __future__ import annotations

import msgspec
import pytest

from bridge.config.loader import metas
from tests.transports.matrix.test_registration import config
from transports.matrix.config import MatrixConfig, Rule


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


def test_every_pattern_has_its_words():
    """An operator is told what to write, not a regular expression."""
    noted = [metas(field.type) for field in msgspec.structs.fields(MatrixConfig)]
    noted.append(metas(Rule))
    patterns = [found for found in noted if any(meta.pattern for meta in found)]
    assert len(patterns) == 8
    assert all(any("form" in (meta.extra or {}) for meta in found) for found in patterns)
