"""Secrets of the configuration: where each came from, and its value, which nothing ever prints.

In TOML a secret is ``"the words"``, or a table that names its place: ``{ file = "…" }``,
``{ env = "…" }`` or ``{ credential = "…" }`` (systemd.exec(5), "Credentials").
"""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest
from pathlib import Path

FILE_LIMIT = 65536
"""Bytes a secret's file may have."""


class Secret:
    """A value that appears in no repr and no log; `file` is where it was read, if from a file."""

    __slots__ = ("_value", "file", "origin")

    def __init__(self, value: str, origin: str = "inline", file: Path | None = None) -> None:
        self._value = value
        self.origin = origin
        self.file = file

    def reveal(self) -> str:
        """Return the value itself; the caller sees to it that it is not shown."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.origin})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not serialised")

    @classmethod
    def resolve(cls, written: object, base: Path, environ: Mapping[str, str]) -> Secret:
        """Read what a TOML value says; relative files are below `base`. Raises ValueError."""
        if isinstance(written, str):
            return cls(_filled(written, "the value"))
        if not isinstance(written, dict) or len(written) != 1:
            raise ValueError("expected a string, or one of { file = … }, { env = … }, { credential = … }")
        [(place, name)] = written.items()
        if not isinstance(name, str) or not name:
            raise ValueError(f"the {place} must be named by a string")
        if place == "env":
            if name not in environ:
                raise ValueError(f"the environment variable {name} is not set")
            return cls(_filled(environ[name], f"the environment variable {name}"), f"environment {name}")
        return _read(_place(place, name, base, environ), f"{place} {name}")


def _place(place: str, name: str, base: Path, environ: Mapping[str, str]) -> Path:
    if place == "file":
        return base / Path(name).expanduser()
    if place != "credential":
        raise ValueError(f"unknown place {place!r}; a secret comes from file, env or credential")
    if "CREDENTIALS_DIRECTORY" not in environ:
        raise ValueError("$CREDENTIALS_DIRECTORY is not set: a credential exists in a systemd unit only")
    if "/" in name or name in (".", ".."):
        raise ValueError("a credential's name is no path")
    return Path(environ["CREDENTIALS_DIRECTORY"], name)


def _read(path: Path, origin: str) -> Secret:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT + 1)
        if len(content) > FILE_LIMIT:
            raise ValueError(f"{path} is longer than {FILE_LIMIT} bytes")
        value = content.decode().rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    return Secret(_filled(value, str(path)), origin, path)


def _filled(value: str, what: str) -> str:
    if not value:
        raise ValueError(f"{what} is empty")
    return value
