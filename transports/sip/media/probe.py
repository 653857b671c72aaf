"""What the operator needs for an rtpengine: whether it answers (`check --live`), and how it is started."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from socket import AF_INET, AF_INET6, SOCK_DGRAM, socket
from typing import Any

from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed

from bridge.errors import BridgeError, Trouble
from bridge.network import Probe
from transports.sip.agent.bound import token
from transports.sip.calls.call import GENERIC
from transports.sip.lines.reached import is_public
from transports.sip.media.anchorage import RtpengineAnchor
from transports.sip.media.backend import Demands
from transports.sip.media.config import MediaConfig
from transports.sip.media.ng import Ng, NgRefused

TWO = """\
Put your addresses for those of the two interfaces:
# the first is where SIP peers are, the second where XMPP users are, who may be anywhere."""
ONE = """\
Put your address for this one, at which SIP peers reach it, and
# XMPP users, who may be anywhere."""
NEITHER = "the table names neither rtpengine nor relay_address: calls are carried only past the gateway"
INSTALL = "pip install 'xmppbridge[relay]'"
RELAY_NEEDS = ("aioice", "pylibsrtp")
INTERFACES = "its log says why; are its interfaces named as sip_interface and xmpp_interface, its ports free?"
FIRST = "the same, as if it did not know the names that sip_interface and xmpp_interface have"
LOCAL = "clients elsewhere do not reach that; behind NAT write LOCAL!PUBLIC for the address in rtpengine.conf"


def media_probes(media: MediaConfig | None, reactor: Any) -> list[Probe]:
    """Try each rtpengine with a call, or see whether the relay can run; say so where there is neither."""
    if media is None:
        return [Probe(subject="calls", result=succeed("none are carried: there is no table media"))]
    if media.relay_address:
        address = media.relay_address
        return [Probe(subject=f"relay {address}", result=maybeDeferred(_try_relay, address))]
    if not media.rtpengine:
        return [Probe(subject="media", result=fail(BridgeError(Trouble.UNREACHABLE, NEITHER)))]
    return [
        Probe(subject=f"rtpengine {address}", result=Deferred.fromCoroutine(_try(media, address, reactor)))
        for address in media.rtpengine
    ]


def _try_relay(address: str) -> str:
    missing = [name for name in RELAY_NEEDS if find_spec(name) is None]
    if missing:
        raise BridgeError(Trouble.UNREACHABLE, f"{', '.join(missing)} is missing: {INSTALL}")
    family = AF_INET6 if ":" in address else AF_INET
    with socket(family, SOCK_DGRAM) as trial:
        try:
            trial.bind((address, 0))
        except OSError as error:
            raise BridgeError(
                Trouble.UNREACHABLE, f"is no address of this machine: {error.strerror}"
            ) from None
    return "can be started here"


class _Home:
    """An instance that has no other calls."""

    def __init__(self, ng: Ng) -> None:
        self.ng = ng
        self.anchors: dict[str, RtpengineAnchor] = {}


class _Nobody:
    """A listener to a call that nobody makes."""

    signalled_from = ""

    def media_lost(self, reason: str) -> None:
        """There are none yet."""

    def pressed(self, digit: str) -> None:
        """Nobody presses any."""


async def _try(media: MediaConfig, address: str, reactor: Any) -> str:
    home = _Home(Ng(reactor, address, token))
    home.ng.start()
    try:
        began = reactor.seconds()
        await home.ng.ask("ping", {})
        took = (reactor.seconds() - began) * 1000
        return f"answers in {took:.0f} ms{await _try_call(media, home)}"
    except NgRefused as refused:
        raise BridgeError(Trouble.FAULTY, f"rtpengine refuses to answer: {refused}") from refused
    finally:
        home.ng.stop()


async def _try_call(media: MediaConfig, home: _Home) -> str:
    """Have it open ports towards both sides; return where. Raises BridgeError."""
    anchors = [RtpengineAnchor(media, [home], f"check-{token()}", Demands(), _Nobody()) for _ in range(2)]
    try:
        to_xmpp = await anchors[0].offer_to_xmpp(GENERIC)
        to_sip = await anchors[1].offer_to_sip(to_xmpp)
    except BridgeError as error:
        raise BridgeError(error.trouble, f"answers, but takes no call: {INTERFACES}") from error
    finally:
        for anchor in anchors:
            await anchor.let_go()
    sip = to_sip.media[0].address or to_sip.address
    xmpp = {one.address for content in to_xmpp.contents for one in content.endpoint.candidates}
    words = f", media at {sip} for SIP and {', '.join(sorted(xmpp)) or 'nowhere'} for XMPP"
    if xmpp == {sip} and media.sip_interface != media.xmpp_interface:
        words += f": {FIRST}"
    elif not any(is_public(one) for one in xmpp):
        words += f": {LOCAL}"
    return words


def rtpengine_files(media: MediaConfig | None) -> Mapping[str, str]:
    """Return rtpengine.conf for the first rtpengine of the configuration; {} if there is none."""
    if media is None or not media.rtpengine:
        return {}
    if media.sip_interface:
        where, interface = TWO, f"{media.sip_interface}/192.0.2.1;{media.xmpp_interface}/198.51.100.1"
    else:
        where, interface = ONE, "198.51.100.1"
    keys = f"dtmf-log-dest = {media.dtmf_listen}\n" if media.dtmf_listen else ""
    return {
        "rtpengine.conf": f"""\
# rtpengine: /etc/rtpengine/rtpengine.conf. {where}
# Behind NAT write LOCAL!PUBLIC for an address. Its ports have to be open in the firewall.

[rtpengine]
table = -1
interface = {interface}
listen-ng = {media.rtpengine[0]}
{keys}port-min = 30000
port-max = 40000
timeout = 60
silent-timeout = 3600
delete-delay = 0
"""
    }
