"""What differs between two configurations, and what of it waits for a restart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo

from bridge.config.declarations import Config
from bridge.config.lines import KeyPath
from bridge.config.loader import metas
from bridge.config.write import key_text

S = TypeVar("S", bound=Struct)


def changed_keys(old: Config, new: Config) -> list[str]:
    """Return the keys that differ, in the order of the declarations; their values may be secret."""
    return [key_text(path) for path in _changed(old, new, ())]


def _changed(before: object, after: object, path: KeyPath) -> Iterator[KeyPath]:
    if before == after:
        return
    if isinstance(before, Struct) and type(before) is type(after):
        for field in msgspec.structs.fields(type(before)):
            name = getattr(before, "network", "") if field.name == "options" else field.encode_name
            yield from _changed(getattr(before, field.name), getattr(after, field.name), (*path, name))
    elif _is_tables(before) and _is_tables(after):
        for name in dict.fromkeys([*before, *after]):
            yield from _changed(before.get(name), after.get(name), (*path, name))
    else:
        yield path


def _is_tables(value: object) -> TypeGuard[Mapping[str, Struct]]:
    return isinstance(value, Mapping) and all(isinstance(each, Struct) for each in value.values())


def without_restart(old: Config, new: Config) -> Config:
    """Return what can be in force now: `new`, but for what only a restart changes.

    That is what is declared so, which gateways there are, and whether an optional table is there.
    """
    merged = _merged(old, new)
    gateways = {domain: _merged(one, new.gateways.get(domain, one)) for domain, one in old.gateways.items()}
    return msgspec.structs.replace(merged, gateways=gateways)


def _merged(old: S, new: S) -> S:
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(type(new)):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if _needs_restart(field):
            values[field.name] = before
        elif isinstance(before, Struct) or isinstance(after, Struct):
            values[field.name] = _merged(before, after) if type(before) is type(after) else before
    return msgspec.structs.replace(new, **values)


def _needs_restart(field: FieldInfo) -> bool:
    return any((meta.extra or {}).get("restart") for meta in metas(field.type))
