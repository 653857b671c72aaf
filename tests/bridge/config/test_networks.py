"""Networks are found by their entry points."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from msgspec import Struct

from bridge.capabilities import Capabilities
from bridge.config import network_module, network_names
from bridge.config.networks import GROUP

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))["project"]


def test_checkout_has_the_networks_it_declares() -> None:
    """Whether it is installed or not."""
    assert set(PROJECT["entry-points"][GROUP]) <= set(network_names())


@pytest.mark.parametrize("name", PROJECT["entry-points"][GROUP])
def test_declared_network_offers_what_the_bridge_asks_for(name: str) -> None:
    """Its options, itself, its probes, its files, and what it carries."""
    module = network_module(name)
    assert issubclass(module.CONFIG, Struct)
    assert callable(module.build) and callable(module.probes) and callable(module.files)
    assert all(isinstance(levels, Capabilities) for levels in module.CAPABILITIES.values())


def test_network_of_another_name_is_none() -> None:
    """The loader turns this into a problem with the nearest name."""
    with pytest.raises(KeyError):
        network_module("telepathy")
