"""Whether the homeserver and we reach each other, and agree (`xmppbridge check --live`)."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError

from bridge.errors import BridgeError, Trouble
from bridge.network import Probe
from transports.matrix.appservice import ApplicationService
from transports.matrix.client import CLIENT, Homeserver
from transports.matrix.config import MatrixConfig
from transports.matrix.content import mapping, text
from transports.matrix.http import Http
from transports.matrix.ids import Ids
from transports.matrix.ping import WORKING, ping
from transports.matrix.portal_room import PROTOCOL
from transports.matrix.refusal import Refusal
from transports.matrix.thirdparty import ThirdParty

REMEDY = "give it the registration that `xmppbridge files` writes, and restart it"
NO_LOOKUP = (
    "; but it does not offer XMPP to people who look for rooms: its registration has no protocol xmpp, or it "
    "asked while the gateway was away and asks again within an hour"
)


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
        ThirdParty(Ids(config.server_name, config.prefix)).answer,
    )
    try:
        web.listen(reactor, config.listen_host, config.listen_port)
    except CannotListenError:
        web.log.debug("the gateway runs already")
    try:
        return await _judge(homeserver, config)
    finally:
        await web.stop()
        await homeserver.close()


async def _judge(homeserver: Homeserver, config: MatrixConfig) -> str:
    """Say how it stands; BridgeError if it is not in order."""
    way = await ping(homeserver, config.id)
    if way not in WORKING:
        raise BridgeError(Trouble.UNREACHABLE, way.value)
    known = text(mapping(await homeserver.call("GET", f"{CLIENT}/account/whoami", patience=0)), "user_id")
    if known != config.bot:
        raise BridgeError(
            Trouble.UNREACHABLE,
            f"it knows us as {known}, the configuration says {config.bot}: mend server_name or sender, or "
            f"{REMEDY}",
        )
    if not await _has_aliases(homeserver, config):
        raise BridgeError(
            Trouble.UNREACHABLE,
            f"its registration does not give us what begins with {config.prefix} (prefix): {REMEDY}",
        )
    return way.value + ("" if await _is_offered(homeserver) else NO_LOOKUP)


async def _has_aliases(homeserver: Homeserver, config: MatrixConfig) -> bool:
    """Tell whether our prefix is in the namespaces of the registration, by an alias that nobody can have."""
    alias = quote(f"#{config.prefix}=:{config.server_name}", safe="")
    try:
        await homeserver.call("DELETE", f"{CLIENT}/directory/room/{alias}", patience=0)
    except Refusal as refusal:
        return refusal.errcode != "M_EXCLUSIVE"
    return True


async def _is_offered(homeserver: Homeserver) -> bool:
    """Tell whether clients are shown that there is XMPP (MX v1.19 third-party networks)."""
    try:
        return PROTOCOL in mapping(await homeserver.call("GET", f"{CLIENT}/thirdparty/protocols", patience=0))
    except BridgeError:
        # not every homeserver knows third-party networks
        return True
