"""The options of the server-to-server side: federation, and hosting components."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from bridge.config.values import RESTART, Domain, DomainPattern, Endpoint, FilePath, ServerAddress
from bridge.secret import Secret

Authentication = Literal["certificate", "dialback"]
Encryption = Literal["required", "optional", "never"]


class PeerConfig(Struct, frozen=True, kw_only=True):
    """One server, or those below a domain; what is left out is as for all."""

    authentication: Annotated[
        Authentication | None, Meta(description="As for all servers.", examples=["certificate"])
    ] = None
    encryption: Annotated[
        Encryption | None, Meta(description="As for all servers.", examples=["optional"])
    ] = None
    servers: Annotated[
        tuple[ServerAddress, ...],
        Meta(
            description="Where it is, instead of what DNS says: host, host:port, or xmpps://host:port for "
            "direct TLS.",
            examples=[["xmpps://[2001:db8::1]:5270", "xmpp.example.net:5269"]],
        ),
    ] = ()


class CertificateConfig(Struct, frozen=True, kw_only=True):
    """One certificate; its files are read again on SIGHUP."""

    certificate: Annotated[
        FilePath,
        Meta(
            description="File of the certificate and its chain (PEM).",
            examples=["/etc/letsencrypt/live/irc.example.org/fullchain.pem"],
        ),
    ]
    key: Annotated[
        FilePath,
        Meta(
            description="File of its private key (PEM); empty: it is in the same one.",
            examples=["/etc/letsencrypt/live/irc.example.org/privkey.pem"],
        ),
    ] = FilePath()


class FederationLimits(Struct, frozen=True, kw_only=True):
    """Bounds on what other servers may take."""

    stanza_bytes: Annotated[
        int,
        Meta(ge=10_000, description="Longest stanza that is accepted.", extra={"unit": "bytes", **RESTART}),
    ] = 524_288
    connections_per_address: Annotated[
        int, Meta(ge=1, description="Connections that one IP address, or IPv6 network of 64 bits, may have.")
    ] = 50
    connections_per_domain: Annotated[
        int,
        Meta(
            ge=1,
            description="Connections that one server may have opened, once it has proved who it is; for one "
            "more, that which has been silent the longest is closed.",
        ),
    ] = 20
    unauthenticated_connections: Annotated[
        int, Meta(ge=1, description="Connections of servers that have not proved who they are, all together.")
    ] = 5000
    unauthenticated_seconds: Annotated[
        float,
        Meta(
            ge=1,
            description="How long a server has, once connected, to prove who it is.",
            extra={"unit": "seconds"},
        ),
    ] = 25.0
    bytes_per_second: Annotated[
        float, Meta(gt=0, description="What is read from one domain, averaged; above it, reading waits.")
    ] = 10_000_000.0
    stanzas_per_second: Annotated[
        float, Meta(gt=0, description="Stanzas read from one domain, averaged; above it, reading waits.")
    ] = 50_000.0
    queue_bytes: Annotated[
        int,
        Meta(
            ge=10_000,
            description="What waits from one domain for another that is not connected yet; an error answers "
            "stanzas above it.",
            extra={"unit": "bytes"},
        ),
    ] = 1_048_576
    backlog_bytes: Annotated[
        int,
        Meta(
            ge=10_000,
            description="What one connection may have unsent or unacknowledged; more waits, as above.",
            extra={"unit": "bytes"},
        ),
    ] = 8_388_608
    idle_seconds: Annotated[
        float,
        Meta(
            ge=10,
            description="How long a connection may be unused before it is closed.",
            extra={"unit": "seconds"},
        ),
    ] = 900.0


class FederationConfig(Struct, frozen=True, kw_only=True):
    """The bridge as a server among servers (RFC 6120): federated gateways and hosted components."""

    listen: Annotated[
        tuple[Endpoint, ...],
        Meta(
            description="Addresses and ports to listen on; each takes STARTTLS and direct TLS (XEP-0368). "
            '"[::]" is every address, of IPv4 too. Empty: other servers cannot connect.',
            extra=RESTART,
        ),
    ] = (Endpoint("[::]:5269"),)
    authentication: Annotated[
        Authentication,
        Meta(
            description="How servers prove who they are: certificate: by a valid one only; dialback: by that "
            "or else by an answer from where DNS says they are (XEP-0220).",
        ),
    ] = "dialback"
    encryption: Annotated[
        Encryption,
        Meta(description="Whether connections are encrypted; optional: if the server can, never: for tests."),
    ] = "required"
    allow: Annotated[
        tuple[DomainPattern, ...],
        Meta(
            description="Servers that are spoken with: example.org, *.example.org (those below it) or "
            '"*" (all).',
            examples=[["example.org"]],
        ),
    ] = (DomainPattern("*"),)
    deny: Annotated[
        tuple[DomainPattern, ...],
        Meta(description="Servers that are not; wins over allow.", examples=[["*.spam.example"]]),
    ] = ()
    certificate_directory: Annotated[
        FilePath,
        Meta(
            description="Folder with certificates named like their domains, or parents of those: "
            "DOMAIN.crt with DOMAIN.key, DOMAIN.pem with both, or DOMAIN/fullchain.pem with "
            "DOMAIN/privkey.pem. Relative to this file; read again on SIGHUP.",
            examples=["/etc/letsencrypt/live"],
        ),
    ] = FilePath()
    ca_file: Annotated[
        FilePath,
        Meta(description="File of CA certificates (PEM) to trust; empty: the system's."),
    ] = FilePath()
    nameservers: Annotated[
        tuple[Endpoint, ...],
        Meta(
            description="DNS resolvers to ask; empty: those of /etc/resolv.conf.",
            examples=[["127.0.0.1:53", "[::1]:53"]],
            extra=RESTART,
        ),
    ] = ()
    dnssec: Annotated[
        bool,
        Meta(
            description="Whether a resolver on this host is believed that an answer is signed; then DANE "
            "(RFC 7673) counts as a valid certificate.",
            extra=RESTART,
        ),
    ] = True
    posh: Annotated[
        bool,
        Meta(
            description="Whether a certificate may be vouched for over HTTPS (POSH, RFC 7711).",
            extra=RESTART,
        ),
    ] = True
    dialback_secret: Annotated[
        Secret | None,
        Meta(
            description="What dialback keys are made of; give all servers of one domain the same. Default: "
            "a random one at each start.",
            examples=[{"credential": "dialback-secret"}],
            extra=RESTART,
        ),
    ] = None
    limits: FederationLimits = FederationLimits()
    certificates: Annotated[
        dict[DomainPattern, CertificateConfig],
        Meta(
            description="Certificates by the domains that they are for: example.org, *.example.org or "
            '"*"; what is not here is looked for in certificate_directory.',
            examples=["irc.example.org"],
        ),
    ] = {}
    peers: Annotated[
        dict[DomainPattern, PeerConfig],
        Meta(
            description="Particulars of servers, by example.org or *.example.org; the nearest counts.",
            examples=["example.net"],
        ),
    ] = {}


class HostedComponentConfig(Struct, frozen=True, kw_only=True):
    """One component that may connect."""

    secret: Annotated[
        Secret,
        Meta(
            description="The secret that the component is given too, a string or a place like any secret.",
            examples=[{"credential": "component-secret"}],
        ),
    ]
    second_connection: Annotated[
        Literal["refuse", "replace"],
        Meta(description="What becomes of a second connection: refused, or it takes the first one's place."),
    ] = "refuse"


class HostingConfig(Struct, frozen=True, kw_only=True):
    """The bridge as the server of other components (XEP-0114)."""

    listen: Annotated[
        tuple[Endpoint, ...],
        Meta(
            description="Addresses and ports for components; the protocol is not encrypted.",
            extra=RESTART,
        ),
    ] = (Endpoint("127.0.0.1:5347"),)
    domains: Annotated[
        dict[Domain, HostedComponentConfig],
        Meta(
            min_length=1,
            description="The components, by domain.",
            examples=["telegram.example.org"],
        ),
    ]
