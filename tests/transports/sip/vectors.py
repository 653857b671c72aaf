"""The messages of RFC 4475 and RFC 5118."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "torture"
CASES = sorted(path.stem for path in _FOLDER.glob("*.dat"))
"""Their names in the RFCs."""


def load(case: str) -> bytes:
    """Return what goes over the wire."""
    return (_FOLDER / f"{case}.dat").read_bytes()
