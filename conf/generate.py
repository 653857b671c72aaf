"""Write the generated files of this folder anew: PYTHONPATH=. python conf/generate.py"""

from __future__ import annotations

from pathlib import Path

from bridge.cli.snippets import EXAMPLE, SNIPPETS
from bridge.config.sample import sample
from bridge.secret import Secret
from transports.matrix import files
from transports.matrix.config import MatrixConfig

HERE = Path(__file__).parent

(HERE / "xmppbridge.sample.toml").write_text(sample(), "utf-8")
for snippet in SNIPPETS.values():
    (HERE / snippet.file).write_text(snippet.lines(EXAMPLE), "utf-8")

MATRIX = MatrixConfig(
    homeserver="http://127.0.0.1:8008",
    server_name="example.org",
    as_token=Secret("a token of xmppbridge.toml"),
    hs_token=Secret("the other token of xmppbridge.toml"),
)
for name, text in files(MATRIX).items():
    (HERE / name).write_text(text, "utf-8")
