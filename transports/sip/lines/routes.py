"""Which way a message or call goes, and who may go there: trunks by number and domain, or open federation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, UserId
from transports.sip.address import contact_uri, digits_of, is_extension, is_number
from transports.sip.config import SipConfig, TrunkConfig
from transports.sip.lines.dialplan import CallerIds, DialPlan, fits, is_among
from transports.sip.lines.location import Location, parse_location
from transports.sip.wire.uri import Uri

EMERGENCY = "Emergency numbers cannot be reached here. Please use a telephone."
BARRED = "The operator does not let anybody call numbers of this kind."
NO_WAY = "There is no way from here to this number."
NOT_YOURS = "You may not use the way to this address."
NO_FEDERATION = "There is no way from here to that SIP domain."


class Trunk(Struct, frozen=True, kw_only=True):
    """A trunk as it was configured, read; or a user's own account, whose `contact` is in our Contact."""

    name: str
    config: TrunkConfig
    server: Location
    domain: str
    proxies: tuple[Location, ...] = ()
    contact: str = ""
    outgoing: DialPlan = DialPlan(())
    incoming: DialPlan = DialPlan(())
    caller_ids: CallerIds = CallerIds(())

    @property
    def is_personal(self) -> bool:
        """Tell whether a user registered it himself."""
        return bool(self.contact)

    @property
    def logs_in(self) -> bool:
        """Tell whether it has to prove a password with us; its address proves nothing then."""
        return bool(self.config.inbound_username)

    @property
    def contact_user(self) -> str:
        """The user part of our Contact there."""
        return self.contact or self.config.username

    @property
    def account(self) -> Uri:
        """The address of our account there (its address of record)."""
        return Uri(scheme="sip", user=self.config.username, host=self.domain)

    def serves(self, user: UserId) -> bool:
        """Tell whether an XMPP user may use it, and be written to from there."""
        if self.config.owner:
            return user == self.config.owner
        return is_among(user, self.config.users)

    def carries_number(self, number: str) -> bool:
        """Tell whether a number goes this way."""
        return any(fits(one, number) for one in self.config.numbers)

    def carries_domain(self, domain: str) -> bool:
        """Tell whether a SIP domain is reached this way."""
        return domain == self.domain or domain in self.config.domains


class Route(Struct, frozen=True, kw_only=True):
    """Where a contact is: his URI, and the trunk that leads there, None for whoever his domain names."""

    uri: Uri
    trunk: Trunk | None


def read_trunks(config: SipConfig) -> dict[str, Trunk]:
    """Read the trunks."""
    read = {}
    for name, one in config.trunks.items():
        server = parse_location(one.server) if one.server else Location(Uri(scheme="sip"))
        read[name] = Trunk(
            name=name,
            config=one,
            server=server,
            domain=one.domain.lower() or server.uri.host,
            proxies=tuple(parse_location(proxy) for proxy in one.outbound_proxies),
            outgoing=DialPlan(one.dial),
            incoming=DialPlan(one.callers),
            caller_ids=CallerIds(one.caller_ids),
        )
    return read


class Routes:
    """See the module's docstring; `apply` takes over what can change while it runs.

    `trunks` are the operator's, by their names; users' own accounts go first.
    """

    def __init__(self, config: SipConfig, trunks: Mapping[str, Trunk]) -> None:
        self.trunks = trunks
        self._accounts: dict[UserId, Trunk] = {}
        self._personal: dict[str, Trunk] = {}
        self.apply(config)

    def apply(self, config: SipConfig) -> None:
        """Take over the rules of `config`, but for its trunks."""
        self._is_open = config.federation
        self._emergency = frozenset(config.emergency)
        self._barred = config.barred
        self._plan = DialPlan(config.dial_plan)

    @property
    def is_open(self) -> bool:
        """Tell whether strangers may write to users, and users to them."""
        return self._is_open

    def adopt(self, user: UserId, trunk: Trunk) -> None:
        """Have a user's own account lead where he goes."""
        self._accounts[user] = self._personal[trunk.name] = trunk

    def disown(self, user: UserId) -> Trunk | None:
        """Take it away; return it."""
        trunk = self._accounts.pop(user, None)
        return None if trunk is None else self._personal.pop(trunk.name)

    def account(self, user: UserId) -> Trunk | None:
        """Return a user's own account."""
        return self._accounts.get(user)

    def named(self, names: Iterable[str]) -> list[Trunk]:
        """Return the trunks and accounts of these names."""
        found = (self.trunks.get(name) or self._personal.get(name) for name in names)
        return [trunk for trunk in found if trunk is not None]

    def has_number(self, uri: Uri, number: str) -> bool:
        """Tell whether digits of a URI are a number that a trunk carries, for which the URI is its own."""
        return any(
            one.carries_domain(uri.host) and one.carries_number(number) for one in self.trunks.values()
        )

    def route(self, user: UserId, contact: ContactId) -> Route:
        """Return the way of a user to a contact. Raises BridgeError: NOT_ALLOWED, JID_MALFORMED.

        A number is one also at a trunk's domain: what leads out of a PBX needs to be allowed as such.
        """
        if is_number(contact):
            return self._to_number(user, contact)
        uri = contact_uri(contact)
        own, number = self._accounts.get(user), digits_of(contact)
        if own is not None and own.carries_domain(uri.host):
            self._dialled(number)
            return Route(uri=uri, trunk=own)
        leading = [trunk for trunk in self.trunks.values() if trunk.carries_domain(uri.host)]
        trunk = _usable(user, leading)
        if trunk is not None and number and not is_extension(number):
            return self._to_number(user, number)
        if trunk is not None:
            self._dialled(number)
            return Route(uri=uri, trunk=trunk)
        if leading:
            raise BridgeError(Trouble.NOT_ALLOWED, NOT_YOURS)
        if not self._is_open:
            raise BridgeError(Trouble.NOT_ALLOWED, NO_FEDERATION)
        return Route(uri=uri, trunk=None)

    def _dialled(self, number: str) -> str:
        """Return the number that is meant, if anybody may call it. Raises BridgeError NOT_ALLOWED."""
        dialled = self._plan.apply(number)
        if not self._emergency.isdisjoint((number, dialled)):
            raise BridgeError(Trouble.NOT_ALLOWED, EMERGENCY)
        if any(fits(one, dialled) for one in self._barred):
            raise BridgeError(Trouble.NOT_ALLOWED, BARRED)
        return dialled

    def _to_number(self, user: UserId, number: str) -> Route:
        dialled = self._dialled(number)
        leading = [trunk for trunk in self.trunks.values() if trunk.carries_number(dialled)]
        trunk = self._accounts.get(user) or _usable(user, leading)
        if trunk is None:
            raise BridgeError(Trouble.NOT_ALLOWED, NOT_YOURS if leading else NO_WAY)
        there = trunk.outgoing.apply(dialled)
        if there in self._emergency:
            raise BridgeError(Trouble.NOT_ALLOWED, EMERGENCY)
        uri = Uri(scheme="sip", user=there, host=trunk.domain, params={"user": "phone"})
        return Route(uri=uri, trunk=trunk)


def _usable(user: UserId, trunks: Iterable[Trunk]) -> Trunk | None:
    return next((trunk for trunk in trunks if trunk.serves(user)), None)
