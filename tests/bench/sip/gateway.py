"""A SIP gateway without XMPP, whose users answer at once: ``python -m tests.bench.sip.gateway PORT``.

Its media are only described. It says "ready", then how many calls there are whenever a line comes in.
"""

from __future__ import annotations

import sys
from random import SystemRandom
from time import time
from typing import Any

from twisted.internet import asyncioreactor

asyncioreactor.install()
from twisted.internet import reactor  # noqa: E402
from twisted.internet.stdio import StandardIO  # noqa: E402
from twisted.protocols.basic import LineReceiver  # noqa: E402

from bridge.calls import CallAnswer, CallOffer, CallRinging  # noqa: E402
from tests.bench.sip.bridge import Forgetful  # noqa: E402
from tests.transports.sip.calling import described  # noqa: E402
from tests.transports.sip.wires import Bridge, Names  # noqa: E402
from transports.sip.config import SipConfig, TrunkConfig  # noqa: E402
from transports.sip.network import SipNetwork  # noqa: E402

HOST = "127.0.0.1"


class Answerer(Bridge):
    """The users."""

    network: SipNetwork

    def deliver(self, user: Any, events: Any) -> None:
        for event in events:
            if isinstance(event, CallOffer):
                names = [content.name for content in event.description.contents]
                self.network.submit(user, CallRinging(call=event.call))
                self.network.submit(user, CallAnswer(call=event.call, description=described(*names)))


class Console(LineReceiver):
    """Tells how many calls there are."""

    delimiter = b"\n"

    def __init__(self, network: SipNetwork) -> None:
        self.network = network

    def lineReceived(self, line: bytes) -> None:
        self.sendLine(str(len(self.network._calls or ())).encode())


def main(port: int) -> None:
    """Run until killed."""
    trunk = TrunkConfig(server=f"sip:{HOST}:9", domain="bench.test", users=("*",), max_calls=20_000)
    config = SipConfig(
        domain="gw.test",
        listen=(f"udp {HOST}:{port}",),
        trunks={"bench": trunk},
        max_calls=20_000,
        max_calls_per_user=20_000,
    )
    answerer = Answerer()
    network = SipNetwork(
        config, reactor, Names(), SystemRandom(), lambda changed: Forgetful(reactor, HOST), time
    )
    answerer.network = network
    network.start(answerer)
    StandardIO(Console(network))
    print("ready", flush=True)
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
