"""Which file is the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

FILE_NAME = "xmppbridge.toml"
SYSTEM_FILE = Path("/etc/xmppbridge") / FILE_NAME


def config_path(given: str | None, environ: Mapping[str, str]) -> Path:
    """Return the file given on the command line, else $XMPPBRIDGE_CONFIG, else ./ , else the system's.

    It is absolute, because a daemon may change its folder; it need not exist.
    """
    name = given or environ.get("XMPPBRIDGE_CONFIG")
    if name:
        return Path(name).absolute()
    here = Path(FILE_NAME).absolute()
    return here if here.exists() else SYSTEM_FILE
