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


FEDERATED = """[federation]
listen = ["[::]:5269"]
deny = []
[federation.peers."a.example"]
encryption = "optional"
[components.domains."sip.example.org"]
secret = "x"
[gateways."irc.example.org"]
network = "irc"
federated = true
"""


def test_peers_and_secrets_of_components_change_without_a_restart() -> None:
    """Where the bridge listens does not."""
    old = read(FEDERATED)
    new = read(
        FEDERATED.replace("5269", "5299")
        .replace("deny = []", 'deny = ["b.example"]')
        .replace('"optional"', '"never"')
        .replace('secret = "x"', 'secret = "y"')
    )
    applied = changed_keys(old, without_restart(old, new))
    assert applied == [
        "federation.deny",
        'federation.peers."a.example".encryption',
        'components.domains."sip.example.org".secret',
    ]
    assert changed_keys(without_restart(old, new), new) == ["federation.listen"]


def test_optional_table_comes_and_goes_by_a_restart() -> None:
    """Whether there is federation at all is no matter of reloading."""
    with_it = read(FEDERATED)
    without = read('[gateways."irc.example.org"]\nnetwork = "irc"\ncomponent.secret = "x"\n')
    keys = ["federation", "components"]
    for old, new in ((with_it, without), (without, with_it)):
        now = without_restart(old, new)
        assert now == old
        assert changed_keys(now, new)[:2] == keys
