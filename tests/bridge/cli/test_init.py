"""`xmppbridge init`: what it asks, and what it writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bridge.cli import main
from bridge.config import load


def init(tmp_path: Path, *arguments: str, answers: str = "") -> Result:
    output = str(tmp_path / "xmppbridge.toml")
    return CliRunner().invoke(main, ["init", "--output", output, *arguments], input=answers)


def test_answers_become_a_configuration_that_loads(tmp_path: Path) -> None:
    """Server, network, domain, host, port, the network's question, administrator."""
    result = init(
        tmp_path, answers="ejabberd\n\nIRC.example.org\nxmpp.local\n5348\nirc.libera.chat\nme@example.org\n"
    )
    assert result.exit_code == 0, result.output
    config = load(tmp_path / "xmppbridge.toml", {})
    gateway = config.gateways["irc.example.org"]
    assert (gateway.component.host, gateway.component.port) == ("xmpp.local", 5348)
    assert gateway.options.fixed_server == "irc.libera.chat"
    assert config.admins == ("me@example.org",)
    snippet = (tmp_path / "xmppbridge.ejabberd.yml").read_text()
    assert f'password: "{gateway.component.secret.reveal()}"' in snippet and snippet in result.output


def test_standalone_gateway_is_federated_and_the_dns_records_are_told(tmp_path: Path) -> None:
    """It needs no XMPP server and no secret, but its machine's name and a certificate."""
    result = init(tmp_path, answers="standalone\n\nirc.example.org\nxmpp.example.org\n/srv/tls\n\n\n")
    assert result.exit_code == 0, result.output
    config = load(tmp_path / "xmppbridge.toml", {})
    gateway = config.gateways["irc.example.org"]
    assert gateway.federated and gateway.component is None
    assert config.federation is not None and config.federation.certificate_directory == "/srv/tls"
    records = (tmp_path / "xmppbridge.dns.zone").read_text()
    assert "_xmpp-server._tcp.irc.example.org.  86400 IN SRV 5 1 5269 xmpp.example.org." in records
    assert f"The DNS needs:\n\n{records}" in result.output


def test_standalone_gateway_has_no_secret_to_write(tmp_path: Path) -> None:
    """Whatever a credential is to be called."""
    arguments = ("--yes", "--domain", "irc.example.org", "--server", "standalone", "--credential", "cs")
    assert init(tmp_path, *arguments).exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"xmppbridge.toml", "xmppbridge.dns.zone"}
    assert "_tcp.irc.example.org.  86400" in (tmp_path / "xmppbridge.dns.zone").read_text()


def test_nothing_is_asked_with_yes(tmp_path: Path) -> None:
    """The defaults: Prosody on this machine, a fresh secret, any IRC server, the data beside the file."""
    assert init(tmp_path, "--yes", "--domain", "irc.example.org").exit_code == 0
    config = load(tmp_path / "xmppbridge.toml", {})
    secret = config.gateways["irc.example.org"].component.secret.reveal()
    assert len(secret) >= 32
    assert config.store.url is not None
    assert config.store.url.reveal() == str(tmp_path / "xmppbridge.sqlite")
    assert f'component_secret = "{secret}"' in (tmp_path / "xmppbridge.prosody.cfg.lua").read_text()


def test_what_is_written_is_for_its_owner_only(tmp_path: Path) -> None:
    """There are secrets in it, whatever the umask says."""
    old = os.umask(0)
    try:
        init(tmp_path, "--yes", "--domain", "irc.example.org", "--credential", "component-secret")
    finally:
        os.umask(old)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 3


