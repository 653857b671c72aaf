"""Ad-hoc commands of an IRC gateway (XEP-0050), in Biboumi's words."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bridge.errors import BridgeError, Trouble
from bridge.events import RoomId, ServerId, UserId
from bridge.forms import Ask, Command, CommandContext, Done, Field, FieldType, Form, Note, Outcome
from bridge.network import Address, GatewayAddress, ServerAddress

if TYPE_CHECKING:
    from transports.irc.network import IrcNetwork

Values = Mapping[str, Sequence[str]]

TITLE = "Disconnect a user from selected IRC servers"
QUIT_MESSAGE = "Killed by admin"


def offered(network: IrcNetwork, address: Address) -> Sequence[Command]:
    """Return the commands that an address has."""
    disconnect = Command(
        node="disconnect-from-irc-server",
        name="Disconnect from the selected IRC servers",
        begin=lambda context: _begin_disconnect(network, context),
    )
    server = address.server if isinstance(address, ServerAddress) else ServerId("")
    info = Command(
        node="get-irc-connection-info",
        name="Returns various information about your connection to this IRC server.",
        begin=lambda context: _connection_info(network, context, server),
    )
    if isinstance(address, GatewayAddress):
        return (disconnect, info) if network.single_server else (disconnect,)
    return (info,) if isinstance(address, ServerAddress) else ()


def _connection_info(network: IrcNetwork, context: CommandContext, server: ServerId) -> Outcome:
    name = network.plan.name(server)
    client = network.client(context.user, server)
    if client is None or not client.is_up or client.connection is None or client.connection.attempt is None:
        return Done(note=Note(f"You are not connected to the IRC server {name}"))
    attempt = client.connection.attempt
    tls = " (using TLS)" if attempt.secure else ""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(client.connected_at))
    seconds = int(network.now - client.connected_at)
    lines = [
        f"Connected to IRC server {name} on port {attempt.port}{tls} since {since} ({seconds} seconds ago)."
    ]
    lines += [_present(network, context.user, room) for room in sorted(client.session.rooms)]
    return Done(note=Note("\n".join(lines)))


def _present(network: IrcNetwork, user: UserId, room: RoomId) -> str:
    """Say which of the user's clients are in a channel, as Biboumi does."""
    resources = [full_jid.partition("/")[2] for full_jid in network.clients_in(user, room)]
    plural = "" if len(resources) == 1 else "s"
    channel = room.rpartition("%")[0] or room
    return f"{channel} from {len(resources)} resource{plural}: {' '.join(resources)} "


def _begin_disconnect(network: IrcNetwork, context: CommandContext) -> Outcome:
    if not context.is_admin:
        return _ask_servers(network, context.user, context.full_jid)
    options = tuple((user, user) for user in sorted(network.users()))
    field = Field(
        var="jid",
        type=FieldType.LIST_SINGLE,
        label="The JID to disconnect",
        options=options,
        required=True,
    )
    form = Form(title=TITLE, instructions="Choose a user JID", fields=(field,))

    def proceed(values: Values) -> Outcome:
        user = UserId(_one(values, "jid") or context.user)
        return _ask_servers(network, user, user)

    return Ask(form=form, proceed=proceed, more=True)


def _ask_servers(network: IrcNetwork, user: UserId, called: str) -> Outcome:
    clients = network.clients_of(user)
    if not clients:
        return Done(note=Note(f"User {called} is not connected to any IRC server."))
    options = tuple((network.plan.name(server), network.plan.name(server)) for server in sorted(clients))
    servers = Field(
        var="irc-servers",
        type=FieldType.LIST_MULTI,
        label="The servers to disconnect from",
        options=options,
        required=True,
    )
    message = Field(
        var="quit-message", type=FieldType.TEXT_SINGLE, label="Quit message", values=(QUIT_MESSAGE,)
    )
    form = Form(
        title=TITLE,
        instructions="Choose one or more servers to disconnect this JID from",
        fields=(servers, message),
    )
    return Ask(form=form, proceed=lambda values: _disconnect(network, user, called, values))


def _disconnect(network: IrcNetwork, user: UserId, called: str, values: Values) -> Outcome:
    wanted = values.get("irc-servers")
    if wanted is None:
        raise BridgeError(Trouble.BAD_REQUEST)
    clients = network.clients_of(user)
    leaving = [client for server, client in clients.items() if network.plan.name(server) in wanted]
    for client in leaving:
        client.quit(_one(values, "quit-message"))
    plural = "s" if len(leaving) > 1 else ""
    return Done(note=Note(f"{called} was disconnected from {len(leaving)} IRC server{plural}."))


def _one(values: Values, var: str) -> str:
    return next(iter(values.get(var, ())), "")
