"""All calls of a gateway: what users and peers want, and to which call it belongs.

Each is bounded by a timer of its own; how many there may be is checked here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, TypeVar

from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger

from bridge.calls import CallEnd, CallEvent, CallId, CallOffer, CallTransfer, Ending
from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, UserId
from bridge.network import CallQuery
from transports.sip.address import contact_of, digits_of, is_extension, is_number
from transports.sip.agent.routing import Hop, is_nowhere
from transports.sip.agent.user_agent import Answer
from transports.sip.calls.call import GENERIC, Call
from transports.sip.calls.ending import ending_of_trouble, status_of_trouble
from transports.sip.calls.party import Party, Stack
from transports.sip.calls.quotas import SPENT, Quotas
from transports.sip.calls.records import CallLog, CallRecord
from transports.sip.common import Common
from transports.sip.config import SipConfig
from transports.sip.dialogs.transfer import Replaces, refusal_of, replaces_of
from transports.sip.lines.routes import Route, Trunk
from transports.sip.lines.way import Way
from transports.sip.media.backend import MediaBackend
from transports.sip.media.choice import demands_of
from transports.sip.trace import Traces
from transports.sip.wire.message import Request, respond
from transports.sip.wire.uri import Malformed, Uri

TOO_MANY = "Too many calls are made at the moment."
TOO_MANY_YOURS = "You have too many calls."
NO_MEDIA = "This gateway carries no calls."
OF_ONE_STRANGER = 50
"""Calls from one address that is no trunk's."""
RETRY_AFTER = 30
"""Seconds after which a caller may come again, while there are too many calls."""

T = TypeVar("T")


