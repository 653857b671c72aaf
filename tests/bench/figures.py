"""What a benchmark's figures are called, what is wanted of ours, and how they are shown."""

from __future__ import annotations

import operator
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """One line of the table; `target` None: nothing is demanded."""

    label: str
    digits: int = 0
    better: Literal["more", "less"] = "less"
    target: float | None = None

    def wanted(self) -> str:
        """Say what is wanted."""
        sign = "≥" if self.better == "more" else "≤"
        return "" if self.target is None else f"{sign} {self.target:,.{self.digits}f}"

    def is_met(self, value: float) -> bool:
        """Tell whether a value is as wanted."""
        compare = operator.ge if self.better == "more" else operator.le
        return self.target is None or compare(value, self.target)


Results = Mapping[str, Mapping[str, Sequence[float]]]
"""Values by server and figure."""


def table(figures: Mapping[str, Figure], results: Results, ours: str) -> str:
    """Write the medians as a Markdown table; `ours` is measured by the targets."""
    lines = [["", *results, "target", "met"], ["---", *("---:" for _ in results), "---:", ":---:"]]
    for name, figure in figures.items():
        middle = {
            server: statistics.median(values[name]) for server, values in results.items() if name in values
        }
        if not middle:
            continue
        cells = [f"{middle[server]:,.{figure.digits}f}" if server in middle else "–" for server in results]
        judged = figure.target is not None and ours in middle
        met = ("yes" if figure.is_met(middle[ours]) else "**no**") if judged else ""
        lines.append([figure.label, *cells, figure.wanted(), met])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
