"""Biboumi's configuration file as TOML of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.biboumi import convert
from bridge.config import parse

MINIMAL = "hostname=irc.example.org\npassword=sesame\n"


def load(conversion):
    config = parse(conversion.toml, Path("/etc/xmppbridge.toml"), {})
    return config, config.gateways[conversion.hostname]


def test_convert_minimal_file_loads_and_behaves_like_biboumis_defaults():
    """Nothing but host name and password gives Biboumi's ports, component and ident."""
    conversion = convert(MINIMAL)
    config, gateway = load(conversion)
    assert (gateway.network, gateway.component.host, gateway.component.port) == ("irc", "127.0.0.1", 5347)
    assert gateway.component.secret.reveal() == "sesame"
    assert (gateway.options.tls_ports, gateway.options.ports) == ((6697, 6670), (6667,))
    assert gateway.options.identd_port == 113
    assert not gateway.options.persistent_by_default
    assert config.admins == ()
    assert any("plain text" in warning for warning in conversion.warnings)
    assert (conversion.database, conversion.fixed_server) == ("", "")


def test_convert_full_file_carries_every_option_over():
    """Each option finds its place."""
    conversion = convert(
        '# a comment=1\nhostname=irc.example.org\npassword=s"e\\sä=me\nxmpp_server_ip=::1\nport=5348\n'
        "db_name=postgresql://b:p@localhost/biboumi\nadmin=a@example.org:b@example.org\n"
        "fixed_irc_server=irc.example.net\npersistent_by_default=true\nrealname_customization=false\n"
        "realname_from_jid=true\nwebirc_password=web\nlog_file=/var/log/b.log\nlog_level=2\n"
        "ca_file=/etc/ca.pem\npolicy_directory=/etc/biboumi\noutgoing_bind=192.0.2.1\nidentd_port=0\n"
    )
    config, gateway = load(conversion)
    assert config.admins == ("a@example.org", "b@example.org")
    assert (config.log.level, config.log.file) == ("warn", "/var/log/b.log")
    assert (gateway.component.host, gateway.component.port) == ("::1", 5348)
    assert gateway.component.secret.reveal() == 's"e\\sä=me'
    irc = gateway.options
    assert (irc.fixed_server, irc.ca_file, irc.outgoing_bind) == (
        "irc.example.net",
        "/etc/ca.pem",
        "192.0.2.1",
    )
    assert (irc.persistent_by_default, irc.realname_customization, irc.realname_from_jid) == (
        True,
        False,
        True,
    )
    assert irc.identd_port == 0
    assert irc.servers["irc.example.net"].webirc_password.reveal() == "web"
    assert conversion.database == "postgresql://b:p@localhost/biboumi"
    assert conversion.fixed_server == "irc.example.net"
    assert any("policy_directory" in warning for warning in conversion.warnings)
    assert not any("webirc" in warning for warning in conversion.warnings)


def test_convert_takes_overrides_from_the_environment():
    """BIBOUMI_… variables count more than the file, as they did for Biboumi."""
    conversion = convert(MINIMAL, {"BIBOUMI_PORT": "5350", "BIBOUMI_PASSWORD": "other", "PORT": "1"})
    _, gateway = load(conversion)
    assert (gateway.component.port, gateway.component.secret.reveal()) == (5350, "other")


def test_convert_webirc_password_without_a_fixed_server_is_explained():
    """What has no place of its own is not dropped without a word."""
    conversion = convert(MINIMAL + "webirc_password=web\n")
    load(conversion)
    assert any("webirc_password" in warning for warning in conversion.warnings)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("port=many", "port many"),
        ("identd_port=99999", "identd_port 99999"),
        ("log_level=9", "log_level 9"),
        ("hotsname=x", "hotsname"),
        ("identd_port=113", "CAP_NET_BIND_SERVICE"),
    ],
)
def test_convert_warns_of_what_it_cannot_take(line, word):
    """Every doubtful line is named."""
    conversion = convert(MINIMAL + line + "\n")
    load(conversion)
    assert any(word in warning for warning in conversion.warnings)


@pytest.mark.parametrize("missing", ["hostname", "password"])
def test_convert_names_what_is_missing(missing):
    """An unusable file is said to be so."""
    text = "".join(line for line in MINIMAL.splitlines(True) if not line.startswith(missing))
    assert f"{missing} is missing" in " ".join(convert(text).warnings)


def test_convert_survives_any_character_in_a_value():
    """A password of odd characters arrives as it is."""
    odd = "".join(chr(code) for code in range(1, 0x200) if chr(code) not in "\r\n")
    _, gateway = load(convert(f"hostname=irc.example.org\npassword={odd}\n"))
    assert gateway.component.secret.reveal() == odd
