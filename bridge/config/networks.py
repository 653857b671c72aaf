"""The networks that are installed: entry points of the group ``xmppbridge.networks``.

Each names a module that has `CONFIG`, the struct type of its options, `build`, which makes a
network of one, `probes`, which tries one out, `files`, which others need for it, and `CAPABILITIES`,
what it carries, by the kinds of it that users know. In a source
checkout that is not installed, the project's own declaration of its entry points is read instead.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, cast

from msgspec import Struct

from bridge.capabilities import Capabilities
from bridge.network import Network, Probe

GROUP = "xmppbridge.networks"
_CHECKOUT = Path(__file__).resolve().parents[2] / "pyproject.toml"


class NetworkModule(Protocol):
    """What the module behind an entry point offers."""

    CONFIG: type[Struct]
    CAPABILITIES: Mapping[str, Capabilities]

    def build(self, config: Any, reactor: Any) -> Network:
        """Make a network that serves one gateway by `config`, a `CONFIG`."""

    def probes(self, config: Any, reactor: Any) -> Sequence[Probe]:
        """Try to reach the servers that `config` names; for `xmppbridge check --live`."""

    def files(self, config: Any) -> Mapping[str, str]:
        """Return what the operator of the other side needs, by file name; for `xmppbridge init`."""


def _declared() -> Iterable[EntryPoint]:
    if _CHECKOUT.is_file():
        project = tomllib.loads(_CHECKOUT.read_text("utf-8")).get("project", {})
        for name, module in project.get("entry-points", {}).get(GROUP, {}).items():
            yield EntryPoint(name, module, GROUP)
    yield from entry_points(group=GROUP)


def network_names() -> list[str]:
    """Return the names that a gateway's ``network`` may have, sorted."""
    return sorted({entry.name for entry in _declared()})


def network_module(name: str) -> NetworkModule:
    """Import and return a network's module; KeyError if none has that name."""
    for entry in _declared():
        if entry.name == name:
            return cast(NetworkModule, entry.load())
    raise KeyError(name)
