"""The commands of administrators: reload the configuration, disconnect users."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred

from bridge.events import UserId
from bridge.forms import Ask, Command, CommandContext, Done, Field, FieldType, Form, Note
from bridge.network import Address, GatewayAddress

OPTION_LIMIT = 1_000
"""How many users a form lists."""


class Administration:
    """Offers them at the gateway.

    `reload` reads the configuration again, and fails with BridgeError if something is wrong in it;
    `users` are those with a link to the network; `disconnect` ends one's links with a reason and
    tells whether there were any.
    """

    def __init__(
        self,
        reload: Callable[[], Deferred[None]],
        users: Callable[[], Sequence[UserId]],
        disconnect: Callable[[UserId, str], bool],
    ) -> None:
        self._reload = reload
        self._users = users
        self._disconnect = disconnect

    def commands(self, address: Address) -> Sequence[Command]:
        """Return the commands."""
        if not isinstance(address, GatewayAddress):
            return ()
        return (
            Command(
                node="disconnect-user",
                name="Disconnect selected users from the gateway",
                begin=self._ask_users,
                admin=True,
            ),
            Command(node="reload", name="Reload the configuration", begin=self._read_again, admin=True),
        )

    def _read_again(self, _context: CommandContext) -> Deferred[Done]:
        return self._reload().addCallback(lambda _: Done(note=Note("Configuration reloaded.")))

    def _ask_users(self, _context: CommandContext) -> Ask:
        users = sorted(self._users())[:OPTION_LIMIT]
        form = Form(
            title="Disconnect a user from the gateway",
            instructions="Choose a user JID",
            fields=(
                Field(
                    var="jids",
                    type=FieldType.LIST_MULTI,
                    label="The JIDs to disconnect",
                    options=tuple((user, user) for user in users),
                    required=True,
                ),
                Field(
                    var="quit-message",
                    type=FieldType.TEXT_SINGLE,
                    label="Quit message",
                    values=("Disconnected by admin",),
                ),
            ),
        )
        return Ask(form=form, proceed=self._disconnect_users)

    def _disconnect_users(self, values: Mapping[str, Sequence[str]]) -> Done:
        reason = next(iter(values.get("quit-message", ())), "")
        chosen = dict.fromkeys(values.get("jids", ()))
        count = sum(self._disconnect(UserId(jid), reason) for jid in chosen)
        if count == 1:
            return Done(note=Note("1 user has been disconnected."))
        return Done(note=Note(f"{count or 'No'} users have been disconnected."))
