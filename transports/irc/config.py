"""What the operator of an IRC gateway sets: ``[gateways."<domain>".irc]``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from bridge.secret import Secret

Port = Annotated[int, Meta(ge=1, le=65535)]
Burst = Annotated[int, Meta(ge=-1)]
Rate = Annotated[float, Meta(gt=0)]

DEFAULT_TLS_PORTS: tuple[int, ...] = (6697, 6670)
DEFAULT_CONNECT_RATE = 5.0
DEFAULT_CONNECT_BURST = 20


class ServerConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One server by name: ``[gateways."<domain>".irc.servers."<name>"]``.

    The name is what stands behind ``%`` in addresses. What is left out is as for every server.
    """

    host: Annotated[
        str,
        Meta(max_length=255, description="Host name or IP address to connect to; empty: the name itself."),
    ] = ""
    tls_ports: Annotated[
        tuple[Port, ...] | None, Meta(description="Ports to try with TLS, in order, before the plain ones.")
    ] = None
    ports: Annotated[tuple[Port, ...] | None, Meta(description="Ports to try without TLS, in order.")] = None
    verify: Annotated[
        bool | None,
        Meta(description="Whether the certificate must be valid for the host; false trusts anyone."),
    ] = None
    ca_file: Annotated[
        str | None, Meta(description="File of CA certificates (PEM) to trust for it instead of the system's.")
    ] = None
    fingerprint: Annotated[
        str,
        Meta(description="SHA-256 (or SHA-1) of the one certificate to trust, in hex; empty: trust the CAs."),
    ] = ""
    encoding: Annotated[
        str | None, Meta(description="Charset of lines from it that are not UTF-8, e.g. cp1251.")
    ] = None
    outgoing_bind: Annotated[str | None, Meta(description="Source IP address of connections to it.")] = None
    webirc_password: Annotated[
        Secret | None, Meta(description="Password of the WEBIRC block that this server gives the gateway.")
    ] = None
    throttle_burst: Annotated[
        Burst | None, Meta(description="Lines sent at once before pacing begins; -1: no pacing.")
    ] = None
    throttle_rate: Annotated[
        Rate | None, Meta(description="Pace of further lines.", extra={"unit": "lines per second"})
    ] = None
    connect_rate: Annotated[Rate | None, Meta(description="New connections to it per second.")] = None
    connect_burst: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="New connections to it at once.")
    ] = None


class IrcConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An IRC gateway; everything has a default."""

    fixed_server: Annotated[
        str,
        Meta(
            max_length=255,
            description="Serve this one server only: addresses are #channel@gateway and nick@gateway. "
            "Empty: any server, as #channel%server@gateway.",
            extra={
                "restart": True,
                "ask": "The one IRC server to serve (nothing: users choose any)",
            },
        ),
    ] = ""
    brand: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            description='Name in service lists, CTCP VERSION and WEBIRC ("biboumi" for a drop-in).',
        ),
    ] = "xmppbridge"
    servers: Annotated[
        dict[str, ServerConfig], Meta(description="Particulars of servers, by the name used in addresses.")
    ] = {}
    allowed_servers: Annotated[
        tuple[str, ...],
        Meta(description="Servers that users may connect to, with * and ? as wildcards; empty: every one."),
    ] = ()
    denied_servers: Annotated[
        tuple[str, ...],
        Meta(description="Servers that users may not connect to, with wildcards; wins over allowed."),
    ] = ()
    allow_addresses: Annotated[
        bool, Meta(description="Whether users may set the address and ports of a server in their settings.")
    ] = True
    tls_ports: Annotated[
        tuple[Port, ...], Meta(description="Ports to try with TLS, in order, before the plain ones.")
    ] = DEFAULT_TLS_PORTS
    ports: Annotated[
        tuple[Port, ...],
        Meta(
            description="Ports to try without TLS, in order; none by default: "
            "there is no silent fall-back to plain text."
        ),
    ] = ()
    verify: Annotated[bool, Meta(description="Whether servers' certificates must be valid for the host.")] = (
        True
    )
    ca_file: Annotated[str, Meta(description="File of CA certificates (PEM); empty: the system's.")] = ""
    outgoing_bind: Annotated[str, Meta(description="Source IP address of connections; empty: any.")] = ""
    identd_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="Port of the RFC 1413 responder (113, or one redirected to); 0: none.",
            extra={"restart": True},
        ),
    ] = 0
    realname_customization: Annotated[
        bool, Meta(description="Whether users may choose their user name and real name.")
    ] = True
    realname_from_jid: Annotated[
        bool,
        Meta(description="Whether user name and real name default to the JID's local part and the bare JID."),
    ] = False
    persistent_by_default: Annotated[
        bool,
        Meta(
            description="Whether users stay in channels without any XMPP client, unless they say otherwise."
        ),
    ] = False
    record_history: Annotated[
        bool, Meta(description="Whether channel messages are archived, unless the user says otherwise.")
    ] = True
    max_history: Annotated[
        int,
        Meta(ge=0, le=1000, description="Messages of history on joining, unless the user says otherwise."),
    ] = 20
    encoding: Annotated[str, Meta(description="Charset of lines that are not UTF-8.")] = "cp1252"
    throttle_burst: Annotated[
        Burst, Meta(description="Lines sent to a server at once before pacing begins; -1: no pacing.")
    ] = 10
    throttle_rate: Annotated[
        Rate, Meta(description="Pace of further lines.", extra={"unit": "lines per second"})
    ] = 1.0
    connect_rate: Annotated[
        Rate, Meta(description="New connections to one server per second, so that it does not ban us.")
    ] = DEFAULT_CONNECT_RATE
    connect_burst: Annotated[int, Meta(ge=1, description="New connections to one server at once.")] = (
        DEFAULT_CONNECT_BURST
    )
    patience: Annotated[
        float,
        Meta(
            ge=0,
            description="How long a lost server is tried again before its users are put out of its rooms.",
            extra={"unit": "seconds"},
        ),
    ] = 3600.0
    max_servers: Annotated[int, Meta(ge=1, description="Servers that one user may be connected to.")] = 20
    max_channels: Annotated[int, Meta(ge=1, description="Channels that one user may be in, per server.")] = (
        200
    )
    max_connections: Annotated[int, Meta(ge=1, description="Connections of all users together.")] = 50_000
