"""The declarations of the options."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from bridge.config import Config, GatewayConfig
from bridge.config.federation import CertificateConfig, HostedComponentConfig, PeerConfig
from bridge.config.loader import bare_type, is_struct, metas


def options(declaration: type[msgspec.Struct]) -> Iterator[tuple[str, object]]:
    for field in msgspec.structs.fields(declaration):
        inner = bare_type(field.type)
        if is_struct(inner):
            yield from options(inner)
        elif (declaration, field.name) != (GatewayConfig, "options"):
            yield f"{declaration.__name__}.{field.name}", field.type


def test_every_option_is_described() -> None:
    """The sample is all the manual that an operator has."""
    tables = (Config, GatewayConfig, PeerConfig, CertificateConfig, HostedComponentConfig)
    everything = [option for table in tables for option in options(table)]
    assert len(everything) > 20
    assert [name for name, kind in everything if not any(meta.description for meta in metas(kind))] == []
