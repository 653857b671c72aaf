"""The commands by which users set their own settings, for the gateway, a server, a room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from bridge.events import ServerId, UserId
from bridge.forms import Ask, Command, CommandContext, Done, Form, Note, Settings
from bridge.network import Address, GatewayAddress, Network, RoomAddress, Scope, ServerAddress
from bridge.settings import UserSettings, build_settings_form, read_settings_form


class Configuration:
    """Offers ``configure`` at each address that has settings."""

    def __init__(self, network: Network, settings: UserSettings) -> None:
        self._network = network
        self._settings = settings

    def commands(self, address: Address) -> Sequence[Command]:
        """Return the commands, where there is a choice; a gateway that stands for its one server has two."""
        offered = {scope for scope, kind in self._network.settings.items() if kind.__struct_fields__}
        rows = [row for row in self._rows(address) if row[2] in offered]
        return [
            Command(node=node, name=name, begin=partial(self._begin, address, scope, key))
            for node, name, scope, key in rows
        ]

    def _rows(self, address: Address) -> list[tuple[str, str, Scope, str]]:
        kind = self._network.identity.type.upper()
        general = "Configure a few settings"
        server = f"{general} for that {kind} server"
        if isinstance(address, RoomAddress):
            return [("configure", f"{general} for that {kind} channel", Scope.ROOM, address.room)]
        if isinstance(address, ServerAddress):
            return [("configure", server, Scope.SERVER, address.server)]
        if isinstance(address, GatewayAddress) and self._network.single_server:
            return [
                ("global-configure", general, Scope.GATEWAY, ""),
                ("server-configure", server, Scope.SERVER, ""),
            ]
        return [("configure", general, Scope.GATEWAY, "")] if isinstance(address, GatewayAddress) else []

    def _begin(self, address: Address, scope: Scope, key: str, context: CommandContext) -> Ask:
        settings = self._settings.settings(context.user, scope, key)
        form = titled_form(self._network, address, settings)
        return Ask(form=form, proceed=partial(self._apply, context.user, scope, key))

    def _apply(self, user: UserId, scope: Scope, key: str, values: Mapping[str, Sequence[str]]) -> Done:
        settings = self._settings.settings(user, scope, key)
        self._settings.save_settings(user, scope, key, read_settings_form(settings, values))
        return Done(note=Note("Configuration successfully applied."))


def titled_form(network: Network, address: Address, settings: Settings) -> Form:
    """Return the form of `settings`, which belong to `address`, with the network's names in its title."""
    server = ServerId("") if isinstance(address, GatewayAddress) else address.server
    return build_settings_form(
        settings,
        name=network.name(address),
        server=network.name(ServerAddress(server)) if server or network.single_server else "",
        room=address.room.removesuffix(f"%{server}") if isinstance(address, RoomAddress) else "",
    )
