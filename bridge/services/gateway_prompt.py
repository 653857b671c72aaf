"""From a foreign address to a JID (XEP-0100 §6.3, jabber:iq:gateway)."""

from __future__ import annotations

from bridge.errors import BridgeError, Trouble
from bridge.network import Network
from bridge.router import Request, Route, Target, iq_get, iq_set
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid, JidError, escape
from bridge.xmpp.payloads.gateway import NS_GATEWAY, build_jid, build_prompt, parse_prompt


class GatewayPrompt:
    """Helps clients that know no XEP-0106 to address people and rooms."""

    def __init__(self, domain: str, network: Network) -> None:
        self._domain = domain
        self._network = network

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [
            iq_get(NS_GATEWAY, "query", self.prompt, Target.GATEWAY),
            iq_set(NS_GATEWAY, "query", self.jid, Target.GATEWAY),
        ]

    def prompt(self, _request: Request) -> Element:
        """What to ask the user."""
        name = self._network.identity.name
        return build_prompt(
            f"Please enter the address on {name} of the room or person to contact.", "Address"
        )

    def jid(self, request: Request) -> Element:
        """The JID of what the user entered; NOT_ACCEPTABLE if it is no address."""
        written = parse_prompt(request.payload).removesuffix(f"@{self._domain}")
        try:
            local = self._network.meant(written)
            self._network.address(local)
            return build_jid(str(Jid.parse(f"{escape(local)}@{self._domain}")))
        except (BridgeError, JidError):
            raise BridgeError(Trouble.NOT_ACCEPTABLE, "This is no address.") from None
