"""What the loader accepts, and everything it says of a file that it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.config import Config, ConfigError, load, parse

LEAST = """
[gateways."irc.example.org"]
network = "irc"
[gateways."irc.example.org".component]
secret = "hush"
"""


def read(text: str, **environ: str) -> Config:
    return parse(text, Path("/etc/xmppbridge/x.toml"), environ)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, Path("x.toml"), {})
    return str(caught.value).splitlines()


def test_least_configuration_has_all_defaults() -> None:
    """A gateway, its network and a secret are enough."""
    config = read(LEAST)
    gateway = config.gateways["irc.example.org"]
    assert gateway.component is not None and not gateway.federated
    assert (gateway.network, gateway.component.port) == ("irc", 5347)
    assert gateway.component.secret.reveal() == "hush"
    assert type(gateway.options).__name__ == "IrcConfig"
    assert config.allow == ("*",) and config.federation is None and config.components is None


def test_wrong_file_tells_everything_at_once_in_its_order() -> None:
    """Every problem has its line and key, and the key that was probably meant."""
    text = """admins = ["no domain", 3, "a@b.example", "a@b.example/phone"]
alow = []
allow = ["*.example.org", "@"]
[log]
level = "inof"
levels = { x = "warm" }
[store]
commit_interval = "x"
[contacts]
abuse = ["abuse@example.org"]
[gateways."irc.example.org"]
network = "irc"
secret = "x"
[gateways."irc.example.org".irc]
ports = [1, 2, 0]
verfy = true
"""
    levels = '"debug", "info", "warn", "error" or "critical"'
    assert problems(text) == [
        "x.toml:1: admins[0]: 'no domain' is no valid address",
        "x.toml:1: admins[1]: expected a string",
        "x.toml:1: admins[3]: expected a bare JID, like user@example.org",
        'x.toml:2: alow: unknown key; did you mean "allow"?',
        "x.toml:3: allow[1]: '@' is no valid address",
        f'x.toml:5: log.level: expected {levels}; did you mean "info"?',
        f'x.toml:6: log.levels.x: expected {levels}; did you mean "warn"?',
        "x.toml:8: store.commit_interval: expected a number, got a string",
        "x.toml:10: contacts.abuse[0]: expected a URI, like mailto:admin@example.org",
        'x.toml:11: gateways."irc.example.org": '
        'needs [gateways."irc.example.org".component] or federated = true',
        'x.toml:13: gateways."irc.example.org".secret: unknown key; did you mean "component.secret"?',
        'x.toml:15: gateways."irc.example.org".irc.ports[2]: expected an integer >= 1',
        'x.toml:16: gateways."irc.example.org".irc.verfy: unknown key; did you mean "verify"?',
    ]


def test_unknown_network_names_those_there_are() -> None:
    """A network that is not installed is told with the nearest that is."""
    found = problems(LEAST.replace('"irc"', '"irk"'))
    assert len(found) == 1
    assert "x.toml:3:" in found[0] and 'did you mean "irc"?' in found[0]


def test_missing_network_is_one_problem_with_its_table_left_alone() -> None:
    """The network's own table is not called unknown as well."""
    text = LEAST.replace('network = "irc"', "") + '[gateways."irc.example.org".irc]\nverify = true\n'
    assert problems(text) == ['x.toml:2: gateways."irc.example.org".network: is missing']


def test_no_gateway_is_a_problem() -> None:
    """A bridge without gateways serves nobody."""
    nothing = ["x.toml:1: gateways: expected at least one gateway, or a hosted component"]
    assert problems("") == problems("[gateways]") == nothing


FEDERATED = """
[federation]
listen = ["[::1]:5269", "127.0.0.1:5269"]
certificate_directory = "certificates"
[federation.peers."*.Example.net"]
encryption = "optional"
servers = ["10.0.0.1", "xmpps://[::1]:5270"]
[federation.certificates."irc.example.org"]
certificate = "/etc/ssl/irc.pem"
[components.domains."SIP.example.org"]
secret = "hush"
[gateways."irc.example.org"]
network = "irc"
federated = true
"""


def test_federated_gateway_needs_no_component() -> None:
    """Other servers reach it directly; files are relative to the configuration."""
    config = read(FEDERATED)
    federation = config.federation
    assert federation is not None and config.components is not None
    assert config.gateways["irc.example.org"].component is None
    assert [(each.host, each.port) for each in federation.listen] == [("::1", 5269), ("127.0.0.1", 5269)]
    assert federation.certificate_directory == "/etc/xmppbridge/certificates"
    assert federation.certificates["irc.example.org"].key == ""
    peer = federation.peers["*.example.net"]
    assert (peer.authentication, peer.encryption) == (None, "optional")
    assert [address.direct_tls for address in peer.servers] == [False, True]
    assert config.components.domains["sip.example.org"].second_connection == "refuse"


def test_federated_gateway_without_the_federation_table_is_a_problem() -> None:
    """Nothing would listen for other servers."""
    text = '[gateways."irc.example.org"]\nnetwork = "irc"\nfederated = true\n'
    assert problems(text) == ['x.toml:3: gateways."irc.example.org".federated: needs the table [federation]']


