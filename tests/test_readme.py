"""What the README tells an operator to write and to type."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from bridge.capabilities import README_BEGIN, README_END, capability_table
from bridge.cli import main
from bridge.cli.snippets import EXAMPLE, zone
from bridge.config import Config, network_module, network_names, parse
from bridge.federation.outlet import parents
from tests.test_layout import ROOT
from transports.matrix import mapping
from transports.sip import mapping as sip_mapping

README = (ROOT / "README.md").read_text("utf-8")
GATEWAY = '\n[gateways."irc.example.org"]\nnetwork = "irc"\n'
FEDERATED = f"{GATEWAY}federated = true\n"
COMPONENT = f'{GATEWAY}[gateways."irc.example.org".component]\nsecret = "hush"\n'
"""What a block needs that shows a part of a configuration only."""
MATRIX = """
[gateways."mx.example.org"]
network = "matrix"
[gateways."mx.example.org".component]
secret = "hush"
[gateways."mx.example.org".matrix]
homeserver = "http://127.0.0.1:8008"
server_name = "example.org"
as_token = "a"
hs_token = "h"
"""
SIP = """
[gateways."sip.example.org"]
network = "sip"
[gateways."sip.example.org".component]
secret = "hush"
"""
SIP_TABLE = '[gateways."sip.example.org".sip]\n'


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", README, re.MULTILINE | re.DOTALL)
    return [dedent(text) for _, text in found]


def read(text: str, folder: Path) -> Config:
    """Read a configuration whose secrets are all there."""
    for name in re.findall(r'credential = "([^"]+)"', text):
        (folder / name).write_text("hush\n")
    if text.startswith('[gateways."mx.example.org".matrix]'):
        text = MATRIX + text.partition("\n")[2]
    if text.startswith('[gateways."sip.example.org".sip'):
        text = SIP + ("" if SIP_TABLE in text else f'{SIP_TABLE}domain = "sip.example.org"\n') + text
    rest = FEDERATED if "[federation" in text else COMPONENT
    whole = text if "[gateways." in text else text + rest
    return parse(whole, folder / "xmppbridge.toml", {"CREDENTIALS_DIRECTORY": str(folder)})


@pytest.mark.parametrize("text", blocks("toml"))
def test_each_configuration_can_be_loaded(text: str, tmp_path: Path) -> None:
    """Copied as it stands."""
    gateways = list(read(text, tmp_path).gateways)
    assert gateways in (["irc.example.org"], ["mx.example.org"], ["sip.example.org"])


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


def between(begin: str, end: str) -> str:
    return README[README.index(begin) + len(begin) : README.index(end)].strip()


def test_table_of_the_networks_is_what_they_say_of_themselves() -> None:
    """Write it anew with: PYTHONPATH=. python conf/generate.py"""
    networks = {
        name: levels
        for network in network_names()
        for name, levels in network_module(network).CAPABILITIES.items()
    }
    assert between(README_BEGIN, README_END) == capability_table(networks).strip()


def test_table_of_matrix_is_that_of_the_code() -> None:
    """Write it anew with: PYTHONPATH=. python conf/generate.py"""
    assert between(mapping.README_BEGIN, mapping.README_END) == mapping.mapping_table().strip()


def test_tables_of_sip_are_those_of_the_code() -> None:
    """Write them anew with: PYTHONPATH=. python conf/generate.py"""
    found = between(sip_mapping.README_BEGIN, sip_mapping.README_END)
    assert found == sip_mapping.mapping_table().strip()
    found = between(sip_mapping.ENDINGS_BEGIN, sip_mapping.ENDINGS_END)
    assert found == sip_mapping.endings_table().strip()