class Calls:
    """See the module's docstring.

    `message` takes what is said in a call; `wall` is the time of day in seconds.
    """

    log = Logger()

    def __init__(
        self,
        config: SipConfig,
        stack: Stack,
        common: Common,
        backend: MediaBackend,
        log: CallLog,
        quotas: Quotas,
        message: Callable[[Request, UserId, ContactId, Answer], None],
        wall: Callable[[], float],
        traces: Traces,
    ) -> None:
        self.stack = stack
        self.way, self._through, self._quotas = common.way, common.through, quotas
        self._cuts: dict[CallId, Any] = {}
        self._uplink, self._backend, self._log = common.uplink, backend, log
        self._message, self._wall, self._traces = message, wall, traces
        self._calls: dict[CallId, Call] = {}
        self._of_user: Counter[UserId] = Counter()
        self._of_trunk: Counter[str] = Counter()
        self._strangers: dict[CallId, tuple[str, UserId]] = {}
        """Calls from no trunk: the addresses that they come from, and whom they are for."""
        self.apply(config)

    def __len__(self) -> int:
        return len(self._calls)

    def apply(self, config: SipConfig) -> None:
        """Take over the limits of `config`."""
        self._most, self._most_of_user = config.max_calls, config.max_calls_per_user
        self._most_of_strangers = config.max_calls_of_strangers

    def stop(self) -> None:
        """End all."""
        for call in list(self._calls.values()):
            call.end(Ending.GONE, "Gateway shutdown")

    def end_of(self, user: UserId, reason: str) -> bool:
        """End all calls of a user; False if there are none."""
        found = [call for call in self._calls.values() if call.user == user]
        for call in found:
            call.end(Ending.GONE, reason)
        return bool(found)

    # ---- users

    def submit(self, user: UserId, event: CallEvent | CallTransfer) -> None:
        """Do what a user wants; of a call that is over, nothing."""
        call = self._calls.get(event.call)
        if isinstance(event, CallOffer):
            if call is None:
                self._traces.event(user, event.contact, event, is_users=True)
                self._place(user, event)
        elif call is not None and call.user == user:
            self._traces.event(user, call.contact, event, is_users=True)
            call.submit(event)

    def _place(self, user: UserId, event: CallOffer) -> None:
        try:
            way = self.way(user, event.contact)
            left = self._quotas.left(user, event.contact, way.trunk)
            host = way.trunk.server.uri.host if way.trunk is not None else way.uri.host
            family = 6 if ":" in host else 4
            is_page = is_nowhere(host)
            call = self._admit(event.call, user, event.contact, way.trunk, False, family, is_page)
        except BridgeError as error:
            end = CallEnd(call=event.call, ending=ending_of_trouble(error), text=error.text)
            self._traces.event(user, event.contact, end, is_users=False)
            self._uplink.deliver(user, (end,))
            return
        self._quotas.begun(user, event.contact, way.trunk)
        if left is not None:
            self._cuts[call.id] = self.stack.means.clock.callLater(left, call.end, Ending.EXPIRED, SPENT)
        call.place(event.description, way)

    def _admit(
        self,
        id: CallId,
        user: UserId,
        contact: ContactId,
        trunk: Trunk | None,
        is_incoming: bool,
        family: int,
        is_page: bool = False,
    ) -> Call:
        """Make a call, with its anchor. Raises BridgeError."""
        self._check_limits(user, trunk)
        call = Call(id, user, contact, trunk, is_incoming, self)
        demands = demands_of(trunk.config if trunk else None, family, is_page=is_page)
        call.anchor = self._backend.anchor(id, demands, call)
        self._calls[id] = call
        self._of_user[user] += 1
        if trunk is not None:
            self._of_trunk[trunk.name] += 1
        return call

    def _check_limits(self, user: UserId, trunk: Trunk | None) -> None:
        is_full = trunk is not None and self._of_trunk[trunk.name] >= trunk.config.max_calls
        if is_full or len(self._calls) >= self._most:
            raise BridgeError(Trouble.OVERLOADED, TOO_MANY)
        if self._of_user[user] >= self._most_of_user:
            raise BridgeError(Trouble.TOO_MANY, TOO_MANY_YOURS)

    def _check_strangers(self, host: str, user: UserId) -> None:
        """They leave room for trunks: of all calls, and of half of the user's."""
        of_host = sum(one == host for one, _ in self._strangers.values())
        if len(self._strangers) >= self._most_of_strangers or of_host >= OF_ONE_STRANGER:
            raise BridgeError(Trouble.OVERLOADED, TOO_MANY)
        if sum(one == user for _, one in self._strangers.values()) >= max(1, self._most_of_user // 2):
            raise BridgeError(Trouble.TOO_MANY, TOO_MANY_YOURS)

    def query(self, user: UserId, query: CallQuery) -> Deferred[None]:
        """Tell whether the user may call somebody; which media there are, the peer's answer will say."""
        try:
            trunk = self.way(user, query.contact).trunk
            self._check_limits(user, trunk)
            self._quotas.left(user, query.contact, trunk)
        except BridgeError as error:
            return fail(error)
        return succeed(None)

    # ---- peers

    def receive(
        self,
        request: Request,
        hop: Hop,
        trunk: Trunk | None,
        user: UserId,
        contact: ContactId,
        nick: str,
        answer: Answer,
    ) -> None:
        """Take an INVITE that its sender may send."""
        self._traces.follow(user, contact, request.call_id)
        way = self._through(user, Route(uri=request.from_.uri, trunk=trunk))
        try:
            replaced = replaces_of(request)
        except Malformed:
            answer(respond(request, 400, self.stack.means.token()))
            return
        if replaced is not None:
            self._replace(request, hop, replaced, trunk, user, way, answer)
            return
        id = CallId(self.stack.means.token())
        try:
            if trunk is None:
                self._check_strangers(hop.host, user)
            call = self._admit(id, user, contact, trunk, True, ip_address(hop.host).version)
        except BridgeError as error:
            status = 486 if error.trouble is Trouble.TOO_MANY else status_of_trouble(error)
            fields = (("Retry-After", str(RETRY_AFTER)),) if status == 503 else ()
            answer(respond(request, status, self.stack.means.token(), fields))
            return
        if trunk is None:
            self._strangers[id] = hop.host, user
        party = Party(self.stack, call.heard, way.contact(hop), way.client, [hop])
        if party.take(request, answer):
            if trunk is None:
                answer(respond(request, 100))  # a user is asked now, so that it is more than a refusal
            call.present(party, nick)
        else:
            call.end(Ending.INCOMPATIBLE)

    def _replace(
        self,
        request: Request,
        hop: Hop,
        replaced: Replaces,
        trunk: Trunk | None,
        user: UserId,
        way: Way,
        answer: Answer,
    ) -> None:
        """Let who may speak for a call's trunk, or from its peer's address, take it over (RFC 3891 §3)."""
        old = self.stack.dialogs.get(replaced.dialog)
        dialogs = {replaced.dialog: old.dialog.state} if old is not None and old.dialog is not None else {}
        status = refusal_of(replaced, dialogs, frozenset())
        call = next((one for one in self._calls.values() if one.party is old), None)
        if status is None and call is not None:
            is_his = call.trunk is trunk and call.user == user
            if not is_his or (trunk is None and old is not None and hop.host != old.hops[0].host):
                status = 403
        if status is not None or call is None:
            answer(respond(request, status or 481, self.stack.means.token()))
            return
        party = Party(self.stack, call.heard, way.contact(hop), way.client, [hop])
        if party.take(request, answer):
            call.transfers.replace(party, GENERIC)

    # ---- calls

    def tell(self, call: Call, event: CallEvent) -> None:
        """Tell a call's user."""
        self._traces.event(call.user, call.contact, event, is_users=False)
        self._uplink.deliver(call.user, (event,))

    def dialled(self, call: Call, call_id: str) -> None:
        """Take note of the Call-ID of an INVITE of ours."""
        self._traces.follow(call.user, call.contact, call_id)

    def way_to(self, call: Call, uri: Uri) -> Way:
        """Return how to go on to where a peer sends us: the user has to be allowed to call that.

        A trunk is left for numbers only: it knows best where its people are. Who is named by the GRUU of one
        of his devices is called there (RFC 5627 §4.5).
        """
        trunk = call.trunk
        try:
            contact = contact_of(uri, lambda number: trunk is not None and trunk.carries_number(number))
        except Malformed:
            raise BridgeError(Trouble.NOT_FOUND) from None
        number = digits_of(contact)
        if number and trunk is not None and not is_extension(number):
            contact = ContactId(number)
        if trunk is None or is_number(contact):
            way = self.way(call.user, contact)
            self._quotas.left(call.user, contact, way.trunk)
            self._quotas.begun(call.user, contact, way.trunk)
            if is_number(contact) or "gr" not in uri.params:
                return way
            device = replace(way.uri, params={**way.uri.params, "gr": uri.params["gr"]})
            return self._through(call.user, Route(uri=device, trunk=way.trunk))
        return self._through(call.user, Route(uri=uri, trunk=trunk))

    def other(self, call: Call, id: CallId) -> Call | None:
        """Return another call of the same user."""
        found = self._calls.get(id)
        return found if found is not None and found is not call and found.user == call.user else None

    def message(self, call: Call, request: Request) -> None:
        """Take what the peer says in a call."""
        if call.party is not None:
            self._message(request, call.user, call.contact, call.party.taken(request))

    def ended(self, call: Call, ending: Ending, text: str) -> None:
        """Forget a call, and write down how it went."""
        del self._calls[call.id]
        self._strangers.pop(call.id, None)
        _drop(self._of_user, call.user)
        if call.trunk is not None:
            _drop(self._of_trunk, call.trunk.name)
        cut = self._cuts.pop(call.id, None)
        if cut is not None and cut.active():
            cut.cancel()
        now = self.stack.means.clock.seconds()
        rang, answered = call.rang_at, call.answered_at
        if answered is not None and not call.is_incoming:
            self._quotas.ended(call.user, call.contact, call.trunk, now - answered)
        self._log.write(
            CallRecord(
                call=call.id,
                direction="from-sip" if call.is_incoming else "to-sip",
                user=call.user,
                contact=call.contact,
                trunk=call.trunk.name if call.trunk is not None else "",
                began=round(self._wall() - (now - call.began), 3),
                rang=None if rang is None else round(rang - call.began, 3),
                answered=None if answered is None else round(answered - call.began, 3),
                lasted=0.0 if answered is None else round(now - answered, 3),
                ending=ending.value,
                text=text,
            )
        )


def _drop(counts: Counter[T], key: T) -> None:
    counts[key] -= 1
    if counts[key] <= 0:
        del counts[key]
