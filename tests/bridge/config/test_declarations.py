"""The types of values that only this configuration has."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from bridge.config import Config
from bridge.config.declarations import BareJid, Domain, GatewayConfig, JidPattern
from bridge.config.loader import bare_type, is_struct, metas


def test_addresses_are_prepared() -> None:
    """However the operator writes them."""
    assert Domain.parse("IRC.Example.ORG") == "irc.example.org"
    assert BareJid.parse("Me@Example.org") == "me@example.org"
    assert JidPattern.parse("*.Example.org") == "*.example.org"
    assert JidPattern.parse("*") == "*"
    assert JidPattern.parse("Me@example.org") == "me@example.org"


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (Domain, "a@example.org"),
        (Domain, "example.org/x"),
        (Domain, ""),
        (BareJid, "example.org"),
        (BareJid, "a@example.org/x"),
        (BareJid, 7),
        (JidPattern, "a@example.org/x"),
        (JidPattern, "a.*.example.org"),
        (JidPattern, "*@example.org"),
        (JidPattern, "*."),
        (JidPattern, None),
    ],
)
def test_what_is_no_such_address_is_refused(
    kind: type[Domain] | type[BareJid] | type[JidPattern], written: object
) -> None:
    """With ValueError, whose words the operator reads."""
    with pytest.raises(ValueError, match=r"expected|valid"):
        kind.parse(written)


def options(declaration: type[msgspec.Struct]) -> Iterator[tuple[str, object]]:
    for field in msgspec.structs.fields(declaration):
        inner = bare_type(field.type)
        if is_struct(inner):
            yield from options(inner)
        elif (declaration, field.name) != (GatewayConfig, "options"):
            yield f"{declaration.__name__}.{field.name}", field.type


def test_every_option_is_described() -> None:
    """The sample is all the manual that an operator has."""
    everything = [*options(Config), *options(GatewayConfig)]
    assert len(everything) > 20
    assert [name for name, kind in everything if not any(meta.description for meta in metas(kind))] == []
