"""Settings structs: from one declaration to data form, validation and storage.

A field's `msgspec.Meta` gives label (`title`), help (`description`) and bounds; its ``extra`` may hold
``type`` (an XEP-0004 field type, where the Python type does not tell it), ``options`` (pairs of
label and value), ``secret`` (never shown) and ``lenient`` (what is no number means the default).
A hidden field is neither shown nor read.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Protocol, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo, fields, replace

from bridge.errors import BridgeError, Trouble
from bridge.events import UserId
from bridge.forms import Field, FieldType, Form, Settings
from bridge.network import Network, Scope

KEPT = "********"
"""Stands in a form for a secret that is set; sent back unchanged it keeps the secret."""
UNSET = "unset"
"""The option of a list for "no choice of my own"."""

_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_TRUE, _FALSE = frozenset({"1", "true"}), frozenset({"0", "false"})

S = TypeVar("S", bound=Settings)


class Row(Struct, frozen=True, kw_only=True):
    """One field as declared; `base` is its type without None, of one element if `multi`."""

    name: str
    var: str
    annotation: Any
    base: Any
    default: Any
    optional: bool
    multi: bool
    type: FieldType
    label: str
    help: str
    options: tuple[tuple[str, str], ...]
    secret: bool
    lenient: bool
    metas: tuple[Meta, ...]


@lru_cache(maxsize=64)
def rows(settings: type[Settings]) -> tuple[Row, ...]:
    """Read a declaration."""
    return tuple(_row(info) for info in fields(settings))


def _row(info: FieldInfo) -> Row:
    metas, bare = _unwrap(info.type)
    arguments = [one for one in get_args(bare) if one is not type(None)]
    optional = get_origin(bare) in (Union, types.UnionType)
    if optional:
        bare = arguments[0]
    multi = get_origin(bare) is tuple
    base = _unwrap(get_args(bare)[0])[1] if multi else bare
    extra = {key: value for meta in metas for key, value in (meta.extra or {}).items()}
    options = tuple(extra.get("options", ()))
    declared = extra.get("type")
    kind = FieldType(declared) if declared else _field_type(base, multi, bool(options))
    if kind is FieldType.LIST_SINGLE and not options and base is bool:
        options = ((UNSET, UNSET), ("true", "true"), ("false", "false"))
    return Row(
        name=info.name,
        var=info.encode_name,
        annotation=info.type,
        base=base,
        default=info.default_factory() if callable(info.default_factory) else info.default,
        optional=optional,
        multi=multi,
        type=kind,
        label=_first(meta.title for meta in metas),
        help=_first(meta.description for meta in metas),
        options=options,
        secret=bool(extra.get("secret")),
        lenient=bool(extra.get("lenient")),
        metas=tuple(metas),
    )


def _unwrap(annotation: Any) -> tuple[list[Meta], Any]:
    metas: list[Meta] = []
    while get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        metas += [meta for meta in more if isinstance(meta, Meta)]
    return metas, annotation


def _first(texts: Iterable[str | None]) -> str:
    return next((text for text in texts if text), "")


def _field_type(base: Any, multi: bool, choice: bool) -> FieldType:
    if multi:
        return FieldType.LIST_MULTI if choice else FieldType.TEXT_MULTI
    if choice:
        return FieldType.LIST_SINGLE
    return FieldType.BOOLEAN if base is bool else FieldType.TEXT_SINGLE


# ---- the form


def build_settings_form(settings: Settings, *, name: str = "", server: str = "", room: str = "") -> Form:
    """Return the form that shows `settings`; the names fill its title and instructions."""
    words = {"name": name, "server": server, "room": room}
    shown = (row for row in rows(type(settings)) if row.type is not FieldType.HIDDEN)
    return Form(
        title=settings.title.format_map(words),
        instructions=settings.instructions.format_map(words),
        fields=tuple(_field(row, getattr(settings, row.name)) for row in shown),
    )


def _field(row: Row, value: Any) -> Field:
    return Field(
        var=row.var,
        type=row.type,
        label=row.label or row.var,
        description=row.help,
        values=_show(row, value),
        options=row.options,
        datatype="xs:integer" if row.base is int and not row.multi and not row.optional else "",
    )


def _show(row: Row, value: Any) -> tuple[str, ...]:
    if row.secret:
        return (KEPT,) if value else ()
    if value is None:
        return (UNSET,) if row.type is FieldType.LIST_SINGLE else ()
    if value == "":
        return ()
    values = value if row.multi else (value,)
    return tuple(("true" if one else "false") if isinstance(one, bool) else str(one) for one in values)


def read_settings_form(settings: S, values: Mapping[str, Sequence[str]]) -> S:
    """Return `settings` with what was submitted.

    What is missing keeps its value, what is empty goes back to nothing or to the default.
    NOT_ACCEPTABLE names the first field that is wrong.
    """
    changes: dict[str, Any] = {}
    for row in rows(type(settings)):
        submitted = values.get(row.var)
        if submitted is None or row.type is FieldType.HIDDEN:
            continue
        if row.secret and tuple(submitted) == (KEPT,):
            continue
        changes[row.name] = _read(row, submitted)
    return replace(settings, **changes)


def _read(row: Row, submitted: Sequence[str]) -> Any:
    lines = [line.strip("\r") for text in submitted for line in text.split("\n")]
    given = [line for line in lines if line.strip()]
    if row.multi:
        value: Any = tuple(_convert(row, line) for line in given)
    elif not given or (row.optional and given == [UNSET]):
        value = "" if row.base is str and not (row.optional or row.options) else row.default
    else:
        value = _convert(row, given[0])
    try:
        return msgspec.convert(value, row.annotation)
    except msgspec.ValidationError:
        raise _wrong(row) from None


def _convert(row: Row, text: str) -> Any:
    if row.options and text not in (value for _, value in row.options):
        raise _wrong(row)
    if row.base is str:
        return text
    text = text.strip()
    if row.base is bool:
        if text.lower() in _TRUE or text.lower() in _FALSE:
            return text.lower() in _TRUE
    elif row.base is int and _INTEGER.fullmatch(text):
        return int(text)
    if row.lenient:
        return row.default
    raise _wrong(row)


def _wrong(row: Row) -> BridgeError:
    return BridgeError(Trouble.NOT_ACCEPTABLE, f"{row.label or row.var}: {_expected(row)}")


def _expected(row: Row) -> str:
    if row.options:
        return "choose one of " + ", ".join(value for _, value in row.options) + "."
    if row.base is bool:
        return "true or false is expected."
    if row.base is not int:
        return "this is too long, or not of the right form."
    low = next((meta.ge for meta in row.metas if meta.ge is not None), None)
    high = next((meta.le for meta in row.metas if meta.le is not None), None)
    bounds = "".join(
        f" {word} {bound}"
        for word, bound in (("from", low), ("to", high))
        if bound is not None and not row.multi
    )
    return f"{'whole numbers are' if row.multi else 'a whole number is'} expected{bounds}."


# ---- storage


def encode_settings(settings: Settings) -> bytes | None:
    """Return what differs from the defaults, as JSON; None if nothing does."""
    kept = {
        row.var: getattr(settings, row.name)
        for row in rows(type(settings))
        if getattr(settings, row.name) != row.default
    }
    return msgspec.json.encode(kept) if kept else None


def decode_settings(kind: type[S], data: bytes | None) -> S:
    """Read what was kept; what is unknown or no longer valid is left out."""
    try:
        kept = msgspec.json.decode(data, type=dict[str, Any]) if data else {}
    except msgspec.DecodeError:
        kept = {}
    changes: dict[str, Any] = {}
    for row in rows(kind):
        if row.var in kept:
            try:
                changes[row.name] = msgspec.convert(kept[row.var], row.annotation)
            except msgspec.ValidationError:
                continue
    return kind(**changes)


class SettingsStore(Protocol):
    """What is needed of the store."""

    def get_setting(self, domain: str, owner: str, scope: str, key: str) -> bytes | None:
        """Return what was put."""

    def put_setting(self, domain: str, owner: str, scope: str, key: str, value: bytes | None) -> None:
        """Keep it; None forgets."""


class UserSettings:
    """All users' settings on one gateway domain; see `Uplink.settings`."""

    def __init__(self, store: SettingsStore, domain: str, network: Network) -> None:
        self._store = store
        self._domain = domain
        self._network = network

    def settings(self, user: UserId, scope: Scope, key: str) -> Settings:
        """Return them, defaults filled in."""
        data = self._store.get_setting(self._domain, user, scope.value, key)
        return decode_settings(self._network.settings[scope], data)

    def save_settings(self, user: UserId, scope: Scope, key: str, settings: Settings) -> None:
        """Replace them; STORE_FULL and TOO_MANY as the store says."""
        self._store.put_setting(self._domain, user, scope.value, key, encode_settings(settings))
