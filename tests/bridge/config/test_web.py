"""The table [web]."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config import ConfigError, WebConfig, parse
from bridge.config.values import HostPort

LEAST = """
[gateways."irc.example.org"]
network = "irc"
[gateways."irc.example.org".component]
secret = "hush"
[web]
"""


def read(text: str) -> WebConfig:
    config = parse(LEAST + text, Path("x.toml"), {})
    assert config.web is not None
    return config.web


def test_url_is_all_that_must_be_said() -> None:
    """The rest has defaults that do for a small server."""
    web = read('url = "https://files.example.org"')
    assert (web.listen.host, web.listen.port) == ("127.0.0.1", 5290)
    assert (web.types, web.fetch_allowed) == (("*/*",), ())


def test_exceptions_are_hosts_with_ports() -> None:
    """As they stand in links, whatever the case of their letters."""
    web = read('url = "https://x"\nfetch_allowed = ["Upload.example:5443", "[::1]:80"]')
    assert web.fetch_allowed == ("upload.example:5443", "[::1]:80")


@pytest.mark.parametrize("written", ["upload.example", "upload.example:0", ":80", "a b:80", 7, "::1:80"])
def test_what_is_no_host_with_a_port_is_refused(written: object) -> None:
    """The loader turns the ValueError into a problem of the file."""
    with pytest.raises(ValueError):
        HostPort.parse(written)


@pytest.mark.parametrize(
    "text", ["", 'url = "files.example"', 'url = "https://x"\ntypes = ["picture"]', 'url = "https://x?y"']
)
def test_wrong_option_is_a_problem(text: str) -> None:
    """Told with its place."""
    with pytest.raises(ConfigError):
        read(text)
