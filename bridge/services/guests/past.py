"""What was said while nobody listened, from the room's archive (XEP-0313): itself it tells a few only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from bridge.services.guests.company import Company
from bridge.services.guests.visit import State, Visit
from bridge.services.guests.wording import stanza as written
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.delay import build_delay, parse_delay
from bridge.xmpp.payloads.mam import build_query, parse_fin, parse_result
from bridge.xmpp.payloads.stanza_id import build_stanza_id, parse_stanza_id

PAGE, PAGES = 100, 50
"""Messages that are asked for at a time, and how often; behind so many comes what the room tells."""
KEPT = 1_000
"""Messages that the room tells on entering, which wait until its archive was asked."""
PATIENCE = 10.0
"""Seconds that a page is waited for."""


class Past:
    """See the module's docstring.

    `tell` is given a message and its nick, `told` is called after all of them, and `go_on` if that was not
    when something came from the room.
    """

    def __init__(
        self,
        company: Company,
        tell: Callable[[Visit, Element, str], None],
        told: Callable[[Visit], None],
        go_on: Callable[[], None],
    ) -> None:
        self._company = company
        self._tell = tell
        self._told = told
        self._go_on = go_on
        self._kept: deque[tuple[Visit, Element, str]] = deque(maxlen=KEPT)
        self._visit: Visit | None = None
        self._query = ""
        self._pages = 0

    def is_asked_by(self, visit: Visit) -> bool:
        """Tell whether the archive is being asked for this guest."""
        return self._visit is visit

    def keep(self, visit: Visit, stanza: Element, nick: str) -> None:
        """The room tells something of the past: it comes after what the archive has."""
        self._kept.append((visit, stanza, nick))

    def ask(self, visit: Visit) -> None:
        """The room has told all that it does on entering: ask for what was said since he listened last."""
        self._visit, self._pages = visit, 0
        self._ask(visit, None)

    def _ask(self, visit: Visit, after: str | None) -> None:
        ports = self._company.ports
        assert visit.since is not None
        query = self._query = ports.fresh_id()
        visit.late = ports.now() + PATIENCE
        self._pages += 1
        payload = build_query(query, start=visit.since, after=after, limit=PAGE)
        asked = ports.ask(written("iq", "set", visit.jid, self._company.id, "", payload))
        # a room without an archive, or that does not let him read it, has told what it tells
        asked.addCallbacks(lambda answer: self._page(visit, query, answer), lambda _: self._end(visit, query))

    def take(self, visit: Visit, message: Element) -> bool:
        """Take a message with one of the archive in it; False if it is none that was asked for."""
        found = parse_result(message)
        if found is None or visit is not self._visit or found.query_id != self._query:
            return False
        sender, _, nick = (found.message.get("from") or "").partition("/")
        if sender == self._company.id and found.message.get("type") == "groupchat":
            said = found.message
            if parse_stanza_id(said, self._company.id) is None:
                said.add(build_stanza_id(found.id, self._company.id))
            if parse_delay(said) is None:
                said.add(build_delay(found.time))
            self._tell(visit, said, nick)
        return True

    def _page(self, visit: Visit, query: str, answer: Element) -> None:
        is_complete, last = parse_fin(answer)
        if is_complete or not last or self._pages >= PAGES:
            self._end(visit, query)
        elif query == self._query and visit.state is State.INSIDE:
            self._ask(visit, last)

    def _end(self, visit: Visit, query: str) -> None:
        if query == self._query and visit is self._visit:
            self._settle(visit)
            self._go_on()

    def give_up(self) -> None:
        """Tell what there is, if nothing more can be waited for."""
        visit = self._kept[0][0] if self._visit is None and self._kept else self._visit
        if visit is not None and not visit.is_catching_up(self._company.ports.now()):
            self._settle(visit)

    def _settle(self, visit: Visit) -> None:
        self._visit, self._query = None, ""
        while self._kept:
            self._tell(*self._kept.popleft())
        visit.caught_up = True
        self._told(visit)
