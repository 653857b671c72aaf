"""Users' accounts that are registered, at Kamailio: ``python -m tests.bench.sip.registrations [ACCOUNTS]``.

Each lasts a minute, which is the least that is granted, so that many are refreshed. Prints what one costs.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from random import SystemRandom
from secrets import token_bytes
from time import process_time, time

import msgspec
from twisted.internet import asyncioreactor

asyncioreactor.install()
from twisted.internet import reactor  # noqa: E402
from twisted.internet.defer import Deferred, ensureDeferred  # noqa: E402
from twisted.internet.task import deferLater  # noqa: E402

from bridge.events import UserId  # noqa: E402
from bridge.secret import Secret  # noqa: E402
from tests.bench.usage import resident_bytes  # noqa: E402
from tests.live.peers.daemon import HOST, free_port  # noqa: E402
from tests.live.peers.kamailio import PASSWORD, Kamailio  # noqa: E402
from tests.transports.sip.wires import Bridge, Names  # noqa: E402
from transports.sip.config import SipConfig  # noqa: E402
from transports.sip.lines.accounts import KEY, Account  # noqa: E402
from transports.sip.lines.vault import Vault  # noqa: E402
from transports.sip.network import SipNetwork  # noqa: E402

SECRET = Secret("a secret of the operator")
LEAST = 'modparam("registrar", "min_expires", 60)\n'
"""What Kamailio grants at least; here also at most."""
MEASURED = 60.0
"""Seconds in which refreshes are counted, when all are registered."""


class Registered:
    """A gateway with accounts, and how many registrations it has been granted."""

    def __init__(self, count: int, registrar: Kamailio, port: int) -> None:
        vault, uplink = Vault(SECRET, token_bytes), Bridge()
        for number in range(count):
            user = UserId(f"user{number}@example.org")
            address, server = f"4{number}@{registrar.domain}", f"sip:{HOST}:{registrar.port}"
            account = Account(address=address, server=server, password=PASSWORD)
            uplink.kept[user] = {KEY: vault.seal(user, msgspec.json.encode(account))}
        config = SipConfig(
            domain="gw.test", listen=(f"udp {HOST}:{port}",), allowed_peers=(HOST,), account_key=SECRET
        )
        self.network = SipNetwork(config, reactor, Names(), SystemRandom(), None, time)
        self.granted = 0
        self.network._agent.seen = self._seen
        self.network.start(uplink)

    def _seen(self, message: object, hop: object, is_ours: bool) -> None:
        self.granted += not is_ours and getattr(message, "status", 0) == 200

    @property
    def standing(self) -> int:
        """How many accounts are registered."""
        return len(self.network.users())


def pause(seconds: float) -> Deferred[None]:
    """Wait."""
    return deferLater(reactor, seconds, lambda: None)


async def measure(count: int, registrar: Kamailio, port: int) -> None:
    """Register, wait, and print."""
    before = resident_bytes(os.getpid())
    began, used = time(), process_time()
    scene = Registered(count, registrar, port)
    while scene.standing < count:
        await pause(0.1)
    took, used = time() - began, process_time() - used
    kilobytes = (resident_bytes(os.getpid()) - before) / count / 1000
    print(f"{count:,} registered in {took:.0f} s, {used * 1000 / count:.2f} ms each, {kilobytes:.1f} kB each")
    granted, used = scene.granted, process_time()
    await pause(MEASURED)
    refreshed, used = scene.granted - granted, process_time() - used
    print(
        f"{refreshed / MEASURED:.0f} refreshes/s with {used / MEASURED:.1%} of a core, "
        f"{used * 1000 / refreshed:.2f} ms each; {scene.standing:,} stand"
    )
    await scene.network.stop("")


def main(count: int) -> None:
    """Do it once."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        registrar = Kamailio(Path(folder), "gw.test", port)
        config = Path(folder, "kamailio.cfg")
        config.write_text(config.read_text().replace(LEAST, LEAST + LEAST.replace("min", "max")))
        registrar.daemon.start()
        try:
            done = ensureDeferred(measure(count, registrar, port))
            done.addErrback(lambda failure: print(failure.getTraceback()))
            done.addBoth(lambda _: reactor.stop())
            reactor.run()
        finally:
            registrar.daemon.kill()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
