"""What `twistd xmppbridge` runs: options and the service (twisted.application.service.IServiceMaker)."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from twisted.application.service import IService
from twisted.python import usage

from bridge.config import Config, ConfigError, load
from bridge.config.locate import config_path
from bridge.logs import DEFAULT_FILE, Log, open_log_file
from bridge.notify import ServiceNotifier
from bridge.process import ProcessService

EXIT_CONFIG = 2
"""Exit code when the configuration is not in order."""


class Options(usage.Options):
    """The plugin's command line."""

    synopsis = "[--config FILE]"
    longdesc = "Runs the XMPP gateways that the configuration describes; see also `xmppbridge --help`."
    optParameters = [["config", "c", None, "The configuration file."]]
    compData = usage.Completions(optActions={"config": usage.CompleteFiles("*.toml")})


def makeService(options: Options) -> IService:
    """Read the configuration and wire the bridge; one that is not in order ends the process with code 2."""
    path = config_path(options["config"], os.environ)
    try:
        config = load(path)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(EXIT_CONFIG) from None
    from bridge.app import make_service, the_reactor

    reactor = the_reactor()
    return ProcessService(
        path=path,
        config=config,
        bridge=make_service(config, reactor),
        reactor=reactor,
        log_observer=log_for(config, getattr(options, "parent", None) or {}, os.environ),
        notifier=ServiceNotifier(os.environ),
        set_exit_code=_set_exit_code,
    )


def log_for(config: Config, runner: Mapping[str, Any], environ: Mapping[str, str]) -> Log | None:
    """Open the log; None leaves it to the runner, who was told another way by its own options."""
    if runner.get("logger") or runner.get("syslog") or "nodaemon" not in runner:
        return None
    name = runner.get("logfile") or config.log.file or ("" if runner["nodaemon"] else DEFAULT_FILE)
    if not name:
        return Log(config.log, sys.stderr, environ)
    if name == "-":
        return Log(config.log, sys.stdout, environ)
    return Log(config.log, open_log_file(Path(name).absolute()), environ)


def _set_exit_code(code: int) -> None:
    """COMPAT Twisted 26.10: twistd has no way to end with a code of one's own."""
    atexit.register(_exit, code, (sys.stdout, sys.stderr))


def _exit(code: int, streams: tuple[TextIO, ...]) -> None:
    for stream in streams:
        stream.flush()
    os._exit(code)
