"""Requests of others: who may write to whom, and what is answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError
from bridge.events import ContactId, UserId
from transports.sip.address import MAX_NAME, SEPARATORS, contact_of, is_number, user_of
from transports.sip.agent.acceptance import Abilities, inspect
from transports.sip.agent.means import Means
from transports.sip.agent.routing import Hop, is_address, is_nowhere
from transports.sip.agent.user_agent import ALLOW, Answer, option_refused
from transports.sip.calls.calls import Calls
from transports.sip.calls.digits import PLAIN as DTMF
from transports.sip.calls.digits import RELAY
from transports.sip.calls.party import ALLOW as CALLS_ALLOW
from transports.sip.calls.party import EXTENSIONS, METHODS, Stack
from transports.sip.conferences.conferences import Conferences
from transports.sip.conferences.focus import Focus, knows_rooms
from transports.sip.conferences.info import PACKAGE as CONFERENCE
from transports.sip.dialogs.transfer import FRAGMENT
from transports.sip.lines.callerid import source
from transports.sip.lines.logins import Logins
from transports.sip.lines.routes import Routes, Trunk
from transports.sip.messages.content import ACCEPT, COMPOSING, PLAIN
from transports.sip.messages.pager import Pager
from transports.sip.msrp.chats import Chats, is_chat
from transports.sip.presence.people import People
from transports.sip.tables import METHODS as KNOWN_METHODS
from transports.sip.wire.headers import write_list
from transports.sip.wire.message import Fields, Request, respond
from transports.sip.wire.multipart import unpack
from transports.sip.wire.sdp import SDP_TYPE
from transports.sip.wire.uri import Malformed, Uri

ABILITIES = Abilities(
    methods=METHODS,
    extensions=EXTENSIONS,
    content_types=(SDP_TYPE[1], RELAY, DTMF, FRAGMENT, PLAIN, COMPOSING),
    schemes=("sip",),
)
"""What is understood in calls."""
RETRY_AFTER = 10
"""Seconds after which to come again, while we take nothing."""
ELSEWHERE = "Forbidden: From is of another place"
CHECKS = 200
"""Strangers whose domains are looked up at a time; others are put off."""


class Refusal(Exception):
    """A request gets this status."""

    def __init__(self, status: int, reason: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Reception:
    """See the module's docstring. `hosts` are the hosts by which we are named, `domain` is one of them.

    A stranger's From is believed if his address is one where its domain's servers are (RFC 3261 knows no
    proof, and RFC 8224 wants one of telephone numbers only). Who came by a WebSocket may have a name that
    stands for no place, while nobody else has it: he is a visitor, and is reached as long as he is there.
    """

    log = Logger()

    def __init__(
        self,
        means: Means,
        pager: Pager,
        people: People,
        routes: Routes,
        hosts: frozenset[str],
        domain: str,
    ) -> None:
        self._pager, self._people = pager, people
        self._routes, self._guard, self._locator = routes, means.guard, means.locator
        self._transports = means.agent.transports
        self._hosts, self._domain, self._token = hosts, domain, means.token
        self._logins = Logins(routes, means, domain)
        self._checks = 0
        self.dialogs: Stack | None = None
        """Who knows the dialogs of calls and chats; None if there are neither."""
        self.chats: Chats | None = None
        """Who takes chats; None if there are none."""
        self.conferences: Conferences | None = None
        """Who is in conferences of SIP; None if nobody can be."""
        self.focus: Focus | None = None
        """Who has people of SIP in rooms of XMPP; None if nobody can be."""
        self.calls: Calls | None = None
        """Who takes calls; None if there are none."""
        self.is_gruu: Callable[[str, Uri], bool] = lambda trunk, uri: False
        """Tells whether a URI is what the registrar of a trunk made for our account there."""
        self.is_paused = False

    def serve(self, request: Request, hop: Hop, answer: Answer) -> None:
        """Answer a request, now or soon."""

        def failed(failure: Failure) -> None:
            error = failure.value
            if isinstance(error, Refusal):
                answer(respond(request, error.status, self._token(), reason=error.reason))
            else:
                self.log.failure("a request could not be answered", failure)
                answer(respond(request, 500, self._token()))

        Deferred.fromCoroutine(self._serve(request, hop, answer)).addErrback(failed)

    async def _serve(self, request: Request, hop: Hop, answer: Answer) -> None:
        request = unpack(request, ABILITIES.content_types)
        if self._is_settled(request, hop, answer):
            return
        trunks = self._logins.trunks(request, hop)
        if not isinstance(trunks, list):
            answer(respond(request, trunks.status, self._token(), trunks.fields))
            return
        if not trunks and not self._routes.is_open:
            raise Refusal(403)
        if request.method == "OPTIONS":
            self._check_host(request.uri)
            answer(respond(request, 200, self._token(), (*self._allow, *self._accept)))
            return
        if self.is_paused:
            answer(respond(request, 503, self._token(), (("Retry-After", str(RETRY_AFTER)),)))
            return
        trunk, user = self._recipient(request.uri, trunks)
        contact = await self._sender(source(request, trunk).uri, hop, trunk, user)
        if self.conferences is not None and self.conferences.is_one(contact):
            self.conferences.called(request, user, contact, answer)
        elif request.method == "SUBSCRIBE":
            is_stranger = not self._guard.is_trusted(hop.host)
            if self.focus is not None and _event(request) == CONFERENCE:
                self.focus.subscribe(request, hop, user, contact, answer, is_stranger)
                return
            self._people.watched(request, hop, user, contact, answer, is_stranger)
        elif request.method == "INVITE" and self.chats is not None and is_chat(request):
            begin = partial(self.chats.receive, request, hop, trunk, user, contact, answer)
            if self.focus is not None and knows_rooms(request):
                self.focus.receive(request, hop, trunk, user, contact, answer, begin)
            else:
                begin()
        elif request.method == "INVITE" and self.calls is None:
            raise Refusal(488)
        elif request.method == "INVITE" and self.calls is not None:
            nick = source(request, trunk).display[:MAX_NAME]
            self.calls.receive(request, hop, trunk, user, contact, nick, answer)
        else:
            self._pager.receive(request, user, contact, answer)

    def _is_settled(self, request: Request, hop: Hop, answer: Answer) -> bool:
        """Answer what belongs to a call or a subscription, and what nobody here understands."""
        if request.method in ("NOTIFY", "SUBSCRIBE") and not self._is_of_call(request):
            if self._is_refused(request, answer):
                return True
            if request.method == "NOTIFY":
                if self.conferences is not None and _event(request) == CONFERENCE:
                    self.conferences.notified(request, answer)
                else:
                    self._people.notified(request, answer)
                return True
            if request.to.tag:
                self._renew(request, hop, answer)
                return True
        elif self.dialogs is not None and (request.to.tag or request.method == "INVITE"):
            if (unable := inspect(request, ABILITIES)) is not None:
                answer(respond(request, unable.status, self._token(), unable.fields))
                return True
            if request.to.tag:
                self.dialogs.in_dialog(request, hop, answer)
                return True
        elif request.method not in ("MESSAGE", "OPTIONS"):
            answer(respond(request, self._stray_status(request.method), self._token(), self._allow))
            return True
        else:
            if self._is_refused(request, answer):
                return True
            if request.to.tag:
                raise Refusal(481)
        return False

    def _renew(self, request: Request, hop: Hop, answer: Answer) -> None:
        """Take a SUBSCRIBE in a dialog: of a subscription, or of a session with a room (RFC 7702 §6.1)."""
        if _event(request) != CONFERENCE or self.focus is None or self.dialogs is None:
            self._people.renewed(request, hop, answer)
        elif not self.focus.renewed(request, hop, answer):
            self.dialogs.in_dialog(request, hop, answer)

    def _stray_status(self, method: str) -> int:
        """Why a request that no call or subscription waits for is not served (RFC 3261 §8.2.1, §15.1.2)."""
        if self.dialogs is not None and method in METHODS:
            return 481
        return 405 if method in KNOWN_METHODS else 501

    def _is_of_call(self, request: Request) -> bool:
        """What is told of a transfer belongs to its call (RFC 3515 §2.4.4)."""
        return self.dialogs is not None and _event(request) == "refer"

    def _is_refused(self, request: Request, answer: Answer) -> bool:
        refused = option_refused(request)
        if refused is not None:
            answer(respond(request, refused.status, self._token(), refused.fields))
        return refused is not None

    @property
    def _allow(self) -> Fields:
        return ALLOW if self.dialogs is None else CALLS_ALLOW

    @property
    def _accept(self) -> Fields:
        if self.dialogs is None:
            return ACCEPT
        return (("Accept", write_list(ABILITIES.accepted)), ("Supported", write_list(EXTENSIONS)))

    def _check_host(self, uri: Uri) -> None:
        """RFC 7247 §8: nothing that was to be secure all the way leaves SIP."""
        if uri.scheme != "sip":
            raise Refusal(416)
        if uri.host not in self._hosts and not is_address(uri.host):
            raise Refusal(404)

    def _recipient(self, uri: Uri, trunks: list[Trunk]) -> tuple[Trunk | None, UserId]:
        """Return who is meant, and by which trunk he is written to."""
        for trunk in trunks:
            if trunk.config.owner and self.is_gruu(trunk.name, uri):
                return trunk, UserId(trunk.config.owner)
        self._check_host(uri)
        for trunk in trunks:
            if trunk.config.owner and uri.user == trunk.contact_user:
                return trunk, UserId(trunk.config.owner)
            number = trunk.incoming.apply(uri.user.translate(SEPARATORS)) if not trunk.is_personal else ""
            if (called := trunk.caller_ids.user(number)) and trunk.serves(UserId(called)):
                return trunk, UserId(called)
        try:
            user = user_of(uri)
        except Malformed:
            raise Refusal(404) from None
        serving = next((trunk for trunk in trunks if trunk.serves(user) and not trunk.is_personal), None)
        if serving is None and not self._routes.is_open:
            raise Refusal(403)
        return serving, user

    async def _sender(self, uri: Uri, hop: Hop, trunk: Trunk | None, user: UserId) -> ContactId:
        """Return who writes; it is the contact by whom the user reaches him, so that answers find back."""
        if uri.scheme == "sips":
            raise Refusal(416)
        try:
            contact = contact_of(
                uri, lambda number: trunk is not None and trunk.carries_number(trunk.incoming.apply(number))
            )
        except Malformed:
            raise Refusal(400, "Bad Request: From has no form on XMPP") from None
        if trunk is None:
            await self._check_sender(uri, hop)
        elif is_number(contact):
            contact = ContactId(trunk.incoming.apply(contact))
        return contact

    async def _check_sender(self, uri: Uri, hop: Hop) -> None:
        if uri.scheme != "sip" or uri.host in self._hosts:
            raise Refusal(403)
        if any(one.carries_domain(uri.host) for one in self._routes.trunks.values()):
            raise Refusal(403)
        if uri.host == hop.host:
            return
        if is_nowhere(uri.host):
            if not self._transports.name(uri.host, hop):
                raise Refusal(403, ELSEWHERE)
            return
        if self._checks >= CHECKS:
            raise Refusal(503)
        self._checks += 1
        try:
            hops = await self._locator.locate(Uri(scheme="sip", host=uri.host, port=uri.port))
        except BridgeError:
            raise Refusal(403) from None
        finally:
            self._checks -= 1
        if hop.host not in {one.host for one in hops}:
            raise Refusal(403, ELSEWHERE)


def _event(request: Request) -> str:
    """Return the package of a SUBSCRIBE or NOTIFY."""
    return (request.get("Event") or "").partition(";")[0].strip().lower()
