"""Trunks that log in: a request is theirs if it proves their password, wherever it comes from (RFC 3261 §22).

What belongs to a dialog is not asked again: nobody else knows its tags.
"""

from __future__ import annotations

from collections.abc import Mapping

from transports.sip.agent.acceptance import Refusal
from transports.sip.agent.means import Means
from transports.sip.agent.routing import Hop
from transports.sip.lines.routes import Routes, Trunk
from transports.sip.wire.digest import OFFERED, Challenged, DigestServer, Improper
from transports.sip.wire.message import Request


class Logins:
    """See the module's docstring. `realm` is what passwords are for."""

    def __init__(self, routes: Routes, means: Means, realm: str) -> None:
        self._routes, self._guard = routes, means.guard
        secret = means.token().encode()
        self._digest = DigestServer(realm, self._password, secret, means.clock.seconds, means.token)
        self._read: Mapping[str, Trunk] = {}
        self._known: dict[str, Trunk] = {}

    def trunks(self, request: Request, hop: Hop) -> list[Trunk] | Refusal:
        """Return whose request it may be: of the trunk that logs in, or of those at its address.

        None are a stranger's, who is asked for a password where strangers are not heard otherwise.
        """
        here = [one for one in self._routes.named(self._guard.trunks(hop.host)) if not one.logs_in]
        if not self._by_name() or any(_is_meant(one, request) for one in here):
            return here
        if self._digest.has_credentials(request):
            return self._proved(request, hop)
        is_open = self._routes.is_open and self._claimed(request, hop) is None
        return [] if is_open else self._challenge(request, hop)

    def _proved(self, request: Request, hop: Hop) -> list[Trunk] | Refusal:
        if not self._guard.may_guess(hop.host):
            return Refusal(403)
        verdict = self._digest.verify(request, hop.host)
        if isinstance(verdict, Improper):
            return Refusal(400)
        if isinstance(verdict, Challenged):
            if verdict.is_guess:
                self._guard.guessed(hop.host)
            return self._challenge(request, hop, verdict.stale)
        trunk = self._by_name()[verdict.username]
        if verdict.algorithm not in trunk.config.inbound_algorithms:
            return self._challenge(request, hop)
        self._guard.log_in(hop.host)
        return [trunk]

    def _challenge(self, request: Request, hop: Hop, stale: bool = False) -> Refusal:
        claimed = self._claimed(request, hop)
        algorithms = OFFERED if claimed is None else claimed.config.inbound_algorithms
        return Refusal(401, self._digest.challenge(hop.host, stale, algorithms=algorithms))

    def _claimed(self, request: Request, hop: Hop) -> Trunk | None:
        """Return which one it says to come from: by From, or since it is there."""
        logging_in = list(self._by_name().values())
        named = [one for one in logging_in if one.carries_domain(request.from_.uri.host)]
        here = self._guard.trunks(hop.host)
        return next(iter(named or [one for one in logging_in if one.name in here]), None)

    def _by_name(self) -> dict[str, Trunk]:
        """Return the trunks that log in, by the names that they use."""
        if self._read is not self._routes.trunks:
            self._read = self._routes.trunks
            self._known = {one.config.inbound_username: one for one in self._read.values() if one.logs_in}
        return self._known

    def _password(self, username: str) -> str | None:
        trunk = self._by_name().get(username)
        secret = trunk.config.inbound_password if trunk is not None else None
        return secret.reveal() if secret is not None else None


def _is_meant(trunk: Trunk, request: Request) -> bool:
    """Tell whether an address speaks for a trunk; for a user's account, which he puts anywhere, not alone."""
    return not trunk.is_personal or request.uri.user == trunk.contact_user
