"""What differs between two configurations."""

from __future__ import annotations

from pathlib import Path

from bridge.config import Config, parse
from bridge.config.changes import changed_keys, without_restart

OLD = """admins = ["romeo@example.org"]
store.url = "a.sqlite"
[gateways."irc.example.org"]
network = "irc"
component.secret = "x"
irc.fixed_server = "irc.example.net"
[gateways."old.example.org"]
network = "irc"
component.secret = "x"
"""
NEW = """admins = ["juliet@example.org"]
store = { url = "b.sqlite", archive_days = 7 }
log.levels = { "bridge" = "debug" }
[gateways."irc.example.org"]
network = "irc"
name = "Relay"
component.secret = "y"
irc = { fixed_server = "irc.example.com", verify = false }
[gateways."new.example.org"]
network = "irc"
component.secret = "x"
"""


def read(text: str) -> Config:
    return parse(text, Path("/x.toml"), {})


def test_changed_keys_are_named_without_their_values() -> None:
    """A secret's change is told, the secret is not."""
    assert changed_keys(read(OLD), read(NEW)) == [
        "admins",
        "store.url",
        "store.archive_days",
        "log.levels",
        'gateways."irc.example.org".name',
        'gateways."irc.example.org".component.secret',
        'gateways."irc.example.org".irc.fixed_server',
        'gateways."irc.example.org".irc.verify',
        'gateways."old.example.org"',
        'gateways."new.example.org"',
    ]
    assert changed_keys(read(OLD), read(OLD)) == []


def test_what_needs_a_restart_keeps_its_old_value() -> None:
    """The rest is new; which gateways there are is not."""
    old, new = read(OLD), read(NEW)
    now = without_restart(old, new)
    assert changed_keys(old, now) == [
        "admins",
        "store.archive_days",
        "log.levels",
        'gateways."irc.example.org".irc.verify',
    ]
    assert set(changed_keys(old, now)) | set(changed_keys(now, new)) == set(changed_keys(old, new))
    assert now.gateways.keys() == old.gateways.keys()
