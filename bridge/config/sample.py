"""The sample configuration, written from the declarations: what has a default is a comment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct
from msgspec.structs import FieldInfo

from bridge.config.declarations import Config, GatewayConfig
from bridge.config.loader import bare_type, is_struct, metas
from bridge.config.networks import network_module, network_names
from bridge.config.write import key_text, toml_value
from bridge.secret import Secret

WIDTH = 100
"""Columns of the sample."""

_HEAD = """\
xmppbridge's configuration: every option, generated from the program's own declarations. What stands right
behind a "#" is the default, or an example where there is none. The least that must be set is a gateway, its
network and the secret of its component; `xmppbridge init` writes that for you, `xmppbridge check` tells what
is wrong. The file is looked for at --config, else $XMPPBRIDGE_CONFIG, else ./xmppbridge.toml, else
/etc/xmppbridge/xmppbridge.toml. SIGHUP reads it again.
"""


def sample(network: str = "irc") -> str:
    """Return a whole sample for a gateway to `network`, others in comments; it can be loaded as it is."""
    lines = [*_comment(_HEAD), ""]
    lines += _table(Config, (), network)
    for other in network_names():
        if other != network:
            lines += _gateway(other)
    return "\n".join(lines).rstrip() + "\n"


def _gateway(network: str) -> Iterator[str]:
    """Write a further gateway, all of it commented out."""
    declaration = network_module(network).CONFIG
    path = ("gateways", f"{network}.example.org")
    yield from _comment(f"A gateway to another network, {network}.")
    yield _commented(f"[{key_text(path)}]")
    yield _commented(f"network = {toml_value(network)}")
    yield ""
    yield _commented(f"[{key_text((*path, 'component'))}]")
    yield _commented(f"secret = {toml_value({'credential': 'component-secret'})}")
    yield ""
    yield from _comment((declaration.__doc__ or "").split("\n\n")[0].replace("``", ""))
    inner = (*path, network)
    yield from map(_commented, [f"[{key_text(inner)}]", *_table(declaration, inner, network)])


def _table(declaration: type[Struct], path: tuple[str, ...], network: str) -> Iterator[str]:
    """Write a table's own options, then the tables below it (TOML needs them in this order)."""
    fields = msgspec.structs.fields(declaration)
    below = [field for field in fields if _struct_below(field) or field.name == "options"]
    for field in fields:
        if field not in below:
            yield from _option(field)
    for field in below:
        inner = _struct_below(field) or network_module(network).CONFIG
        name = network if field.name == "options" and declaration is GatewayConfig else field.encode_name
        inner_path = (*path, name)
        meta = _meta(field)
        if meta is not None and meta.description:
            yield from _comment(meta.description)
        if get_origin(bare_type(field.type)) in (dict, Mapping):
            inner_path = (*inner_path, (_examples(field) or ["name"])[0])
        yield from _comment((inner.__doc__ or "").split("\n\n")[0].replace("``", ""))
        table = [f"[{key_text(inner_path)}]", *_table(inner, inner_path, network)]
        yield from map(_commented, table) if _is_optional(field) else table


def _struct_below(field: FieldInfo) -> type[Struct] | None:
    bare = bare_type(field.type)
    if get_origin(bare) in (dict, Mapping):
        bare = bare_type(get_args(bare)[1])
    return bare if is_struct(bare) else None


def _is_optional(field: FieldInfo) -> bool:
    meta = _meta(field)
    if field.default is None:
        return meta is None or not (meta.extra or {}).get("usual")
    return get_origin(bare_type(field.type)) is dict


def _commented(line: str) -> str:
    return f"#{line}" if line and not line.startswith("#") else line


def _option(field: FieldInfo) -> Iterator[str]:
    meta = _meta(field)
    description = (meta.description or "") if meta else ""
    yield from _comment(" ".join(filter(None, [description, *_facts(field)])))
    default = field.default if field.default_factory is NODEFAULT else field.default_factory()
    examples = _examples(field)
    if default is NODEFAULT:
        yield f"{field.encode_name} = {toml_value(examples[0]) if examples else _placeholder(field.type)}"
    elif default is None:
        yield f"#{field.encode_name} = {toml_value(examples[0]) if examples else _placeholder(field.type)}"
    else:
        yield f"#{field.encode_name} = {toml_value(default)}"
        if examples and not default:
            yield f"# for example: {toml_value(examples[0])}"
    yield ""


def _placeholder(declared: Any) -> str:
    """Return some value, within the bounds, of an option that has neither default nor example."""
    bare = bare_type(declared)
    if bare is Secret:
        return toml_value("secret")
    if get_origin(bare) is tuple:
        return toml_value([])
    least = next((meta.ge if meta.gt is None else meta.gt + 1 for meta in metas(declared)), None)
    return toml_value(bare() if least is None else bare(least))


def _facts(field: FieldInfo) -> Iterator[str]:
    """Say what the type and the bounds say."""
    found, bare = metas(field.type), bare_type(field.type)
    if get_origin(bare) is Literal:
        yield f"One of {', '.join(map(toml_value, get_args(bare)))}."
    extra: dict[str, Any] = {}
    for meta in found:
        extra |= meta.extra or {}
    more = next((meta.gt for meta in found if meta.gt is not None), None)
    low = next((meta.ge for meta in found if meta.ge is not None), more)
    high = next((meta.le for meta in found if meta.le is not None), None)
    unit = f" {extra['unit']}" if "unit" in extra else ""
    if low is not None and high is not None:
        yield f"From {low} to {high}{unit}."
    elif low is not None:
        yield f"{'At least' if more is None else 'More than'} {low}{unit}."
    elif unit:
        yield f"In{unit}."
    if extra.get("restart"):
        yield "Changed by a restart only."


def _meta(field: FieldInfo) -> Meta | None:
    """Return what is said of an option; what its type says, which others have too, comes before that."""
    found = metas(field.type)
    return next((meta for meta in found if meta.description), found[0] if found else None)


def _examples(field: FieldInfo) -> list[Any]:
    meta = _meta(field)
    return list(meta.examples or []) if meta else []


def _comment(text: str) -> Iterator[str]:
    for line in wrap(" ".join(text.split()), WIDTH - 2):
        yield f"# {line}"
