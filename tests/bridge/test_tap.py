"""The twistd plugin: its options, and where its log goes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from twisted.application.service import IService, IServiceMaker
from twisted.plugin import getPlugins
from twisted.python.logfile import LogFile

from bridge import tap
from bridge.config import Config, parse
from bridge.tap import Options, makeService

TEXT = '[gateways."irc.example.org"]\nnetwork = "irc"\ncomponent.secret = "hush"\n'


def options(*arguments: str) -> Options:
    parsed = Options()
    parsed.parseOptions(list(arguments))
    return parsed


def config(text: str = "") -> Config:
    return parse(text + TEXT, Path("/x.toml"), {})


def test_config_is_the_only_option() -> None:
    """Nothing else needs to be said."""
    assert options()["config"] is None
    assert options("--config", "a.toml")["config"] == "a.toml"
    assert [row[0] for row in Options.optParameters] == ["config"]


def test_service_is_made_of_the_file_that_is_named(tmp_path: Path) -> None:
    """Without opening anything yet."""
    (tmp_path / "x.toml").write_text(TEXT)
    service = makeService(options("--config", str(tmp_path / "x.toml")))
    assert IService.providedBy(service)
    assert [path.name for path in tmp_path.iterdir()] == ["x.toml"]


def test_bad_file_ends_with_code_2_and_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, for the operator."""
    (tmp_path / "x.toml").write_text("x = 1\n")
    with pytest.raises(SystemExit) as ended:
        makeService(options("--config", str(tmp_path / "x.toml")))
    assert ended.value.code == 2
    assert "x.toml:1: x: unknown key" in capsys.readouterr().err


class Streams:
    """Notes what a log is opened on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened: object = None
        monkeypatch.setattr(tap, "Log", self._open)

    def _open(self, _config: object, stream: object, _environ: object) -> None:
        self.opened = stream.path if isinstance(stream, LogFile) else stream


@pytest.mark.parametrize(
    ("runner", "text", "expected"),
    [
        ({"nodaemon": 1}, "", "stderr"),
        ({"nodaemon": 0}, "", "twistd.log"),
        ({"nodaemon": 0}, 'log.file = "mine.log"\n', "mine.log"),
        ({"nodaemon": 1, "logfile": "theirs.log"}, 'log.file = "mine.log"\n', "theirs.log"),
        ({"nodaemon": 1, "logfile": "-"}, "", "stdout"),
    ],
)
def test_log_goes_where_runner_or_file_say(
    runner: dict[str, object],
    text: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """twistd's own options win, then the file's; a daemon has no standard error."""
    monkeypatch.chdir(tmp_path)
    streams = Streams(monkeypatch)
    tap.log_for(config(text), runner, {})
    assert streams.opened == getattr(sys, expected, str(tmp_path / expected))


@pytest.mark.parametrize("runner", [{"nodaemon": 1, "syslog": True}, {"nodaemon": 1, "logger": print}, {}])
def test_log_is_left_to_a_runner_that_has_its_own(runner: dict[str, object]) -> None:
    """syslog, an observer of the operator's, or a runner that asks no application."""
    assert tap.log_for(config(), runner, {}) is None


def test_plugin_is_found() -> None:
    """twistd lists it."""
    assert "xmppbridge" in {plugin.tapname for plugin in getPlugins(IServiceMaker)}
