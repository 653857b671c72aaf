"""What each user sets for himself: in general, for a server, for a channel.

Names and meanings are Biboumi's, so that its users' settings and scripts carry over. In a field's
`Meta`, `title` is the form's label, `description` its help, and ``extra["type"]`` the XEP-0004
field type where the Python type does not tell; ``extra["secret"]`` marks what is never shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from msgspec import Meta, defstruct, field
from msgspec.structs import fields

from bridge.forms import FieldType, Settings
from bridge.network import Scope
from transports.irc.config import IrcConfig, Port

LINE = 400
"""Longest of a user's texts that go into an IRC line, in characters."""

NUMBER = {"lenient": True}
"""Marks numbers that go back to the default when something else is submitted, as Biboumi has it."""
Line = Annotated[str, Meta(max_length=LINE)]


def _secret(title: str, description: str) -> Meta:
    extra = {"type": FieldType.TEXT_PRIVATE.value, "secret": True}
    return Meta(title=title, description=description, max_length=LINE, extra=extra)


class GatewaySettings(Settings, frozen=True, kw_only=True):
    """A user's defaults for everything on the gateway."""

    title: ClassVar[str] = "Configure some global default settings."
    instructions: ClassVar[str] = "Edit the form, to configure your global settings for the component."

    max_history_length: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            extra=NUMBER,
            title="Max history length",
            description="The maximum number of lines in the history that the server sends "
            "when joining a channel",
        ),
    ] = 20
    record_history: Annotated[
        bool,
        Meta(title="Record history", description="Whether to save the messages into the database, or not"),
    ] = True
    persistent: Annotated[
        bool,
        Meta(title="Make all channels persistent", description="If true, all channels will be persistent"),
    ] = False


class ServerSettings(Settings, frozen=True, kw_only=True):
    """A user's settings for one IRC server; empty ones leave it to the gateway."""

    title: ClassVar[str] = "Configure the IRC server {server}"
    instructions: ClassVar[str] = "Edit the form, to configure the settings of the IRC server {server}"

    address: Annotated[
        str,
        Meta(max_length=255, title="Address", description="The address (hostname or IP) to connect to."),
    ] = ""
    ports: Annotated[
        tuple[Port, ...],
        Meta(
            max_length=16,
            title="Ports",
            description="List of ports to try, without TLS. Without any ports here and below, "
            "the gateway chooses.",
        ),
    ] = ()
    tls_ports: Annotated[
        tuple[Port, ...],
        Meta(
            max_length=16,
            title="TLS ports",
            description="List of ports to try, with TLS, before those without. Usual ones: 6697, 6670.",
        ),
    ] = ()
    verify_cert: Annotated[
        bool,
        Meta(
            title="Verify certificate",
            description="Whether or not to abort the connection if the server’s TLS certificate is invalid",
        ),
    ] = True
    fingerprint: Annotated[
        str,
        Meta(
            max_length=128,
            pattern=r"^[0-9A-Fa-f: ]*$",
            title="SHA-256 fingerprint of the TLS certificate to trust.",
            description="If set, exactly this certificate is accepted. SHA-1 is understood too.",
        ),
    ] = ""
    sasl_account: Annotated[
        str,
        Meta(
            max_length=LINE, title="SASL account", description="The account to log in to; empty: your nick."
        ),
    ] = ""
    sasl_password: Annotated[
        str, _secret("SASL Password", "Use it to authenticate with your nick, or the SASL account.")
    ] = ""
    sasl_external: Annotated[
        tuple[Line, ...],
        Meta(
            max_length=500,
            title="Client certificate",
            description="Certificate and private key (PEM) to log in with: SASL EXTERNAL, CertFP.",
            extra={"type": FieldType.TEXT_MULTI.value, "secret": True},
        ),
    ] = ()
    nick: Annotated[
        str,
        Meta(
            max_length=LINE,
            title="Nickname",
            description="If set, will override the nickname provided in the initial presence sent to join "
            "the first server channel",
        ),
    ] = ""
    password: Annotated[str, _secret("Server password", "Will be used in a PASS command when connecting")] = (
        field(default="", name="pass")
    )
    after_connect_commands: Annotated[
        tuple[Line, ...],
        Meta(
            max_length=64,
            title="After-connection IRC commands",
            description="Custom IRC commands sent after the connection is established with the server.",
        ),
    ] = ()
    username: Annotated[
        str, Meta(max_length=LINE, title="Username", description="The part before @ in your IRC address.")
    ] = ""
    realname: Annotated[str, Meta(max_length=LINE, title="Realname", description="Shown by WHOIS.")] = ""
    throttle_limit: Annotated[
        int | None,
        Meta(
            extra=NUMBER,
            title="Throttle limit",
            description="Lines sent at once before pacing begins; -1: no pacing; 0: every line waits.",
        ),
    ] = None
    max_history_length: Annotated[
        int | None,
        Meta(
            extra=NUMBER,
            title="Max history length",
            description="The maximum number of lines in the history on joining.",
        ),
    ] = None
    encoding_out: Annotated[
        str,
        Meta(
            max_length=40,
            title="Out encoding",
            description="The encoding used when sending messages to the IRC server.",
        ),
    ] = ""
    encoding_in: Annotated[
        str,
        Meta(
            max_length=40,
            title="In encoding",
            description="The encoding used to decode message received from the IRC server.",
        ),
    ] = ""


