"""What differs between two configurations, and what of it waits for a restart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Struct

from bridge.config.declarations import Config
from bridge.config.lines import KeyPath
from bridge.config.loader import metas
from bridge.config.write import key_text


class Change(Struct, frozen=True):
    """One option that differs; `restart` if only a restart puts the new value in force."""

    key: str
    restart: bool


def changes(old: Config, new: Config) -> list[Change]:
    """Return what differs, in the order of the declarations; values are not told, they may be secret."""
    return list(_struct_changes(old, new, ()))


def _struct_changes(old: Struct, new: Struct, path: KeyPath) -> Iterator[Change]:
    for field in msgspec.structs.fields(type(new)):
        before, after = getattr(old, field.name), getattr(new, field.name)
        name = getattr(new, "network", field.name) if field.name == "options" else field.encode_name
        restart = any((meta.extra or {}).get("restart") for meta in metas(field.type))
        yield from _value_changes(before, after, (*path, name), restart)


def _value_changes(before: object, after: object, path: KeyPath, restart: bool) -> Iterator[Change]:
    if before == after:
        return
    if isinstance(before, Struct) and type(before) is type(after):
        yield from _struct_changes(before, after, path)
    elif path == ("gateways",) and isinstance(before, Mapping) and isinstance(after, Mapping):
        for domain in [*before, *(added for added in after if added not in before)]:
            yield from _value_changes(before.get(domain), after.get(domain), (*path, domain), True)
    else:
        yield Change(key_text(path), restart)
