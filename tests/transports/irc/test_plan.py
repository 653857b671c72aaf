"""Where a user connects, and as whom."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bridge.errors import BridgeError, Trouble
from bridge.events import ServerId
from bridge.secret import Secret
from transports.irc.config import IrcConfig, ServerConfig
from transports.irc.dialer import Attempt
from transports.irc.plan import Plan
from transports.irc.settings import ServerSettings

ROMEO = "romeo@montague.example"
SERVER = "irc.example.org"


def ports(target):
    """Write a target's ports, TLS ones with a plus."""
    return " ".join(f"{'+' if attempt.secure else ''}{attempt.port}" for attempt in target.attempts)


def test_nothing_set_means_tls_only():
    """There is no silent fall-back to plain text."""
    target = Plan(IrcConfig()).target(SERVER, ServerSettings())
    assert (target.host, ports(target)) == (SERVER, "+6697 +6670")
    assert target.trust.verify


def test_server_preset_overrides_the_gateway():
    """A named server has its own host, ports and trust."""
    preset = ServerConfig(
        host="10.0.0.1", tls_ports=(), ports=(6667,), verify=False, ca_file="/x", outgoing_bind=""
    )
    plan = Plan(IrcConfig(servers={"Work": preset}, outgoing_bind="192.0.2.1"))
    target = plan.target("work", ServerSettings())
    assert (target.host, ports(target), target.trust.verify, target.bind) == ("10.0.0.1", "6667", False, "")
    assert plan.target("other", ServerSettings()).bind == "192.0.2.1"


def test_user_settings_choose_address_ports_and_trust():
    """TLS ports come first, whatever the order in the form."""
    settings = ServerSettings(
        address="192.0.2.7", ports=(6667,), tls_ports=(7000, 9999), fingerprint="ab" * 32
    )
    target = Plan(IrcConfig()).target(SERVER, settings)
    assert (target.host, ports(target), target.trust.fingerprint) == (
        "192.0.2.7",
        "+7000 +9999 6667",
        "ab" * 32,
    )


def test_user_address_is_ignored_where_the_operator_says_so():
    """With a fixed server, or addresses denied, a hand-made form changes nothing."""
    settings = ServerSettings(address="192.0.2.7", ports=(22,))
    fixed = Plan(IrcConfig(fixed_server=SERVER)).target("", settings)
    denied = Plan(IrcConfig(allow_addresses=False)).target(SERVER, settings)
    assert (fixed.host, denied.host, ports(denied)) == (SERVER, SERVER, "+6697 +6670")


@pytest.mark.parametrize(
    ("config", "settings", "refused"),
    [
        (IrcConfig(allowed_servers=("*.example.org",)), ServerSettings(), False),
        (IrcConfig(allowed_servers=("*.example.net",)), ServerSettings(), True),
        (IrcConfig(denied_servers=("irc.*",)), ServerSettings(), True),
        (IrcConfig(denied_servers=("10.*",)), ServerSettings(address="10.0.0.1"), True),
        (IrcConfig(allowed_servers=("IRC.example.org",)), ServerSettings(address="evil.example"), True),
        (IrcConfig(tls_ports=()), ServerSettings(), True),
    ],
)
def test_operator_policy_decides_on_servers(config, settings, refused):
    """Both the name and a user's own address must be allowed; denied wins."""
    if not refused:
        assert Plan(config).target(SERVER, settings)
        return
    with pytest.raises(BridgeError) as caught:
        Plan(config).target(SERVER, settings)
    assert caught.value.trouble is Trouble.NOT_ALLOWED


@pytest.mark.parametrize(
    ("config", "settings", "expected"),
    [
        ({}, {}, ("Romeo", "Romeo", "Romeo")),
        ({}, {"nick": "r", "username": "u", "realname": "R M"}, ("r", "u", "R M")),
        ({"realname_customization": False}, {"username": "u", "realname": "R"}, ("Romeo", "Romeo", "Romeo")),
        ({"realname_from_jid": True}, {}, ("Romeo", "romeo", ROMEO)),
        ({"realname_from_jid": True}, {"realname": "R"}, ("Romeo", "romeo", "R")),
    ],
)
def test_nick_username_and_realname_follow_biboumi(config, settings, expected):
    """Settings, then the JID if the operator wants it, then the nick."""
    profile = Plan(IrcConfig(**config)).profile(ROMEO, SERVER, "Romeo", ServerSettings(**settings))
    assert (profile.nick, profile.username, profile.realname) == expected


