"""What is wrong with a configuration file."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class Problem(Struct, frozen=True, kw_only=True):
    """One thing wrong; `key` as one would write it in TOML, `line` 0 if it has none."""

    file: str
    line: int = 0
    key: str = ""
    message: str
    nearest: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.key}:" if self.key else ""
        nearest = f'; did you mean "{self.nearest}"?' if self.nearest else ""
        return f"{where}:{key} {self.message}{nearest}"


class ConfigError(Exception):
    """The configuration cannot be used; its text is one line for each problem, for the operator."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)
