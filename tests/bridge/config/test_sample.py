"""The sample file is what the declarations say, and is a configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args, get_origin

import msgspec

from bridge.config import Config, FederationLimits, GatewayConfig, network_module, network_names, parse
from bridge.config.loader import bare_type, is_struct
from bridge.config.sample import sample

SAMPLE = Path(__file__).parents[3] / "conf" / "xmppbridge.sample.toml"


def read(text: str, tmp_path: Path) -> Config:
    for name in ("component-secret", "dialback-secret"):
        (tmp_path / name).write_text("hush\n")
    return parse(text, SAMPLE, {"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_sample_file_agrees_with_the_declarations() -> None:
    """Write it anew with: PYTHONPATH=. python conf/generate.py"""
    assert SAMPLE.read_text("utf-8") == sample()


def test_sample_as_it_stands_is_the_default_configuration(tmp_path: Path) -> None:
    """An operator may start from the sample itself."""
    gateway = '[gateways."irc.example.org"]\nnetwork = "irc"\ncomponent.secret = "hush"'
    assert read(sample(), tmp_path) == read(gateway, tmp_path)


def test_sample_with_every_default_written_out_is_a_configuration(tmp_path: Path) -> None:
    """Each commented line can be uncommented as it is."""
    text = re.sub(r"(?m)^#(?=[\w\[])", "", sample())
    config, default = read(text, tmp_path), read(sample(), tmp_path)
    assert (config.limits, config.log, config.contacts) == (default.limits, default.log, default.contacts)
    assert len(config.gateways["irc.example.org"].options.servers) == 1
    assert set(config.gateways) == {"irc.example.org", *(f"{n}.example.org" for n in network_names())}
    assert config.federation is not None and config.components is not None
    assert config.federation.limits == FederationLimits()
    assert default.federation is None and default.components is None


def test_sample_names_every_option() -> None:
    """No field of any struct is left out."""
    text = sample()
    networks = [each for name in network_names() for each in structs(network_module(name).CONFIG)]
    for struct in [*structs(Config), *networks]:
        for field in msgspec.structs.fields(struct):
            if (struct, field.name) != (GatewayConfig, "options"):
                assert re.search(rf"(?m)^#?(\[(\S+\.)?{field.name}[].]|{field.name} = )", text), field.name


def test_sample_describes_every_option() -> None:
    """Whatever type it shares with others."""
    lines = sample().splitlines()
    options = [index for index, line in enumerate(lines) if re.match(r"#?[a-z_]+ = ", line)]
    bare = {lines[index] for index in options if not lines[index - 1].startswith("# ")}
    assert all(re.match(r'#network = "|#secret = \{ credential = "component', line) for line in bare), bare


def structs(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    yield struct
    for field in msgspec.structs.fields(struct):
        bare = bare_type(field.type)
        inner = bare_type(get_args(bare)[1]) if get_origin(bare) in (dict, Mapping) else bare
        if is_struct(inner):
            yield from structs(inner)