def test_login_is_required_once_it_is_configured():
    """Who set a password for SASL is never connected without being logged in."""
    plan = Plan(IrcConfig())
    assert not plan.profile(ROMEO, SERVER, "Romeo", ServerSettings()).require_sasl
    profile = plan.profile(ROMEO, SERVER, "Romeo", ServerSettings(sasl_password="s"))
    assert (profile.require_sasl, profile.sasl_account, profile.sasl_external) == (True, "Romeo", False)
    profile = plan.profile(ROMEO, SERVER, "Romeo", ServerSettings(sasl_external=("pem",), sasl_account="m"))
    assert (profile.require_sasl, profile.sasl_account, profile.sasl_external) == (True, "m", True)


def test_pace_comes_from_user_then_server_then_gateway():
    """Throttling: the nearest setting wins, zero and negative ones included."""
    plan = Plan(
        IrcConfig(throttle_burst=7, servers={SERVER: ServerConfig(throttle_burst=3, throttle_rate=4.0)})
    )
    assert plan.profile(ROMEO, "other.example", "r", ServerSettings()).burst == 7
    profile = plan.profile(ROMEO, SERVER, "r", ServerSettings())
    assert (profile.burst, profile.rate) == (3, 4.0)
    assert plan.profile(ROMEO, SERVER, "r", ServerSettings(throttle_limit=-1)).burst == -1


def test_webirc_gives_each_user_an_address_of_his_own():
    """Servers can ban one user without banning the gateway; the address is nobody's."""
    plan = Plan(IrcConfig(servers={SERVER: ServerConfig(webirc_password=Secret("w"))}))
    romeo = plan.profile(ROMEO, SERVER, "r", ServerSettings()).webirc
    again = plan.profile(ROMEO, SERVER, "r", ServerSettings()).webirc
    juliet = plan.profile("juliet@capulet.example", SERVER, "j", ServerSettings()).webirc
    assert romeo == again and romeo.address != juliet.address
    assert romeo.address.startswith("fd") and romeo.host == "montague.example" and romeo.password == "w"
    assert plan.profile(ROMEO, "other.example", "r", ServerSettings()).webirc is None


def test_address_of_the_users_own_is_private():
    """A server of a user's own making shares nothing with others who use the name."""
    plan = Plan(IrcConfig())
    server = ServerId("irc.example")
    assert plan.is_private(server, ServerSettings(address="evil.example"))
    assert plan.is_private(server, ServerSettings(ports=(1,)))
    assert not plan.is_private(server, ServerSettings(nick="x", verify_cert=False))
    closed = Plan(IrcConfig(allow_addresses=False))
    assert not closed.is_private(server, ServerSettings(address="evil.example"))


def test_address_and_ports_spelt_out_as_the_gateways_own_are_not_private():
    """A form sent back as it was shown leads nobody elsewhere: his archive and view stay shared."""
    plan = Plan(IrcConfig(ports=(6667,), servers={"irc.example": ServerConfig(ports=(7000,))}))
    server = ServerId("irc.example")
    same = ServerSettings(address="irc.example", ports=(6667,), tls_ports=plan.config.tls_ports)
    assert not plan.is_private(server, same)
    assert not plan.is_private(ServerId("other.example"), replace(same, address=""))
    assert plan.target(server, same) == plan.target(server, ServerSettings())


def test_attempts_are_values():
    """Equal plans give equal targets, so that TLS contexts are shared."""
    plan = Plan(IrcConfig(ports=(6667,)))
    assert plan.target(SERVER, ServerSettings()) == plan.target(SERVER, ServerSettings())
    assert Attempt(port=6667, secure=False) in plan.target(SERVER, ServerSettings()).attempts
