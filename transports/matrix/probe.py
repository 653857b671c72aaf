"""Whether the homeserver and we reach each other (`xmppbridge check --live`)."""

from __future__ import annotations

import random
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError

from bridge.errors import BridgeError, Trouble
from bridge.network import Probe
from transports.matrix.appservice import ApplicationService
from transports.matrix.client import Homeserver
from transports.matrix.config import MatrixConfig
from transports.matrix.http import Http
from transports.matrix.ping import WORKING, ping


def homeserver_probes(config: MatrixConfig, reactor: Any) -> list[Probe]:
    """Have the homeserver call us back; a gateway that runs already answers it itself."""
    return [
        Probe(subject=f"homeserver {config.homeserver}", result=Deferred.fromCoroutine(_try(config, reactor)))
    ]


async def _try(config: MatrixConfig, reactor: Any) -> str:
    http = Http(reactor, config.timeout)
    homeserver = Homeserver(config.homeserver, config.as_token.reveal(), http, reactor, random.random)
    web = ApplicationService(
        config.hs_token.reveal(),
        config.max_transaction,
        # what comes now is for the gateway, and is sent again
        lambda transaction, events, ephemeral: fail(BridgeError(Trouble.SHUTTING_DOWN)),
        lambda alias: succeed(False),
        lambda user: succeed(False),
    )
    try:
        web.listen(reactor, config.listen_host, config.listen_port)
    except CannotListenError:
        web.log.debug("the gateway runs already")
    way = await ping(homeserver, config.id)
    await web.stop()
    await homeserver.close()
    if way not in WORKING:
        raise BridgeError(Trouble.UNREACHABLE, way.value)
    return way.value
