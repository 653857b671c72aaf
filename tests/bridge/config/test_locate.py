"""Which file is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config.locate import config_path


def test_command_line_wins_then_environment_then_here_then_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is absolute, since a daemon may change its folder."""
    monkeypatch.chdir(tmp_path)
    environ = {"XMPPBRIDGE_CONFIG": "env.toml"}
    assert config_path("given.toml", environ) == tmp_path / "given.toml"
    assert config_path(None, environ) == tmp_path / "env.toml"
    assert config_path(None, {}) == Path("/etc/xmppbridge/xmppbridge.toml")
    (tmp_path / "xmppbridge.toml").touch()
    assert config_path(None, {}) == tmp_path / "xmppbridge.toml"