def test_credential_keeps_the_secret_out_of_the_configuration(tmp_path: Path) -> None:
    """systemd hands over the file beside."""
    init(tmp_path, "--yes", "--domain", "irc.example.org", "--credential", "cs", "--secret", "hush")
    assert "hush" not in (tmp_path / "xmppbridge.toml").read_text()
    config = load(tmp_path / "xmppbridge.toml", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert config.gateways["irc.example.org"].component.secret.reveal() == "hush"


@pytest.mark.parametrize("name", ["xmppbridge.toml", "xmppbridge.prosody.cfg.lua"])
def test_existing_files_are_not_overwritten(tmp_path: Path, name: str) -> None:
    """Nothing is written if anything is in the way."""
    (tmp_path / name).write_text("mine")
    result = init(tmp_path, "--yes", "--domain", "irc.example.org")
    assert result.exit_code == 1 and "is not overwritten" in result.output
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--yes needs --domain"),
        (("--network", "matrix", "--domain", "a.example"), "--yes needs --option homeserver=VALUE"),
        (("--domain", "not a domain"), "is no valid address"),
        (("--domain", "a.example", "--admin", "nobody"), "expected a bare JID"),
        (("--domain", "a.example", "--option", "verfy=true"), 'did you mean "verify"?'),
        (("--domain", "a.example", "--option", "verify"), "is not KEY=VALUE"),
        (("--domain", "a.example", "--option", "verify=perhaps"), "expected true or false"),
    ],
)
def test_answers_that_do_not_do_are_refused(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    """And nothing is written."""
    result = init(tmp_path, "--yes", *arguments)
    assert result.exit_code in (1, 2) and message in result.output
    assert list(tmp_path.iterdir()) == []


def test_options_of_the_network_are_read_as_toml(tmp_path: Path) -> None:
    """Numbers, lists and truths are such; all else is a string."""
    options = ("verify=false", "ports=[6667]", "encoding=cp1251")
    init(
        tmp_path, "--yes", "--domain", "a.example", *(part for each in options for part in ("--option", each))
    )
    found = load(tmp_path / "xmppbridge.toml", {}).gateways["a.example"].options
    assert (found.verify, found.ports, found.encoding) == (False, (6667,), "cp1251")


def test_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Without a traceback."""
    result = init(tmp_path / "none", "--yes", "--domain", "a.example")
    assert result.exit_code == 1 and "No such file" in result.output


def test_homeserver_gets_its_registration(tmp_path: Path) -> None:
    """A Matrix gateway has fresh tokens, and the file that the homeserver reads holds the same."""
    answers = "prosody\nmatrix\nmx.example.org\n\n\nhttp://127.0.0.1:8008\nexample.org\n\n"
    result = init(tmp_path, answers=answers)
    assert result.exit_code == 0, result.output
    options = load(tmp_path / "xmppbridge.toml", {}).gateways["mx.example.org"].options
    assert (options.homeserver, options.server_name) == ("http://127.0.0.1:8008", "example.org")
    assert options.as_token != options.hs_token
    registration = (tmp_path / "mx.example.org.registration.yaml").read_text()
    assert options.as_token.reveal() in registration and options.hs_token.reveal() in registration


def test_sip_is_asked_for_its_trunk_and_what_carries_calls(tmp_path: Path) -> None:
    """What is answered is in tables of its own; beside it are the lines for the PBX and for rtpengine."""
    answers = (
        "",
        "127.0.0.1:22222",
        "pbx",
        "sip:pbx.example.org",
        "example.org, guest.example.org",
        "1?? +49*",
    )
    given = (
        "--network",
        "sip",
        "--server",
        "prosody",
        "--domain",
        "sip.example.org",
        "--admin",
        "a@example.org",
    )
    given = (*given, "--host", "127.0.0.1", "--port", "5347")
    result = init(tmp_path, *given, answers="\n".join((*answers, "")))
    assert result.exit_code == 0, result.output
    options = load(tmp_path / "xmppbridge.toml", {}).gateways["sip.example.org"].options
    assert options.domain == "sip.example.org" and options.media.rtpengine == ("127.0.0.1:22222",)
    [(name, trunk)] = options.trunks.items()
    assert name == "pbx" and trunk.server == "sip:pbx.example.org" and trunk.numbers == ("1??", "+49*")
    assert trunk.users == ("example.org", "guest.example.org")
    written = {path.name for path in tmp_path.iterdir()}
    assert {f"sip.example.org.{name}" for name in ("kamailio.cfg", "pjsip.conf", "rtpengine.conf")} <= written


def test_sip_needs_nothing_but_its_domain(tmp_path: Path) -> None:
    """Nothing is asked with --yes, and what is none of ours is none."""
    result = init(tmp_path, "--yes", "--network", "sip", "--domain", "sip.example.org")
    assert result.exit_code == 0, result.output
    options = load(tmp_path / "xmppbridge.toml", {}).gateways["sip.example.org"].options
    assert options.domain == "sip.example.org" and options.media is None and options.trunks == {}
