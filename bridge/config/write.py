"""Writing TOML: keys and values (TOML 1.0.0)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from bridge.config.lines import KeyPath

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def key_text(path: KeyPath) -> str:
    """Write a path as a dotted key, e.g. ``gateways."irc.example.org".component.port``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            written = part if _BARE_KEY.fullmatch(part) else _string(part)
            text += f".{written}" if text else written
    return text


def toml_value(value: object) -> str:
    """Write a value; raises TypeError for what TOML cannot say."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{key_text((key,))} = {toml_value(each)}" for key, each in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    raise TypeError(f"no TOML for {type(value).__name__}")


def _string(text: str) -> str:
    """Write a basic string: JSON's escapes are TOML's too, which wants U+007F escaped as well."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
