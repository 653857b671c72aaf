"""What the XMPP servers are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.cli.snippets import EXAMPLE, SNIPPETS, STANDALONE, Setup

CONF = Path(__file__).parents[3] / "conf"


@pytest.mark.parametrize("server", list(SNIPPETS))
def test_snippets_under_conf_are_those_that_init_writes(server: str) -> None:
    """Write them anew with: PYTHONPATH=. python conf/generate.py"""
    snippet = SNIPPETS[server]
    assert (CONF / snippet.file).read_text("utf-8") == snippet.lines(EXAMPLE)


def test_zone_names_domains_as_the_dns_knows_them() -> None:
    """International names become A-labels."""
    setup = Setup(domain="bücher.example", machine="größe.example", network="irc", secret="")
    assert (
        "_xmpp-server._tcp.xn--bcher-kva.example.  86400 IN SRV 5 1 5269 xn--gre-6ka8i.example."
        in SNIPPETS[STANDALONE].lines(setup)
    )
