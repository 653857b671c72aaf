"""Every option of the configuration file, once: type, default, bounds, unit, words.

The loader, the sample file and the list of what SIGHUP cannot change are derived from here. In
`Meta.extra`, "unit" is the unit of a number, "form" says what a string with a pattern looks like,
"restart" marks what only a restart changes, and "usual" an optional table that the sample shows in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bridge.config.federation import FederationConfig, HostingConfig
from bridge.config.values import RESTART, BareJid, Domain, DomainPattern, JidPattern
from bridge.config.web import WebConfig
from bridge.secret import Secret


class StoreConfig(Struct, frozen=True, kw_only=True):
    """Where the bridge keeps settings, subscriptions and the archive of rooms."""

    url: Annotated[
        Secret | None,
        Meta(
            description="A path, sqlite:///path or postgresql://user:password@host/name; as a whole it may "
            "come from a file, the environment or a credential, like any secret. A relative path is relative "
            "to this file. Default: xmppbridge.sqlite in $STATE_DIRECTORY (systemd sets it), else in "
            "/var/lib/xmppbridge.",
            examples=["/var/lib/xmppbridge/xmppbridge.sqlite"],
            extra=RESTART,
        ),
    ] = None
    commit_interval: Annotated[
        float,
        Meta(
            ge=0.001,
            le=10,
            description="How long changes are gathered before they are committed together.",
            extra={"unit": "seconds", **RESTART},
        ),
    ] = 0.1
    durability: Annotated[
        Literal["process", "power"],
        Meta(
            description="What a commit survives: the death of the process, or a power cut as well (slower).",
            extra=RESTART,
        ),
    ] = "process"
    archive_days: Annotated[
        int,
        Meta(
            ge=0,
            le=36500,
            description="How long archived room messages are kept; 0 keeps them for ever.",
            extra={"unit": "days"},
        ),
    ] = 0


Level = Literal["debug", "info", "warn", "error", "critical"]


class LogConfig(Struct, frozen=True, kw_only=True):
    """What is logged, and how. Message bodies and secrets are not, at any level."""

    level: Annotated[Level, Meta(description="The least severe events that are logged.")] = "info"
    levels: Annotated[
        dict[str, Level],
        Meta(
            description="Other levels for parts of the program, by its namespace.",
            examples=[{"bridge.federation": "debug"}],
        ),
    ] = {}
    format: Annotated[
        Literal["auto", "text", "journal", "json"],
        Meta(
            description="text: with time; journal: with a priority like <6>, for systemd; json: one object "
            "a line; auto: journal if the output goes to the journal, else text.",
            extra=RESTART,
        ),
    ] = "auto"
    file: Annotated[
        str,
        Meta(
            description="Log file, opened again on SIGHUP; empty: standard error, and twistd.log when "
            "daemonised.",
            extra=RESTART,
        ),
    ] = ""


class LimitsConfig(Struct, frozen=True, kw_only=True):
    """Bounds on what users may take; the network's own are in its table."""

    stanzas_per_second: Annotated[
        float,
        Meta(
            gt=0,
            description="Messages and requests of one user that are served, averaged; an error answers "
            "those above it.",
        ),
    ] = 1000.0
    stanza_burst: Annotated[
        int, Meta(ge=1, description="Messages and requests of one user served before that rate counts.")
    ] = 5000


Uri = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:\S+$", extra={"form": "a URI, like mailto:admin@example.org"}),
]


class ContactsConfig(Struct, frozen=True, kw_only=True):
    """Whom users can turn to (XEP-0157): addresses as URIs, like mailto: or xmpp:."""

    abuse: Annotated[
        tuple[Uri, ...],
        Meta(description="For reports of abuse.", examples=[["mailto:abuse@example.org"]]),
    ] = ()
    admin: Annotated[
        tuple[Uri, ...],
        Meta(description="The administrators.", examples=[["xmpp:admin@example.org"]]),
    ] = ()
    feedback: Annotated[tuple[Uri, ...], Meta(description="For feedback.")] = ()
    security: Annotated[tuple[Uri, ...], Meta(description="For reports of security issues.")] = ()
    status: Annotated[tuple[Uri, ...], Meta(description="Where the service's status is told.")] = ()
    support: Annotated[
        tuple[Uri, ...],
        Meta(description="For help.", examples=[["xmpp:support@muc.example.org?join"]]),
    ] = ()