class RoomSettings(Settings, frozen=True, kw_only=True):
    """A user's settings for one channel."""

    title: ClassVar[str] = "Configure the IRC channel {room} on server {server}"
    instructions: ClassVar[str] = "Edit the form, to configure the settings of the IRC channel {room}"

    record_history: Annotated[
        bool | None,
        Meta(
            title="Record history for this channel, overriding the global setting.",
            description="If unset, the value is the one configured globally",
            extra={"type": FieldType.LIST_SINGLE.value},
        ),
    ] = None
    encoding_out: Annotated[
        str,
        Meta(
            max_length=40,
            title="Out encoding",
            description="The encoding used when sending messages to the IRC channel.",
        ),
    ] = ""
    encoding_in: Annotated[
        str,
        Meta(
            max_length=40,
            title="In encoding",
            description="The encoding used to decode message received from the IRC channel.",
        ),
    ] = ""
    persistent: Annotated[
        bool,
        Meta(
            title="Persistent",
            description="If set to true, the gateway stays in when all XMPP clients have left.",
        ),
    ] = False


def settings_types(config: IrcConfig) -> Mapping[Scope, type[Settings]]:
    """Return the settings as this operator offers them: his defaults in, what he denies hidden."""
    gateway = {
        "max_history_length": config.max_history,
        "record_history": config.record_history,
        "persistent": config.persistent_by_default,
    }
    server = {
        "ports": config.ports,
        "tls_ports": config.tls_ports,
        "throttle_limit": config.throttle_burst,
        "max_history_length": config.max_history,
    }
    hidden = {
        *(() if config.allow_addresses else ("address", "ports", "tls_ports")),
        *(("address",) if config.fixed_server else ()),
        *(() if config.realname_customization else ("username", "realname")),
    }
    return {
        Scope.GATEWAY: _with_defaults(GatewaySettings, gateway),
        Scope.SERVER: _hiding(_with_defaults(ServerSettings, server), frozenset(hidden)),
        Scope.ROOM: RoomSettings,
    }


def _with_defaults(base: type[Settings], defaults: Mapping[str, object]) -> type[Settings]:
    rows: list[Any] = [
        (row.name, row.type, defaults[row.name]) for row in fields(base) if row.name in defaults
    ]
    return _derived(base, rows)


def _hiding(base: type[Settings], names: frozenset[str]) -> type[Settings]:
    """XEP-0004 §3.3: a hidden field is not shown, and so keeps its value."""
    if not names:
        return base
    meta = Meta(extra={"type": FieldType.HIDDEN.value})
    rows: list[Any] = [
        (row.name, Annotated[row.type, meta], row.default) for row in fields(base) if row.name in names
    ]
    return _derived(base, rows)


def _derived(base: type[Settings], rows: list[Any]) -> type[Settings]:
    derived = defstruct(base.__name__, rows, bases=(base,), frozen=True, kw_only=True)
    assert issubclass(derived, Settings)
    return derived
