"""`xmppbridge probe`: what it takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bridge.cli import main

COMPONENT = '[gateways."irc.example.org"]\nnetwork = "irc"\ncomponent.secret = "hush"\n'
FEDERATED = '[federation]\n[gateways."irc.example.org"]\nnetwork = "irc"\nfederated = true\n'


def probe(path: Path, text: str, *arguments: str) -> Result:
    path.write_text(text)
    return CliRunner().invoke(main, ["probe", "--config", str(path), *arguments])


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (COMPONENT, ("example.net",), "nothing in the configuration is federated"),
        (FEDERATED, ("a@example.net",), "expected a domain"),
        (FEDERATED, ("example.net", "--from", "example.org"), "is not ours, but irc.example.org"),
        ("[lag]\n", ("example.net",), "lag: unknown key"),
    ],
)
def test_what_cannot_be_probed_is_told(
    tmp_path: Path, text: str, arguments: tuple[str, ...], message: str
) -> None:
    """Without a traceback, and before anything is sent."""
    result = probe(tmp_path / "x.toml", text, *arguments)
    assert result.exit_code in (1, 2) and message in result.output
