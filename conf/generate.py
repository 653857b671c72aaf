"""Write the generated files of this folder anew: PYTHONPATH=. python conf/generate.py"""

from __future__ import annotations

from pathlib import Path

from bridge.cli.snippets import EXAMPLE, SNIPPETS
from bridge.config.sample import sample

HERE = Path(__file__).parent

(HERE / "xmppbridge.sample.toml").write_text(sample(), "utf-8")
for snippet in SNIPPETS.values():
    (HERE / snippet.file).write_text(snippet.lines(EXAMPLE), "utf-8")