def test_domain_of_a_gateway_and_of_a_component_is_a_problem() -> None:
    """A domain is served by one of them."""
    assert problems(FEDERATED.replace("SIP.example", "irc.example")) == [
        'x.toml:10: components.domains."irc.example.org": is a gateway\'s domain as well'
    ]


def test_wrong_places_of_servers_are_problems() -> None:
    """Each in its own words."""
    text = """[federation]
listen = ["5269", "::1:5269", "[::x]:1", "127.0.0.1:70000"]
certificate_directory = 3
allow = ["a@example.org"]
peers = { "example.net" = { servers = ["xmpps://example.net", "a b"] } }
"""
    endpoint = "expected address:port, like 127.0.0.1:5269 or [::]:5269"
    host = "expected a host name, an IPv4 address or an IPv6 address in brackets"
    assert problems(text + LEAST) == [
        f"x.toml:2: federation.listen[0]: {endpoint}",
        f"x.toml:2: federation.listen[1]: {endpoint}",
        f"x.toml:2: federation.listen[2]: {endpoint}",
        "x.toml:2: federation.listen[3]: expected a port from 1 to 65535",
        "x.toml:3: federation.certificate_directory: expected a string",
        "x.toml:4: federation.allow[0]: expected example.org, *.example.org or *",
        'x.toml:5: federation.peers."example.net".servers[0]: '
        "expected a port: there is none for direct TLS by default",
        f'x.toml:5: federation.peers."example.net".servers[1]: {host}',
    ]


def test_domain_written_twice_is_a_problem() -> None:
    """Domains that differ in case only are the same."""
    text = LEAST + LEAST.replace("irc.example", "IRC.example")
    assert problems(text) == ['x.toml:7: gateways."IRC.example.org": is there twice, written differently']


@pytest.mark.parametrize(
    ("text", "line"),
    [("admins = [\n'a@b',\n", 3), ("a = 1\na = 2\n", 2), ("x = ", 1), ("\n[log\n", 2), ("[log]\n[log]\n", 2)],
)
def test_bad_syntax_tells_the_line(text: str, line: int) -> None:
    """TOML that cannot be read is one problem, with tomllib's line where it has one."""
    [found] = problems(text)
    assert found.startswith(f"x.toml:{min(line, text.rstrip().count(chr(10)) + 1)}: ")


def test_nesting_beyond_reason_is_a_problem() -> None:
    """A file made to exhaust the stack is refused like any other."""
    assert problems("a = " + "[" * 100_000) == ["x.toml: is nested too deeply"]


def test_wrong_kind_of_value_is_told_in_plain_words() -> None:
    """The operator reads of tables and lists, not of Python's types."""
    assert problems("log = 3\nadmins = 'x'\n" + LEAST)[:2] == [
        "x.toml:1: log: expected a table",
        "x.toml:2: admins: expected a list",
    ]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("data.sqlite", "/etc/xmppbridge/data.sqlite"),
        ("/srv/data.sqlite", "/srv/data.sqlite"),
        ("sqlite:///data.sqlite", "/etc/xmppbridge/data.sqlite"),
        ("sqlite:////srv/a%20b.sqlite", "/srv/a b.sqlite"),
        ("postgresql://bridge@db/bridge", "postgresql://bridge@db/bridge"),
    ],
)
def test_store_url_becomes_absolute(url: str, path: str) -> None:
    """An SQLite path is relative to the file that names it, not to where the daemon stands."""
    url_config = read(f'[store]\nurl = "{url}"\n' + LEAST).store.url
    assert url_config is not None and url_config.reveal() == path


def test_store_url_of_unknown_scheme_is_a_problem() -> None:
    """A database that the bridge does not know is told before it is opened."""
    [found] = problems('[store]\nurl = "mysql://x/y"\n' + LEAST)
    assert found.startswith("x.toml:2: store.url: expected a path,")


def test_store_defaults_to_the_state_directory() -> None:
    """systemd's StateDirectory= is honoured, the first if there are several."""
    url = read(LEAST, STATE_DIRECTORY="/state/a:/state/b").store.url
    assert url is not None and url.reveal() == "/state/a/xmppbridge.sqlite"
    url = read(LEAST).store.url
    assert url is not None and url.reveal() == "/var/lib/xmppbridge/xmppbridge.sqlite"


def test_secrets_of_a_configuration_are_not_in_its_repr() -> None:
    """Whoever logs a configuration logs no secret."""
    config = read('[store]\nurl = "postgresql://u:hush@h/d"\n' + LEAST)
    assert "hush" not in repr(config)


def test_unreadable_and_binary_files_are_told(tmp_path: Path) -> None:
    """A file that is not there, or is no text, is a problem without a line."""
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml", {})
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load(tmp_path / "binary.toml", {})


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_configuration_or_a_list_of_problems(text: str) -> None:
    """Nothing but ConfigError comes out, whatever the file holds."""
    try:
        read(text)
    except ConfigError as error:
        assert error.problems


def test_components_may_be_hosted_without_any_gateway() -> None:
    """Somebody else's gateways need a way to other servers, too."""
    config = read('[components.domains."x.example.org"]\nsecret = "s"\n[federation]\n')
    assert not config.gateways
