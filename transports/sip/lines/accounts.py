"""Users' own SIP accounts: registered by ad-hoc commands, kept encrypted, and in force like a trunk of one.

What comes for an account reaches its owner, and what he does goes through it. Its server is one that the user
chose: it is trusted with his affairs only, and with no address that strangers could not be reached at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bridge.errors import BridgeError, Trouble
from bridge.events import ServerId, ServerNotice, UserId
from bridge.forms import Ask, Command, CommandContext, Done, Field, FieldType, Form, Note
from bridge.secret import Secret
from transports.sip.address import contact_uri, parse_contact
from transports.sip.common import Common
from transports.sip.config import SipConfig, TrunkConfig
from transports.sip.lines.dialplan import is_among
from transports.sip.lines.line import Line
from transports.sip.lines.lines import Lines
from transports.sip.lines.location import parse_location
from transports.sip.lines.routes import Routes, Trunk
from transports.sip.lines.vault import Vault
from transports.sip.wire.uri import Malformed, Uri

KEY = "sip-account"
"""Under what name the store keeps an account of its owner."""
ACCOUNTS = 10_000
"""Accounts at a time."""
PACE = 0.02
"""Seconds between two registrations that begin after a start."""
PATIENCE = 25.0
"""Seconds that a user waits for his first registration."""

FORBIDDEN = "The operator does not let you use a SIP account of yours here."
FULL = "There are too many SIP accounts here."
NONE = "You have no SIP account here."
BAD_ADDRESS = "The address has to look like user@example.org."
BAD_SERVER = "The server has to look like sip:proxy.example.org or wss://proxy.example.org/ws, or be empty."
NO_PASSWORD = "Please enter the password."
SILENT = "The SIP server did not answer; nothing was changed."
LOCKED = "Your SIP account cannot be read any more. Please enter it again."


class Account(Struct, frozen=True, kw_only=True):
    """What a user told of his account; `server` is "" where it is at the domain of its address."""

    address: str
    server: str
    password: str


class Accounts:
    """See the module's docstring. `vault` is None where the operator gave no secret: then there are none."""

    log = Logger()

    def __init__(
        self,
        config: SipConfig,
        common: Common,
        lines: Lines,
        routes: Routes,
        vault: Vault | None,
    ) -> None:
        self._uplink, self._lines, self._routes = common.uplink, lines, routes
        self._clock, self._token, self._vault = common.clock, common.token, vault
        self._users: dict[UserId, Account] = {}
        self._trying: dict[str, Deferred[Line]] = {}
        self.apply(config)

    def apply(self, config: SipConfig) -> None:
        """Take over who may have an account, and where."""
        self._who, self._where = config.account_users, config.account_domains
        for user in list(self._users):
            if not self._may(user, self._users[user]):
                self._drop(user)

    def start(self) -> None:
        """Register what the store has."""
        if self._vault is None:
            return
        for count, user in enumerate(list(self._uplink.owners())):
            account = self._read(user)
            if account is not None and self._may(user, account):
                trunk = self._trunk(user, account)
                self._users[user] = account
                self._routes.adopt(user, trunk)
                self._clock.callLater(count * PACE, self._begin, user, trunk)

    def _begin(self, user: UserId, trunk: Trunk) -> None:
        if self._routes.account(user) is trunk:
            self._lines.add(trunk).start()

    def _may(self, user: UserId, account: Account) -> bool:
        domain = account.address.rpartition("@")[2]
        return self._vault is not None and is_among(user, self._who) and is_among(domain, self._where)

    def _read(self, user: UserId) -> Account | None:
        """Return what is kept; None if there is nothing, or nothing that can be read."""
        sealed = self._uplink.memory(user).get(KEY)
        if sealed is None or self._vault is None:
            return None
        opened = self._vault.open(user, sealed)
        if opened is None:
            self.log.warn("the account of {user} was kept under another account_key", user=user)
            return None
        return msgspec.json.decode(opened, type=Account)

    def _trunk(self, user: UserId, account: Account) -> Trunk:
        """Make the trunk of one user; its Contact is a word that nobody can guess."""
        uri = contact_uri(parse_contact(account.address))
        server = Uri(scheme="sip", host=uri.host, port=uri.port)
        config = TrunkConfig(
            server=account.server or str(server),
            domain=uri.host,
            username=uri.user,
            password=Secret(account.password),
            register=True,
            owner=user,
            numbers=("*",),
        )
        contact = self._token()
        return Trunk(
            name=f"account {contact}",
            config=config,
            server=parse_location(config.server),
            domain=uri.host,
            contact=contact,
        )

    # ---- what becomes of them

    def heard(self, line: Line, reason: str) -> None:
        """An account can be used, or no longer."""
        trying = self._trying.pop(line.trunk.name, None)
        if trying is not None and line.is_up:
            trying.callback(line)
        elif trying is not None:
            trying.errback(BridgeError(Trouble.NOT_ACCEPTABLE, reason))
        elif not line.is_up:
            words = f"Your SIP account is not registered at the moment: {reason}"
            notice = ServerNotice(server=ServerId(""), text=words)
            self._uplink.deliver(UserId(line.trunk.config.owner), (notice,))

    def _drop(self, user: UserId) -> None:
        self._users.pop(user, None)
        trunk = self._routes.disown(user)
        if trunk is not None:
            self._lines.drop(trunk.name)

    # ---- commands

    def commands(self) -> Sequence[Command]:
        """Return what users do with their accounts; nothing where the operator allows none."""
        if self._vault is None:
            return ()
        return (
            Command(node="sip-account", name="Register or change your SIP account", begin=self._ask),
            Command(node="sip-account-state", name="Show your SIP account", begin=self._show),
            Command(node="sip-account-remove", name="Remove your SIP account", begin=self._remove),
        )

    def _ask(self, context: CommandContext) -> Ask:
        if not is_among(context.user, self._who):
            raise BridgeError(Trouble.NOT_ALLOWED, FORBIDDEN)
        known = self._users.get(context.user)
        text, private = FieldType.TEXT_SINGLE, FieldType.TEXT_PRIVATE
        address = (known.address,) if known else ()
        server = (known.server,) if known and known.server else ()
        fields = (
            Field(
                var="address", type=text, label="Address (user@example.org)", values=address, required=True
            ),
            Field(var="password", type=private, label="Password", required=known is None),
            Field(var="server", type=text, label="Server (sip:host), if it is elsewhere", values=server),
        )
        form = Form(
            title="Your SIP account",
            instructions="What is for this account will reach you, and what you send, and whom you call, "
            "will go through it.",
            fields=fields,
        )
        return Ask(form=form, proceed=lambda values: self._take(context.user, values))

    def _take(self, user: UserId, values: Mapping[str, Sequence[str]]) -> Deferred[Done]:
        account = self._account(user, values)
        if not self._may(user, account):
            raise BridgeError(Trouble.NOT_ALLOWED, FORBIDDEN)
        if len(self._users) + len(self._trying) >= ACCOUNTS and user not in self._users:
            raise BridgeError(Trouble.OVERLOADED, FULL)
        trunk = self._trunk(user, account)
        line = self._lines.add(trunk)
        trying: Deferred[Line] = Deferred()
        self._trying[trunk.name] = trying
        line.start()
        trying.addTimeout(PATIENCE, self._clock, lambda failure, after: self._silent())
        return trying.addCallbacks(
            lambda _: self._taken(user, account, trunk), lambda failure: self._refused(trunk, failure)
        )

    def _silent(self) -> None:
        raise BridgeError(Trouble.NOT_ACCEPTABLE, SILENT)

    def _account(self, user: UserId, values: Mapping[str, Sequence[str]]) -> Account:
        """Read the form. Raises BridgeError."""

        def value(name: str) -> str:
            return next(iter(values.get(name, ())), "").strip()

        try:
            address = str(parse_contact(value("address").removeprefix("sip:")))
            contact_uri(parse_contact(address))
        except BridgeError:
            raise BridgeError(Trouble.NOT_ACCEPTABLE, BAD_ADDRESS) from None
        try:
            server = value("server")
            if server:
                parse_location(server)
        except Malformed:
            raise BridgeError(Trouble.NOT_ACCEPTABLE, BAD_SERVER) from None
        known = self._users.get(user)
        is_same = known is not None and known.address == address
        password = value("password") or (known.password if known and is_same else "")
        if not password:
            raise BridgeError(Trouble.NOT_ACCEPTABLE, NO_PASSWORD)
        return Account(address=address, server=server, password=password)

    def _taken(self, user: UserId, account: Account, trunk: Trunk) -> Done:
        """It is registered: so it replaces the one before."""
        assert self._vault is not None
        self._drop(user)
        self._users[user] = account
        self._routes.adopt(user, trunk)
        self._uplink.remember(user, KEY, self._vault.seal(user, msgspec.json.encode(account)))
        return Done(note=Note(f"Your account {account.address} is registered."))

    def _refused(self, trunk: Trunk, failure: Any) -> Any:
        self._trying.pop(trunk.name, None)
        self._lines.drop(trunk.name)
        return failure

    def _show(self, context: CommandContext) -> Done:
        trunk = self._routes.account(context.user)
        if trunk is None:
            is_locked = KEY in self._uplink.memory(context.user)
            return Done(note=Note(LOCKED if is_locked else NONE, "warn" if is_locked else "info"))
        is_up = self._lines.is_up(trunk.name)
        state = {True: "registered", False: "not registered", None: "being registered"}[is_up]
        return Done(note=Note(f"Your account {self._users[context.user].address} is {state}."))

    def _remove(self, context: CommandContext) -> Done:
        if context.user not in self._users and KEY not in self._uplink.memory(context.user):
            return Done(note=Note(NONE))
        self._drop(context.user)
        self._uplink.remember(context.user, KEY, None)
        return Done(note=Note("Your SIP account is removed."))
