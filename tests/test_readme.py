"""What the README tells an operator to write and to type."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.cli import main
from bridge.cli.snippets import EXAMPLE, zone
from bridge.config import Config, parse
from bridge.federation.outlet import parents
from tests.test_layout import ROOT

README = (ROOT / "README.md").read_text("utf-8")
GATEWAY = '\n[gateways."irc.example.org"]\nnetwork = "irc"\n'
FEDERATED = f"{GATEWAY}federated = true\n"
COMPONENT = f'{GATEWAY}[gateways."irc.example.org".component]\nsecret = "hush"\n'
"""What a block needs that shows a part of a configuration only."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def read(text: str, folder: Path) -> Config:
    """Read a configuration whose secrets are all there."""
    for name in re.findall(r'credential = "([^"]+)"', text):
        (folder / name).write_text("hush\n")
    rest = FEDERATED if "[federation" in text else COMPONENT
    whole = text if "[gateways." in text else text + rest
    return parse(whole, folder / "xmppbridge.toml", {"CREDENTIALS_DIRECTORY": str(folder)})


@pytest.mark.parametrize("text", blocks("toml"))
def test_each_configuration_can_be_loaded(text: str, tmp_path: Path) -> None:
    """Copied as it stands."""
    assert list(read(text, tmp_path).gateways) == ["irc.example.org"]


def test_default_of_serves_is_what_is_said(tmp_path: Path) -> None:
    """The gateway's parent domain, and all below it, go through the local server."""
    [both_ways] = [text for text in blocks("toml") if "serves" in text]
    component = read(both_ways, tmp_path).gateways["irc.example.org"].component
    assert component is not None and component.serves == parents("irc.example.org")


def test_every_command_is_told_and_every_command_told_exists() -> None:
    """The table lists them all, and no block names another, or an option that is none."""
    shell = "\n".join(blocks("sh"))
    told = set(re.findall(r"^\| `xmppbridge ([a-z-]+)", README, re.MULTILINE))
    assert told | {"version"} == set(main.commands)
    for line in re.findall(r"^xmppbridge ([^#\n>]+)", shell, re.MULTILINE):
        name, *words = line.split()
        command = main.commands[name]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= options, line


def test_records_are_those_that_init_prints() -> None:
    """One port takes both kinds of TLS, so both records name it."""
    records = [line for line in zone(EXAMPLE).splitlines() if line.startswith("_")]
    assert len(records) == 2 and all(record in README for record in records)


def test_every_file_that_is_named_is_there() -> None:
    """Links lead somewhere, to files and to headings."""
    headings = {
        heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", README):
        known = target[1:] in headings if target.startswith("#") else (ROOT / target).exists()
        assert known, target
    for name in re.findall(r"\bconf/[\w.-]+\w", README):
        assert (ROOT / name).exists(), name
