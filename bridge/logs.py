"""Where log events go, and how they look there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TextIO, cast

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
    formatEventAsClassicLogText,
    jsonFileLogObserver,
)
from twisted.python.logfile import LogFile
from zope.interface import implementer

from bridge.config import LogConfig

PRIORITIES = {
    LogLevel.debug: 7,
    LogLevel.info: 6,
    LogLevel.warn: 4,
    LogLevel.error: 3,
    LogLevel.critical: 2,
}
"""syslog(3) levels; sd-daemon(3) says how they are written in front of a line."""

DEFAULT_FILE = "twistd.log"
"""Where a daemon logs that was told nothing else."""

QUIET = {"twisted.internet": LogLevel.warn, "log_legacy": LogLevel.warn}
"""Twisted's own news of every connection, and of every port, of which each question to the DNS has one."""


def journal_text(event: LogEvent) -> str | None:
    """Format for the journal: each line with its priority, without the time that it adds itself."""
    text = eventAsText(event, includeTimestamp=False, includeSystem=False)
    if not text:
        return None
    priority = PRIORITIES.get(event.get("log_level", LogLevel.info), 6)
    system = event.get("log_namespace", "")
    return "".join(f"<{priority}>{system}: {line}\n" for line in text.splitlines())


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether `stream` goes to the journal: systemd.exec(5), $JOURNAL_STREAM."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def open_log_file(path: Path) -> LogFile:
    """Open a file that never rotates by itself; `reopen` it after logrotate has moved it."""
    return LogFile(path.name, str(path.parent), rotateLength=None, defaultMode=0o640)


@implementer(ILogObserver)
class Log:
    """The program's log observer; `apply` changes its levels at once."""

    def __init__(self, config: LogConfig, stream: TextIO | LogFile, environ: Mapping[str, str]) -> None:
        self._stream = stream
        self._predicate = LogLevelFilterPredicate()
        self.apply(config)
        self._observer = FilteringLogObserver(_formatter(config.format, stream, environ), [self._predicate])

    def apply(self, config: LogConfig) -> None:
        """Take over the levels, and open a log file anew."""
        self._predicate.clearLogLevels()
        self._predicate.setLogLevelForNamespace("", LogLevel.levelWithName(config.level))
        for namespace, level in QUIET.items() if config.level != "debug" else ():
            self._predicate.setLogLevelForNamespace(namespace, level)
        for namespace, name in config.levels.items():
            self._predicate.setLogLevelForNamespace(namespace, LogLevel.levelWithName(name))
        if isinstance(self._stream, LogFile):
            self._stream.reopen()

    def __call__(self, event: LogEvent) -> None:
        """Write one event, if its level is wanted."""
        self._observer(event)


def _formatter(format: str, stream: TextIO | LogFile, environ: Mapping[str, str]) -> ILogObserver:
    file = cast(IO[str], stream)
    if format == "json":
        return jsonFileLogObserver(file, recordSeparator="")
    if format == "auto" and not isinstance(stream, LogFile) and is_journal(stream, environ):
        format = "journal"
    if format == "journal":
        return FileLogObserver(file, journal_text)
    return FileLogObserver(file, formatEventAsClassicLogText)
