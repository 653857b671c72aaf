"""What a process uses, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
KILOBYTE = 1024


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _kilobytes(path: str, name: str) -> int:
    for line in Path(path).read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(name)


def resident_bytes(pid: int) -> int:
    """Resident memory."""
    return _kilobytes(f"/proc/{pid}/status", "VmRSS") * KILOBYTE


def proportional_bytes(pid: int) -> int:
    """Resident memory, with shared pages counted by share."""
    return _kilobytes(f"/proc/{pid}/smaps_rollup", "Pss") * KILOBYTE