class ComponentConfig(Struct, frozen=True, kw_only=True):
    """The XMPP server that the gateway is a component of (XEP-0114)."""

    host: Annotated[str, Meta(min_length=1, description="Host name or IP address.", extra=RESTART)] = (
        "127.0.0.1"
    )
    port: Annotated[
        int,
        Meta(
            ge=1,
            le=65535,
            description="Its component port: 5347 is Prosody's default, ejabberd's is what `listen` says.",
            extra=RESTART,
        ),
    ] = 5347
    secret: Annotated[
        Secret,
        Meta(
            description="The secret shared with the XMPP server: a string, or { file = … }, { env = … } or "
            "{ credential = … } for a file, an environment variable or a systemd credential.",
            examples=[{"credential": "component-secret"}],
            extra=RESTART,
        ),
    ]
    serves: Annotated[
        tuple[DomainPattern, ...],
        Meta(
            description="Domains reached through this server though the gateway is federated; empty: the "
            "one that the gateway's domain is below, and all below that.",
            examples=[["example.org", "*.example.org"]],
            extra=RESTART,
        ),
    ] = ()


class GatewayConfig(Struct, frozen=True, kw_only=True):
    """One gateway: a domain behind which a network lies.

    `options` is the network's own struct, in TOML the table named like the network.
    """

    network: Annotated[str, Meta(description="The kind of network.", examples=["irc"], extra=RESTART)]
    name: Annotated[
        str,
        Meta(description="Its name in service discovery; empty: the network's own.", extra=RESTART),
    ] = ""
    federated: Annotated[
        bool,
        Meta(
            description="Whether other servers reach it directly, by the table federation, and not only "
            "through the server that it is a component of.",
            extra=RESTART,
        ),
    ] = False
    component: Annotated[
        ComponentConfig | None,
        Meta(description="Without this table a gateway must be federated.", extra={"usual": True}),
    ] = None
    options: Any


class Config(Struct, frozen=True, kw_only=True):
    """The whole configuration."""

    admins: Annotated[
        tuple[BareJid, ...],
        Meta(
            description="Who may execute administrators' commands; always served, whatever the rules below.",
            examples=[["admin@example.org"]],
        ),
    ] = ()
    allow: Annotated[
        tuple[JidPattern, ...],
        Meta(
            description="Whom the gateways serve: user@example.org, example.org (its users), *.example.org "
            '(those of its subdomains) or "*" (everyone who reaches them, also from other servers if yours '
            "federates).",
            examples=[["example.org"]],
        ),
    ] = (JidPattern("*"),)
    deny: Annotated[
        tuple[JidPattern, ...],
        Meta(
            description="Whom they do not serve; wins over allow.",
            examples=[["spam.example", "bot@example.org"]],
        ),
    ] = ()
    store: StoreConfig = StoreConfig()
    log: LogConfig = LogConfig()
    limits: LimitsConfig = LimitsConfig()
    contacts: ContactsConfig = ContactsConfig()
    federation: Annotated[
        FederationConfig | None,
        Meta(description="Without this table, the XMPP servers of components are the only way out and in."),
    ] = None
    components: Annotated[
        HostingConfig | None, Meta(description="Without this table, no components are accepted.")
    ] = None
    web: Annotated[
        WebConfig | None,
        Meta(description="Without this table, files do not go through the gateways: they are only named."),
    ] = None
    gateways: Annotated[
        Mapping[Domain, GatewayConfig],
        Meta(
            description="The gateways, by domain. There may be none if components are hosted.",
            examples=["irc.example.org"],
        ),
    ] = {}
