"""Signals, reloads, readiness and failures of the process."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import Application
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver

from bridge.config import Config, ConfigError, load
from bridge.federation.own_certificate import CertificateError
from bridge.logs import Log
from bridge.notify import ServiceNotifier
from bridge.process import ProcessService
from bridge.store import StoreError

TEXT = """admins = ["romeo@example.org"]
[gateways."irc.example.org"]
network = "irc"
component = { port = 5347, secret = "x" }
"""


class Bridge:
    """Notes what is asked of it."""

    on_status: Callable[[str], None] | None = None
    reread: Callable[[], None] | None = None

    def __init__(self) -> None:
        self.ready: Deferred[None] = Deferred()
        self.stopped: Deferred[None] = Deferred()
        self.did: list[str] = []
        self.configs: list[Config] = []

    def startService(self) -> None:
        self.did.append("start")

    def stopService(self) -> Deferred[None]:
        self.did.append("stop")
        return self.stopped

    def status(self) -> str:
        return "fine"

    def reload(self, config: Config) -> None:
        self.configs.append(config)


class Notifier(ServiceNotifier):
    """Keeps what systemd would hear."""

    def __init__(self, watchdog_interval: float | None = 15.0) -> None:
        self.watchdog_interval = watchdog_interval
        self.sent: list[str] = []

    def _send(self, state: str) -> None:
        self.sent.append(state.split("\n")[0])


class Reactor(MemoryReactorClock):
    """A reactor whose `stop` is only counted."""

    stops = 0

    def callFromThread(self, function: Any, *args: Any) -> None:
        self.callLater(0, function, *args)

    def stop(self) -> None:
        self.stops += 1
        self.running = False


class Stage:
    """A process service with everything around it in memory."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "xmppbridge.toml"
        self.path.write_text(TEXT)
        self.bridge, self.notifier, self.reactor = Bridge(), Notifier(), Reactor()
        self.signals: dict[int, Any] = {}
        self.exit_codes: list[int] = []
        config = load(self.path, {})
        self.log = Log(config.log, (tmp_path / "log").open("w"), {})
        self.service = ProcessService(
            path=self.path,
            config=config,
            bridge=self.bridge,
            reactor=self.reactor,  # type: ignore[arg-type]
            log_observer=self.log,
            notifier=self.notifier,
            set_signal=self.signals.__setitem__,
            set_exit_code=self.exit_codes.append,
        )

    def start(self) -> None:
        self.service.startService()
        self.reactor.hasRun = True
        self.reactor.running = True
        for function, args, kwargs in self.reactor.whenRunningHooks:
            function(*args, **kwargs)
        self.bridge.ready.callback(None)

    def send(self, number: int) -> None:
        self.signals[number](number, None)
        self.reactor.advance(0)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_start_waits_for_the_reactor_and_readiness_for_the_bridge(stage: Stage) -> None:
    """A daemon forks in between; systemd is told when the store is loaded, not before."""
    stage.service.startService()
    assert stage.bridge.did == []
    for function, args, kwargs in stage.reactor.whenRunningHooks:
        function(*args, **kwargs)
    assert stage.bridge.did == ["start"] and "READY=1" not in stage.notifier.sent
    stage.bridge.ready.callback(None)
    assert stage.notifier.sent[-1] == "READY=1"


def test_watchdog_is_fed_until_the_bridge_has_stopped(stage: Stage) -> None:
    """The long good-bye is no stall."""
    stage.start()
    stage.reactor.advance(15)
    assert stage.notifier.sent.count("WATCHDOG=1") == 2
    stage.service.stopService()
    stage.reactor.advance(15)
    assert stage.notifier.sent.count("WATCHDOG=1") == 3
    stage.bridge.stopped.callback(None)
    stage.reactor.advance(15)
    assert stage.notifier.sent.count("WATCHDOG=1") == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_the_reactor_once_with_code_0(stage: Stage, number: int) -> None:
    """A second one changes nothing; no code is set, so it is 0."""
    stage.start()
    stage.send(number)
    stage.send(number)
    assert stage.reactor.stops == 1 and stage.exit_codes == []


def test_stop_waits_for_the_bridge(stage: Stage) -> None:
    """The reactor goes on until users have been told."""
    stage.start()
    done = stage.service.stopService()
    assert not done.called and stage.notifier.sent[-1] == "STOPPING=1"
    stage.bridge.stopped.errback(RuntimeError("half of it"))
    assert done.called and stage.bridge.did == ["start", "stop"]


@pytest.mark.parametrize(
    "error",
    [
        StoreError("disk gone"),
        CertificateError("x.pem", "is no certificate"),
        CannotListenError("::", 5269, OSError("in use")),
        RuntimeError("a bug"),
    ],
)
def test_bridge_that_cannot_start_ends_the_process_with_code_1(stage: Stage, error: Exception) -> None:
    """systemd restarts what failed."""
    stage.service.startService()
    stage.reactor.running = True
    for function, args, kwargs in stage.reactor.whenRunningHooks:
        function(*args, **kwargs)
    stage.bridge.ready.errback(error)
    assert stage.exit_codes == [1] and stage.reactor.stops == 1
    assert "READY=1" not in stage.notifier.sent


def test_reload_applies_what_it_can_and_keeps_what_needs_a_restart(stage: Stage) -> None:
    """Administrators change at once, a port does not."""
    stage.start()
    stage.path.write_text(TEXT.replace("romeo", "juliet").replace("5347", "5348"))
    stage.send(signal.SIGHUP)
    [config] = stage.bridge.configs
    assert config.admins == ("juliet@example.org",)
    assert config.gateways["irc.example.org"].component.port == 5347
    assert stage.notifier.sent[-2:] == ["RELOADING=1", "READY=1"]


def test_bad_file_is_refused_and_the_old_configuration_stays(stage: Stage) -> None:
    """Nothing of it is taken over, and systemd sees the end of the reload."""
    stage.start()
    stage.path.write_text(TEXT.replace("admins", "admin"))
    stage.send(signal.SIGHUP)
    assert stage.bridge.configs == []
    assert stage.notifier.sent[-2:] == ["RELOADING=1", "READY=1"]


def test_administrator_who_reloads_is_told_what_is_wrong(stage: Stage) -> None:
    """The ad-hoc command shows the same list."""
    stage.start()
    stage.path.write_text(TEXT.replace("admins", "admin"))
    assert stage.bridge.reread is not None
    with pytest.raises(ConfigError, match='did you mean "admins"'):
        stage.bridge.reread()


def test_news_of_the_bridge_become_systemds_status(stage: Stage) -> None:
    """systemctl status shows how many gateways are connected."""
    stage.start()
    assert stage.bridge.on_status is not None
    stage.bridge.on_status("1 of 2")
    assert stage.notifier.sent[-1] == "STATUS=1 of 2"


def test_application_gets_the_log_before_it_begins_to_log(stage: Stage) -> None:
    """twistd asks the application for its observer."""
    application = Application("xmppbridge")
    stage.service.setServiceParent(application)
    assert application.getComponent(ILogObserver) is stage.log


def test_bridge_stopped_before_it_is_ready_stops(stage: Stage) -> None:
    """SIGTERM during a long migration ends it all the same."""
    stage.service.startService()
    stage.bridge.stopped = succeed(None)
    assert stage.service.stopService().called
