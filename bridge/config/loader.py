"""From a TOML file to a `Config`, or to all that is wrong with it."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import NODEFAULT, Meta, Struct
from msgspec.structs import replace

from bridge.config.declarations import Config, GatewayConfig
from bridge.config.errors import ConfigError, Problem
from bridge.config.lines import KeyPath, key_lines
from bridge.config.networks import network_module, network_names
from bridge.config.values import (
    BareJid,
    Domain,
    DomainPattern,
    Endpoint,
    FilePath,
    HostPort,
    JidPattern,
    ServerAddress,
)
from bridge.config.write import key_text
from bridge.secret import Secret

STATE_DIRECTORY = "/var/lib/xmppbridge"
DATABASE = "xmppbridge.sqlite"

_WRONG = object()
"""Stands for a value that could not be read; its problem is noted."""

_PARSED = (BareJid, Domain, DomainPattern, Endpoint, HostPort, JidPattern, ServerAddress)
_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "datetime": "a time",
    "date": "a date",
    "time": "a time of day",
}
_MSGSPEC_TYPE = re.compile(r"`([a-z]+)(?: \| null)?`")
_SYNTAX_PLACE = re.compile(r" \(at line (\d+), column \d+\)$| \(at end of document\)$")


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read, check and resolve; raises ConfigError with every problem that the file has."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError([Problem(file=str(path), message=f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(file=str(path), message="is not UTF-8 text")]) from None
    return parse(text, path, environ)


def parse(text: str, path: Path, environ: Mapping[str, str]) -> Config:
    """Do as `load` for a file's text; `path` is where it stands, for messages and relative paths."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_problem(str(error), text, path)]) from None
    except RecursionError:
        raise ConfigError([Problem(file=str(path), message="is nested too deeply")]) from None
    reading = _Reading(path, key_lines(text), environ)
    config = reading.config(document)
    if config is None:
        raise ConfigError(sorted(reading.problems, key=lambda problem: problem.line))
    return config


def _syntax_problem(message: str, text: str, path: Path) -> Problem:
    place = _SYNTAX_PLACE.search(message)
    if place is None:
        return Problem(file=str(path), message=message)
    line = int(place[1]) if place[1] else text.rstrip().count("\n") + 1
    return Problem(file=str(path), line=line, message=message[: place.start()])


def _store_url(written: Secret | None, base: Path, environ: Mapping[str, str]) -> Secret:
    """Fill in the default, and make an SQLite path absolute; raises ValueError."""
    if written is None:
        state = environ.get("STATE_DIRECTORY", STATE_DIRECTORY).split(":")[0]
        return Secret(str(Path(state, DATABASE)), "default")
    url = written.reveal()
    if url.startswith(("postgresql://", "postgres://")):
        return written
    parts = urlsplit(url)
    if "://" in url and (parts.scheme != "sqlite" or parts.netloc or len(parts.path) < 2):
        raise ValueError("expected a path, sqlite:///path or postgresql://user@host/name")
    path = unquote(parts.path[1:]) if "://" in url else url
    return Secret(str(base / Path(path).expanduser()), written.origin, written.file)


class _Field(NamedTuple):
    """What a table may have under a key; `default` NODEFAULT means that it must be there."""

    type: Any
    default: Any


def _fields(declaration: type[Struct]) -> dict[str, _Field]:
    return {
        field.encode_name: _Field(
            field.type,
            field.default if field.default_factory is NODEFAULT else field.default_factory(),
        )
        for field in msgspec.structs.fields(declaration)
    }


def bare_type(declared: Any) -> Any:
    """Strip a declared type of its annotation, and of the None of an optional: TOML has no null."""
    if get_origin(declared) is Annotated:
        return bare_type(get_args(declared)[0])
    if get_origin(declared) in (Union, UnionType):
        arms = [arm for arm in get_args(declared) if arm is not type(None)]
        if len(arms) == 1:
            return bare_type(arms[0])
    return declared


def metas(declared: Any) -> list[Meta]:
    """Return what is noted of a declared type."""
    return [each for each in get_args(declared) if isinstance(each, Meta)]


