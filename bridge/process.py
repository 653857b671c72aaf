"""The process around the bridge: signals, reloads, systemd, the log, and the exit code."""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorCore, IReactorFromThreads, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from zope.interface import implementer

from bridge import __version__
from bridge.config import Config, ConfigError, load
from bridge.config.changes import changed_keys, without_restart
from bridge.federation.own_certificate import CertificateError
from bridge.logs import Log
from bridge.notify import ServiceNotifier
from bridge.store import StoreError

EXIT_FAILURE = 1
"""Exit code when the bridge cannot start with a configuration that is in order."""


class Reactor(IReactorCore, IReactorTime, IReactorFromThreads):
    """What is used of the reactor here."""


class Bridge(Protocol):
    """The service that does the work; see `bridge.app.BridgeService`."""

    ready: Deferred[None]
    on_status: Callable[[str], None] | None
    reread: Callable[[], None] | None

    def startService(self) -> None:
        """Start; `ready` fires when it has, or fails."""

    def stopService(self) -> Deferred[None]:
        """Leave politely; fires when all is done."""

    def status(self) -> str:
        """Say in a line how things are."""

    def reload(self, config: Config) -> None:
        """Put a configuration in force that differs only in what needs no restart."""


SetSignal = Callable[[int, Callable[[int, FrameType | None], None]], Any]


@implementer(IService)
class ProcessService(Service):
    """The service that a runner (twistd, twist) starts; `bridge` does the work.

    twistd ends by the signal that stopped it; here SIGTERM and SIGINT are the usual ways to end,
    and the exit code is 0, so the signals are taken over once the reactor runs.
    """

    log = Logger()

    def __init__(
        self,
        *,
        path: Path,
        config: Config,
        bridge: Bridge,
        reactor: Reactor,
        log_observer: Log | None,
        notifier: ServiceNotifier,
        set_signal: SetSignal = signal.signal,
        set_exit_code: Callable[[int], None],
    ) -> None:
        self._path = path
        self._config = config
        self._bridge = bridge
        self._reactor = reactor
        self._log_observer = log_observer
        self._notifier = notifier
        self._set_signal = set_signal
        self._set_exit_code = set_exit_code
        self._watchdog = LoopingCall(notifier.alive)
        self._watchdog.clock = reactor

    def setServiceParent(self, parent: Any) -> None:
        """Give the application its log observer before it begins to log."""
        Service.setServiceParent(self, parent)
        if self._log_observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._log_observer)

    def startService(self) -> None:
        """Start the bridge once the reactor runs, which in a daemon is after its forks."""
        Service.startService(self)
        self._reactor.callWhenRunning(self._start)

    def _start(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._set_signal(number, self._on_signal)
        if self._notifier.watchdog_interval is not None:
            self._watchdog.start(self._notifier.watchdog_interval)
        self.log.info("xmppbridge {version} starts with {path}", version=__version__, path=self._path)
        self._bridge.on_status = self._notifier.status
        self._bridge.reread = self.reread
        self._bridge.startService()
        self._bridge.ready.addCallbacks(self._is_ready, self._failed)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Leave the signal's context, where nothing may be done, for the reactor's."""
        self._reactor.callFromThread(self.reload if number == signal.SIGHUP else self.stop)

    def _is_ready(self, _: None) -> None:
        spare_the_collector()
        self._notifier.ready(self._bridge.status())

    def _failed(self, failure: Failure) -> None:
        if failure.check(StoreError, CertificateError, CannotListenError):
            self.log.critical("cannot start: {reason}", reason=failure.value)
        else:
            self.log.failure("cannot start", failure)
        self._set_exit_code(EXIT_FAILURE)
        self.stop()

    def stop(self) -> None:
        """Begin the shutdown; further calls change nothing."""
        if self.running and self._reactor.running:
            self._reactor.stop()

    def stopService(self) -> Deferred[None]:
        """Stop the bridge; fires when it has left everything and stored what it knows."""
        Service.stopService(self)
        self.log.info("shutting down")
        self._notifier.stopping()
        return self._bridge.stopService().addBoth(self._stopped)

    def _stopped(self, result: object) -> None:
        if isinstance(result, Failure):
            self.log.failure("the shutdown was not clean", result)
        if self._watchdog.running:
            self._watchdog.stop()

    def reload(self) -> None:
        """Read the configuration again; a bad one is refused, and the old one stays in force."""
        self._notifier.reloading()
        try:
            self.reread()
        except ConfigError as error:
            for problem in error.problems:
                self.log.error("{problem}", problem=str(problem))
            self.log.error("{path} is refused; the old configuration stays in force", path=self._path)
        self._notifier.ready(self._bridge.status())

    def reread(self) -> None:
        """Do so; raises ConfigError for a bad one."""
        written = load(self._path)
        config = without_restart(self._config, written)
        applied, waiting = changed_keys(self._config, config), changed_keys(config, written)
        if self._log_observer is not None:
            self._log_observer.apply(config.log)
        self._bridge.reload(config)
        self._config = config
        self.log.info(
            "{path} read again; changed: {applied}", path=self._path, applied=", ".join(applied) or "nothing"
        )
        if waiting:
            self.log.warn("these changes wait for a restart: {waiting}", waiting=", ".join(waiting))


def spare_the_collector() -> None:
    """Have Python's collector of cycles leave alone what lives as long as the process, and run rarely.

    Entering a room of thousands makes so many objects at once that it would walk the heap again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
