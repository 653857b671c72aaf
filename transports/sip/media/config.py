"""What the operator sets for the media of calls: ``[gateways."<domain>".sip.media]``."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated

from msgspec import Meta, Struct

_RESTART = {"restart": True}
PORTS_OF_A_CALL = 4
"""RTP and RTCP of the SIP side, one port of the XMPP side, and one to spare."""
Address = Annotated[str, Meta(pattern=r"^([0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$")]
"""An IP address and a port."""
Port = Annotated[int, Meta(ge=1024, le=65535)]
Interface = Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9_.-]*$")]


class MediaConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What carries the sound and pictures of calls; without this table there are none."""

    rtpengine: Annotated[
        tuple[Address, ...],
        Meta(
            description="Where each rtpengine listens for its control protocol ng (--listen-ng); a call goes "
            "over one of those that answer.",
            examples=[["127.0.0.1:22222"]],
            extra={
                **_RESTART,
                "ask": "For calls: where rtpengine is controlled, like 127.0.0.1:22222 (or nothing)",
            },
        ),
    ] = ()
    sip_interface: Annotated[
        Interface,
        Meta(
            description="The name of rtpengine's interface towards SIP, as in --interface=NAME/ADDRESS; "
            "empty: the first.",
            examples=["int"],
            extra=_RESTART,
        ),
    ] = ""
    xmpp_interface: Annotated[
        Interface,
        Meta(
            description="The name of its interface towards XMPP users, who may be anywhere.",
            examples=["pub"],
            extra=_RESTART,
        ),
    ] = ""
    dtmf_listen: Annotated[
        str,
        Meta(
            pattern=r"^(([0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5})?$",
            description="An address and port of ours where rtpengine tells which keys were pressed "
            "(--dtmf-log-dest); empty: nowhere.",
            examples=["127.0.0.1:22444"],
            extra=_RESTART,
        ),
    ] = ""

    relay_address: Annotated[
        str,
        Meta(
            pattern=r"^[0-9A-Fa-f:.]*$",
            description="Without rtpengine: the IP address of ours at which the embedded relay hears SIP "
            "peers. It needs xmppbridge[relay], and both ends to have a codec in common. Empty: no relay.",
            examples=["192.0.2.1"],
            extra=_RESTART,
        ),
    ] = ""
    relay_ports: Annotated[
        tuple[Port, ...],
        Meta(
            max_length=2,
            description="The first and the last UDP port that it uses, at all addresses of ours, for both "
            "sides; empty: any.",
            examples=[[40000, 40999]],
            extra=_RESTART,
        ),
    ] = ()
    relay_calls: Annotated[
        int, Meta(ge=1, le=1000, description="Calls that it carries at a time.", extra=_RESTART)
    ] = 100

    def __post_init__(self) -> None:
        """See what belongs together; ValueError."""
        if bool(self.sip_interface) is not bool(self.xmpp_interface):
            raise ValueError("sip_interface and xmpp_interface are set together, or neither")
        if self.relay_address:
            ip_address(self.relay_address)
            if self.rtpengine:
                raise ValueError("either rtpengine or relay_address: one of them carries the calls")
        if self.relay_ports:
            first, last = self.relay_ports[0], self.relay_ports[-1]
            if last - first + 1 < PORTS_OF_A_CALL * self.relay_calls:
                needed = PORTS_OF_A_CALL * self.relay_calls
                raise ValueError(
                    f"relay_ports: expected at least {needed} ports for {self.relay_calls} calls"
                )
