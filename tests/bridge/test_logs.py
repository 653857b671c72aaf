"""Log lines, as the operator's tools want them."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from twisted.logger import Logger, LogLevel, LogPublisher
from twisted.python.log import LogPublisher as LegacyPublisher

from bridge.config import LogConfig
from bridge.logs import Log, is_journal, open_log_file


def lines(config: LogConfig, *events: tuple[LogLevel, str], namespace: str = "bridge.x") -> list[str]:
    stream = io.StringIO()
    write(Log(config, stream, {}), *events, namespace=namespace)
    return stream.getvalue().splitlines()


def write(log: Log, *events: tuple[LogLevel, str], namespace: str = "bridge.x") -> None:
    logger = Logger(namespace=namespace, observer=log)
    for level, text in events:
        logger.emit(level, "{text}", text=text)


def test_journal_lines_have_priorities_and_no_time() -> None:
    """sd-daemon(3): each line of a text of several has its priority."""
    assert lines(
        LogConfig(format="journal"),
        (LogLevel.info, "one\ntwo"),
        (LogLevel.warn, "three"),
        (LogLevel.critical, "four"),
    ) == ["<6>bridge.x: one", "<6>bridge.x: two", "<4>bridge.x: three", "<2>bridge.x: four"]


def test_json_lines_are_objects() -> None:
    """One event, one line, fields by name."""
    [line] = lines(LogConfig(format="json"), (LogLevel.info, "hello"))
    assert json.loads(line)["text"] == "hello"


def test_text_lines_have_time_and_place() -> None:
    """The usual form."""
    [line] = lines(LogConfig(), (LogLevel.info, "hello"))
    assert line.endswith("[bridge.x#info] hello") and line[0] == "2"


def test_level_holds_and_parts_may_differ() -> None:
    """A noisy part can be made quiet, and a quiet one talk."""
    config = LogConfig(level="warn", levels={"bridge.x": "debug"})
    events = ((LogLevel.debug, "debug"), (LogLevel.warn, "warn"))
    assert len(lines(config, *events)) == 2
    assert len(lines(config, *events, namespace="bridge.y")) == 1


def test_news_of_every_connection_are_kept_out() -> None:
    """Twisted tells of each factory it starts; that is for debugging only."""
    event = (LogLevel.info, "Starting factory")
    namespace = "twisted.internet.endpoints._WrappingFactory"
    assert lines(LogConfig(), event, namespace=namespace) == []
    assert len(lines(LogConfig(level="debug"), event, namespace=namespace)) == 1


def test_news_of_every_port_are_kept_out() -> None:
    """Strangers who have names looked up fill no log; what goes wrong there is told."""
    stream = io.StringIO()
    log = LogPublisher(Log(LogConfig(), stream, {}))
    legacy = LegacyPublisher(log, log)
    legacy.msg("DNSDatagramProtocol starting on 4711")
    legacy.msg("it broke", isError=1)
    assert "4711" not in stream.getvalue() and "it broke" in stream.getvalue()


def test_new_level_is_in_force_at_once() -> None:
    """After a reload."""
    stream = io.StringIO()
    log = Log(LogConfig(), stream, {})
    log.apply(LogConfig(level="error", levels={}))
    write(log, (LogLevel.info, "no"), (LogLevel.error, "yes"))
    assert stream.getvalue().endswith("yes\n") and stream.getvalue().count("\n") == 1


def test_log_file_moved_away_is_opened_anew(tmp_path: Path) -> None:
    """logrotate moves the file and sends SIGHUP."""
    path = tmp_path / "x.log"
    log = Log(LogConfig(), open_log_file(path), {})
    write(log, (LogLevel.info, "before"))
    path.rename(tmp_path / "x.log.1")
    log.apply(LogConfig())
    write(log, (LogLevel.info, "after"))
    assert "before" in (tmp_path / "x.log.1").read_text()
    assert "before" not in path.read_text() and "after" in path.read_text()


@pytest.mark.parametrize("matches", [True, False])
def test_journal_is_recognised_by_its_stream(tmp_path: Path, matches: bool) -> None:
    """systemd.exec(5): $JOURNAL_STREAM names device and inode of what goes to the journal."""
    with (tmp_path / "stream").open("w") as stream:
        status = os.fstat(stream.fileno())
        name = f"{status.st_dev}:{status.st_ino + (not matches)}"
        assert is_journal(stream, {"JOURNAL_STREAM": name}) is matches
        Log(LogConfig(), stream, {"JOURNAL_STREAM": name})(
            {"log_format": "hello", "log_level": LogLevel.info, "log_namespace": "x", "log_time": 0.0}
        )
    assert (tmp_path / "stream").read_text().startswith("<6>") is matches


def test_stream_without_descriptor_is_no_journal() -> None:
    """As under a test runner."""
    assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})