def is_struct(declared: Any) -> bool:
    """Tell whether a declared type is a struct, a table in TOML."""
    return isinstance(declared, type) and issubclass(declared, Struct)


class _Reading:
    """One pass over a document; `problems` grows."""

    def __init__(self, path: Path, lines: Mapping[KeyPath, int], environ: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self._path = path
        self._lines = lines
        self._environ = environ

    def config(self, document: Mapping[str, Any]) -> Config | None:
        """Read the whole document; None if there are problems."""
        config = self.table(Config, document, ())
        if not isinstance(config, Config):
            return None
        try:
            url = _store_url(config.store.url, self._path.absolute().parent, self._environ)
        except ValueError as error:
            self._wrong(("store", "url"), str(error))
            return None
        self._check_domains(config)
        return None if self.problems else replace(config, store=replace(config.store, url=url))

    def _check_domains(self, config: Config) -> None:
        """Something is served, each domain by one; only a server among servers has federated ones."""
        if not config.gateways and not (config.components and config.components.domains):
            self._wrong(("gateways",), "expected at least one gateway, or a hosted component")
        for domain, gateway in config.gateways.items():
            if gateway.federated and config.federation is None:
                self._wrong(("gateways", domain, "federated"), "needs the table [federation]")
        for domain in config.components.domains if config.components else ():
            if domain in config.gateways:
                self._wrong(("components", "domains", domain), "is a gateway's domain as well")

    def table(self, declaration: type[Struct], written: object, path: KeyPath) -> Any:
        """Read a table as the struct `declaration`; `_WRONG` if something in it is wrong."""
        if not isinstance(written, dict):
            return self._wrong(path, "expected a table")
        fields = _fields(declaration)
        if declaration is GatewayConfig:
            fields = self._gateway_fields(fields, written, path)
        values = {key: self._field(key, field, written, path) for key, field in fields.items()}
        for key in written.keys() - fields.keys():
            self._wrong((*path, key), "unknown key", nearest=_nearest_key(key, fields))
        if _WRONG in values.values():
            return _WRONG
        if declaration is GatewayConfig:
            values["options"] = values.pop(values["network"])
        try:
            return declaration(**values)
        except ValueError as error:
            return self._wrong(path, str(error))

    def _gateway_fields(
        self, fields: dict[str, _Field], written: Mapping[str, Any], path: KeyPath
    ) -> dict[str, _Field]:
        """Put the table named like the network in the place of `options`; see that it can be reached."""
        if "component" not in written and not written.get("federated"):
            self._wrong(path, f"needs [{key_text((*path, 'component'))}] or federated = true")
        del fields["options"]
        name = written.get("network")
        if not isinstance(name, str):
            return fields | {key: _Field(Any, None) for key in written.keys() & set(network_names())}
        try:
            options = network_module(name).CONFIG
        except KeyError:
            names = network_names()
            message = f"there is no network {name!r}, but {_alternatives(names)}"
            self._wrong((*path, "network"), message, _nearest(name, names))
            return fields | {name: _Field(Any, None)}
        except ImportError as error:
            self._wrong((*path, "network"), f"the network {name!r} cannot be loaded: {error}")
            return fields | {name: _Field(Any, None)}
        return fields | {name: _Field(options, NODEFAULT)}

    def _field(self, key: str, field: _Field, written: Mapping[str, Any], path: KeyPath) -> Any:
        if key in written:
            return self.value(field.type, written[key], (*path, key))
        if field.default is NODEFAULT:
            if is_struct(bare_type(field.type)):
                return self.table(bare_type(field.type), {}, (*path, key))
            return self._wrong((*path, key), "is missing")
        return field.default

    def value(self, declared: Any, written: object, path: KeyPath) -> Any:
        """Read a value as `declared`; `_WRONG` if that is impossible."""
        bare = bare_type(declared)
        if is_struct(bare):
            return self.table(bare, written, path)
        origin = get_origin(bare)
        if origin in (dict, Mapping):
            return self._mapping(declared, written, path)
        if origin is tuple:
            return self._list(declared, written, path)
        if bare in (Secret, FilePath) or bare in _PARSED:
            return self._parsed(bare, written, path)
        return self._converted(declared, written, path)

    def _mapping(self, declared: Any, written: object, path: KeyPath) -> Any:
        if not isinstance(written, dict):
            return self._wrong(path, "expected a table")
        key_type, item_type = get_args(bare_type(declared))
        values = {}
        for key, value in written.items():
            read = self.value(key_type, key, (*path, key))
            if read in values:
                self._wrong((*path, key), "is there twice, written differently")
            values[read] = self.value(item_type, value, (*path, key))
        return self._sized(declared, values, _WRONG in values or _WRONG in values.values(), path)

    def _list(self, declared: Any, written: object, path: KeyPath) -> Any:
        if not isinstance(written, list):
            return self._wrong(path, "expected a list")
        item_type = get_args(bare_type(declared))[0]
        values = tuple(self.value(item_type, value, (*path, index)) for index, value in enumerate(written))
        return self._sized(declared, values, _WRONG in values, path)

    def _sized(self, declared: Any, values: Any, has_wrong: bool, path: KeyPath) -> Any:
        """Check the bounds on how many entries there are."""
        for meta in metas(declared):
            least, most = meta.min_length or 0, meta.max_length
            if len(values) < least:
                return self._wrong(path, f"expected at least {least} here")
            if most is not None and len(values) > most:
                return self._wrong(path, f"expected at most {most} here")
        return _WRONG if has_wrong else values

    def _parsed(self, kind: Any, written: object, path: KeyPath) -> Any:
        base = self._path.absolute().parent
        try:
            if kind is Secret:
                return Secret.resolve(written, base, self._environ)
            return FilePath.parse(written, base) if kind is FilePath else kind.parse(written)
        except ValueError as error:
            return self._wrong(path, str(error))

    def _converted(self, declared: Any, written: object, path: KeyPath) -> Any:
        bare = bare_type(declared)
        choices = _choices(bare)
        if choices and written not in choices:
            return self._wrong(path, f"expected {_alternatives(choices)}", _nearest(str(written), choices))
        try:
            # msgspec takes bounds on an int, but not on an int that may be None
            return msgspec.convert(written, Annotated[(bare, *metas(declared))] if metas(declared) else bare)
        except msgspec.ValidationError as error:
            return self._wrong(path, _expected(declared) or _explained(str(error)))

    def _wrong(self, path: KeyPath, message: str, nearest: str = "") -> object:
        line, key = self._line(path), key_text(path)
        self.problems.append(
            Problem(file=str(self._path), line=line, key=key, message=message, nearest=nearest)
        )
        return _WRONG

    def _line(self, path: KeyPath) -> int:
        """Return the key's line; where it is missing, that of the table it is missing from."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def _choices(declared: Any) -> list[str]:
    if get_origin(declared) is Literal:
        return [str(choice) for choice in get_args(declared)]
    if isinstance(declared, type) and issubclass(declared, Enum):
        return [str(member.value) for member in declared]
    return []


def _alternatives(names: Sequence[str]) -> str:
    quoted = [f'"{name}"' for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _nearest(wrong: str, names: Sequence[str]) -> str:
    from difflib import get_close_matches  # 0.7 MiB that a good file does not need

    return next(iter(get_close_matches(wrong, names, 1)), "")


def _nearest_key(wrong: str, fields: Mapping[str, _Field]) -> str:
    """Return the key meant by a misspelt one, or the place of one that belongs in a table below."""
    places = (
        key_text((key, wrong))
        for key, field in fields.items()
        if is_struct(bare_type(field.type)) and wrong in _fields(bare_type(field.type))
    )
    return _nearest(wrong, list(fields)) or next(places, "")


def _expected(declared: Any) -> str:
    """Say what a string with a pattern has to look like (`Meta.extra`'s "form"), "" if that is not told."""
    forms = [meta.extra["form"] for meta in metas(declared) if meta.extra and "form" in meta.extra]
    return f"expected {forms[0]}" if forms else ""


def _explained(message: str) -> str:
    """Put msgspec's words into an operator's."""
    return _MSGSPEC_TYPE.sub(lambda match: _WORDS.get(match[1], match[1]), message[:1].lower() + message[1:])
