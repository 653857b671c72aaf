"""Users' settings, as the operator offers them."""

from __future__ import annotations

import msgspec
import pytest

from bridge.network import Scope
from bridge.settings import build_settings_form, read_settings_form
from transports.irc.config import IrcConfig
from transports.irc.settings import GatewaySettings, RoomSettings, ServerSettings, settings_types


def shown(settings_type):
    """Return the names of the fields that a form shows."""
    return [
        field.var for field in build_settings_form(settings_type(), name="n", server="s", room="r").fields
    ]


def test_forms_have_biboumis_fields():
    """Scripts written for Biboumi find their fields."""
    types = settings_types(IrcConfig())
    assert shown(types[Scope.GATEWAY]) == ["max_history_length", "record_history", "persistent"]
    assert set(shown(types[Scope.SERVER])) >= {
        "address", "ports", "tls_ports", "verify_cert", "fingerprint", "sasl_password", "nick", "pass",
        "after_connect_commands", "username", "realname", "throttle_limit", "max_history_length",
        "encoding_out", "encoding_in",
    }  # fmt: skip
    assert shown(types[Scope.ROOM]) == ["record_history", "encoding_out", "encoding_in", "persistent"]


def test_form_titles_name_the_server_and_the_channel():
    """Titles are Biboumi's."""
    assert build_settings_form(ServerSettings(), server="irc.example.org").title == (
        "Configure the IRC server irc.example.org"
    )
    assert build_settings_form(RoomSettings(), server="irc.example.org", room="#foo").title == (
        "Configure the IRC channel #foo on server irc.example.org"
    )


def test_operators_defaults_are_the_users():
    """What the operator prefers holds until the user says otherwise."""
    config = IrcConfig(persistent_by_default=True, record_history=False, max_history=7)
    defaults = settings_types(config)[Scope.GATEWAY]()
    assert isinstance(defaults, GatewaySettings)
    assert (defaults.persistent, defaults.record_history, defaults.max_history_length) == (True, False, 7)


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        (IrcConfig(fixed_server="irc.example.org"), {"address"}),
        (IrcConfig(realname_customization=False), {"username", "realname"}),
        (IrcConfig(allow_addresses=False), {"address", "ports", "tls_ports"}),
    ],
)
def test_denied_settings_are_not_shown_but_keep_their_place(config, missing):
    """What the operator denies is hidden; the type stays the same."""
    offered = settings_types(config)[Scope.SERVER]
    assert set(shown(ServerSettings)) - set(shown(offered)) == missing
    assert isinstance(offered(), ServerSettings)


def test_form_is_read_back():
    """A submitted form changes what it names and nothing else."""
    before = ServerSettings(nick="romeo", verify_cert=False)
    after = read_settings_form(
        before,
        {
            "tls_ports": ["6697", "7000"],
            "pass": ["secret"],
            "throttle_limit": ["-1"],
            "sasl_external": ["a", "b"],
        },
    )
    assert after == ServerSettings(
        nick="romeo",
        verify_cert=False,
        tls_ports=(6697, 7000),
        password="secret",
        throttle_limit=-1,
        sasl_external=("a", "b"),
    )


def test_settings_survive_storage():
    """Stored values are read back, under Biboumi's names."""
    settings = ServerSettings(password="p", ports=(6667,), throttle_limit=0)
    stored = msgspec.json.encode(settings)
    assert b'"pass":"p"' in stored
    assert msgspec.json.decode(stored, type=ServerSettings) == settings
