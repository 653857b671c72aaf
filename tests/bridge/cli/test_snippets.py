"""What the XMPP servers are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.cli.snippets import EXAMPLE, SNIPPETS

CONF = Path(__file__).parents[3] / "conf"


@pytest.mark.parametrize("server", list(SNIPPETS))
def test_snippets_under_conf_are_those_that_init_writes(server: str) -> None:
    """Write them anew with: PYTHONPATH=. python conf/generate.py"""
    name, lines = SNIPPETS[server]
    assert (CONF / name).read_text("utf-8") == lines(EXAMPLE)
