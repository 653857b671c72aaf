"""The registration that the homeserver reads."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from bridge.secret import Secret
from transports.matrix import files
from transports.matrix.config import MatrixConfig
from transports.matrix.registration import registration, synapse


def config(**options) -> MatrixConfig:
    """A configuration; what is not named has its default."""
    usual = {
        "homeserver": "http://127.0.0.1:8008",
        "server_name": "hs.test",
        "as_token": Secret('a"s'),
        "hs_token": Secret("hs"),
    }
    return MatrixConfig(**{**usual, **options})


def read(text: str) -> dict[str, object]:
    """Read what we write: `key: <JSON scalar>` in lines, deeper ones by the same keys."""
    pairs = re.findall(r"^[ -]*([a-z_]+): (.+)$", text, re.MULTILINE)
    values: dict[str, list[object]] = {}
    for key, value in pairs:
        values.setdefault(key, []).append(msgspec.json.decode(value))
    return {key: found[0] if len(found) == 1 else found for key, found in values.items()}


CONF = Path(__file__).parents[3] / "conf"


def test_registration_names_us_and_both_tokens():
    """The homeserver learns where we are, and how both know each other."""
    found = read(registration(config()))
    assert {key: found[key] for key in ("id", "url", "as_token", "hs_token", "sender_localpart")} == {
        "id": "xmppbridge",
        "url": "http://127.0.0.1:29333",
        "as_token": 'a"s',
        "hs_token": "hs",
        "sender_localpart": "xmppbridge",
    }
    assert (found["receive_ephemeral"], found["rate_limited"], found["rooms"]) == (True, False, [])
    assert registration(config()).endswith("protocols:\n  - xmpp\n")


def test_registration_names_the_url_that_the_homeserver_sees():
    """Behind a proxy the address is another than we listen on."""
    assert read(registration(config(url="https://gw.test/matrix")))["url"] == "https://gw.test/matrix"


@pytest.mark.parametrize(
    ("id", "is_ours"),
    [
        ("@_xmpp_romeo=40montague.lit:hs.test", True),
        ("@_xmpp_:hs.test", True),
        ("@romeo:hs.test", False),
        ("@_xmpp_romeo:hsxtest", False),
        ("@_xmpp_romeo:hs.test.evil", False),
    ],
)
def test_registration_claims_our_ghosts_alone(id, is_ours):
    """Nobody else's users are taken away, even where a dot of a name could stand for anything."""
    users, aliases = read(registration(config()))["regex"]
    assert bool(re.fullmatch(users, id)) is is_ours
    assert bool(re.fullmatch(aliases, id.replace("@", "#", 1))) is is_ours


def test_synapse_finds_the_registration_and_lets_our_ghosts_publish_rooms():
    """The file is called by the id, so that two gateways get on with each other."""
    text = synapse(config(id="second", prefix="_second_"))
    assert '  - "/etc/matrix-synapse/second.yaml"\n' in text
    assert '  - user_id: "@_second_*:hs.test"\n    action: allow\n' in text


def test_files_under_conf_are_those_that_init_writes():
    """Write them anew with: PYTHONPATH=. python conf/generate.py"""
    tokens = {
        "as_token": Secret("a token of xmppbridge.toml"),
        "hs_token": Secret("the other token of xmppbridge.toml"),
    }
    written = files(config(server_name="example.org", **tokens))
    assert set(written) == {"registration.yaml", "homeserver.yaml"}
    assert {name: (CONF / name).read_text("utf-8") for name in written} == written
