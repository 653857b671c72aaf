"""Abuse reports about users of the gateway, which other servers forward (XEP-0377 §5, report-origin)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.logger import Logger

from bridge.errors import BridgeError, Trouble
from bridge.policy import Pace
from bridge.router import Request, Route, Router, Target
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid, JidError
from bridge.xmpp.payloads.reporting import NS_REPORTING, parse_report
from bridge.xmpp.stanza import NS_COMPONENT

REPORTS_PER_SECOND = 1 / 60
"""Reports of one server that reach the administrators in the long run."""
BURST = 10
"""Reports that a server may send at once."""
TEXT_LIMIT, REASON_LIMIT = 500, 100
"""Characters that are passed on."""


class Reports:
    """Passes reports on to `admins`, whose bare JIDs may be replaced, and to the log."""

    log = Logger()

    def __init__(
        self, domain: str, router: Router, admins: Sequence[str], seconds: Callable[[], float]
    ) -> None:
        self.admins = admins
        self._domain = domain
        self._router = router
        self._pace = Pace(REPORTS_PER_SECOND, BURST, seconds)

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        gateway = frozenset({Target.GATEWAY})
        return [Route("message", "*", gateway, self.report, (NS_REPORTING, "report"))]

    def report(self, request: Request) -> None:
        """Take a report; only servers forward them, and only about whom they met here."""
        server = request.sender
        if server.local:
            raise BridgeError(Trouble.NOT_ALLOWED, "Please report to your own server.")
        report = parse_report(request.element)
        if report is None:
            raise BridgeError(Trouble.BAD_REQUEST)
        if _domain_of(report.jid) != self._domain:
            raise BridgeError(Trouble.NOT_FOUND, "That address is not of this gateway.")
        if not self._pace.admits(server.domain):
            raise BridgeError(Trouble.TOO_MANY)
        reason, text = report.reason[:REASON_LIMIT], report.text[:TEXT_LIMIT]
        self.log.warn(
            "{server} reports {jid} for {reason}: {text!r}",
            server=server.domain, jid=report.jid, reason=reason, text=text,
        )  # fmt: skip
        words = f"{server.domain} reports {report.jid} for {reason}." + (f"\n{text}" if text else "")
        for admin in self.admins:
            body = Element("body", NS_COMPONENT, None, words)
            addresses = {"from": self._domain, "to": admin, "type": "chat"}
            self._router.send(Element("message", NS_COMPONENT, addresses, body))


def _domain_of(address: str) -> str:
    try:
        return Jid.parse(address).domain
    except JidError:
        return ""
