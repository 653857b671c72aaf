"""What the operator needs for an rtpengine: whether it answers (`check --live`), and how it is started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.network import Probe
from transports.sip.bound import token
from transports.sip.media.config import MediaConfig
from transports.sip.media.ng import Ng, NgRefused


def media_probes(media: MediaConfig | None, reactor: Any) -> list[Probe]:
    """Ask each rtpengine whether it is there."""
    return [
        Probe(subject=f"rtpengine {address}", result=Deferred.fromCoroutine(_try(address, reactor)))
        for address in (media.rtpengine if media else ())
    ]


async def _try(address: str, reactor: Any) -> str:
    ng = Ng(reactor, address, token)
    ng.start()
    try:
        began = reactor.seconds()
        await ng.ask("ping", {})
        return f"answers in {(reactor.seconds() - began) * 1000:.0f} ms"
    except NgRefused as refused:
        raise BridgeError(Trouble.FAULTY, f"rtpengine refuses to answer: {refused}") from refused
    finally:
        ng.stop()


def rtpengine_files(media: MediaConfig | None) -> Mapping[str, str]:
    """Return rtpengine.conf for the first rtpengine of the configuration; {} if there is none."""
    if media is None or not media.rtpengine:
        return {}
    keys = f"dtmf-log-dest = {media.dtmf_listen}\n" if media.dtmf_listen else ""
    return {
        "rtpengine.conf": f"""\
# rtpengine: /etc/rtpengine/rtpengine.conf. Put your addresses for those of the two interfaces:
# the first is where SIP peers are, the second where XMPP users are, who may be anywhere;
# behind NAT write LOCAL!PUBLIC for an address. Its ports have to be open in the firewall.

[rtpengine]
table = -1
interface = {media.sip_interface or "int"}/192.0.2.1;{media.xmpp_interface or "pub"}/198.51.100.1
listen-ng = {media.rtpengine[0]}
{keys}port-min = 30000
port-max = 40000
timeout = 60
silent-timeout = 3600
delete-delay = 0
"""
    }
