"""Stanzas as tests see them: lxml elements matched by XPath, and a mailbox that keeps their order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from xml.sax.saxutils import quoteattr

from lxml import etree

TIMEOUT = 10.0
"""Seconds that a test waits for a stanza or line before it fails."""

STREAM_NAMESPACES = ("jabber:client", "jabber:component:accept", "jabber:server")
NAMESPACES = {
    "adhoc": "http://jabber.org/protocol/commands",
    "caps": "http://jabber.org/protocol/caps",
    "conference": "jabber:x:conference",
    "correct": "urn:xmpp:message-correct:0",
    "data": "jabber:x:data",
    "delay": "urn:xmpp:delay",
    "discoinfo": "http://jabber.org/protocol/disco#info",
    "discoitems": "http://jabber.org/protocol/disco#items",
    "forward": "urn:xmpp:forward:0",
    "mam": "urn:xmpp:mam:2",
    "moderate": "urn:xmpp:message-moderate:1",
    "muc": "http://jabber.org/protocol/muc",
    "mucadmin": "http://jabber.org/protocol/muc#admin",
    "mucowner": "http://jabber.org/protocol/muc#owner",
    "mucuser": "http://jabber.org/protocol/muc#user",
    "occupant": "urn:xmpp:occupant-id:0",
    "origin": "urn:xmpp:sid:0",
    "ping": "urn:xmpp:ping",
    "react": "urn:xmpp:reactions:0",
    "reply": "urn:xmpp:reply:0",
    "retract": "urn:xmpp:message-retract:1",
    "rsm": "http://jabber.org/protocol/rsm",
    "sid": "urn:xmpp:sid:0",
    "stanza": "urn:ietf:params:xml:ns:xmpp-stanzas",
    "states": "http://jabber.org/protocol/chatstates",
    "time": "urn:xmpp:time",
    "version": "jabber:iq:version",
    "xhtml": "http://www.w3.org/1999/xhtml",
    "xhtmlim": "http://jabber.org/protocol/xhtml-im",
}
Stanza = etree._Element


def normalise(text: bytes | str) -> Stanza:
    """Parse a stanza; its stream's namespace becomes none, so that paths need no prefix for it."""
    root = etree.fromstring(text)
    for element in root.iter(etree.Element):
        name = etree.QName(element)
        if name.namespace in STREAM_NAMESPACES:
            element.tag = name.localname
    return root


def show(stanza: Stanza) -> str:
    """Return it as text, for failure messages."""
    return etree.tostring(stanza, encoding="unicode")


class Pattern:
    """What a stanza must look like; attributes, body and subject by value, the rest by XPath below it."""

    def __init__(
        self,
        kind: str,
        *,
        frm: str | None = None,
        body: str | None = None,
        subject: str | None = None,
        has: str | Iterable[str] = (),
        lacks: str | Iterable[str] = (),
        **attributes: str | None,
    ) -> None:
        wanted = {**attributes, "from": frm} if frm is not None else dict(attributes)
        tests = [
            f"@{name}={quoteattr(value)}" if value is not None else f"not(@{name})"
            for name, value in wanted.items()
        ]
        tests += [has] if isinstance(has, str) else has
        tests += [f"not({path})" for path in ([lacks] if isinstance(lacks, str) else lacks)]
        self.path = f"self::{kind}" + "".join(f"[{test}]" for test in tests)
        self._texts = {
            name: text for name, text in (("body", body), ("subject", subject)) if text is not None
        }
        self._found = etree.XPath(self.path, namespaces=NAMESPACES)

    def matches(self, stanza: Stanza) -> bool:
        """Tell whether `stanza` is so."""
        return bool(self._found(stanza)) and all(
            stanza.findtext(name, "") == text and stanza.find(name) is not None
            for name, text in self._texts.items()
        )

    def __str__(self) -> str:
        return f"{self.path} {self._texts or ''}"


def status(code: int) -> str:
    """Return the path of a status code (XEP-0045 §15.6)."""
    return f"mucuser:x/mucuser:status[@code='{code}']"


def item(**attributes: str) -> str:
    """Return the path of a muc#user item with these attributes."""
    return "mucuser:x/mucuser:item" + "".join(
        f"[@{name}={quoteattr(text)}]" for name, text in attributes.items()
    )


def error(condition: str) -> str:
    """Return the path of a stanza error's condition."""
    return f"error/stanza:{condition}"


def value(stanza: Stanza, path: str) -> str:
    """Return the one text or attribute at an XPath; AssertionError when it is not there."""
    found = stanza.xpath(path, namespaces=NAMESPACES)
    assert found, f"no {path} in {show(stanza)}"
    return str(found[0] if not hasattr(found[0], "text") else found[0].text or "")


def values(stanza: Stanza, path: str) -> list[str]:
    """Return all texts or attributes at an XPath."""
    found = stanza.xpath(path, namespaces=NAMESPACES)
    return [str(one) if not hasattr(one, "text") else one.text or "" for one in found]


class Mailbox:
    """What one party received, in order; waits end with an AssertionError that shows everything."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.waiting: deque[Stanza] = deque()
        self._history: deque[str] = deque(maxlen=60)
        self._arrived = asyncio.Event()

    def put(self, stanza: Stanza) -> None:
        """Add a stanza that came in."""
        self.waiting.append(stanza)
        self._history.append(show(stanza))
        self._arrived.set()

    def clear(self) -> None:
        """Forget what waits."""
        self.waiting.clear()

    async def take(self, what: object = "a stanza", timeout: float = TIMEOUT) -> Stanza:
        """Return the next stanza, waiting for it."""
        deadline = asyncio.get_running_loop().time() + timeout
        while not self.waiting:
            self._arrived.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._arrived.wait()
            except TimeoutError:
                raise AssertionError(self._complain(f"waits in vain for {what}")) from None
        return self.waiting.popleft()

    async def next(self, pattern: Pattern, timeout: float = TIMEOUT) -> Stanza:
        """Return the next stanza, which must match."""
        stanza = await self.take(pattern, timeout)
        if not pattern.matches(stanza):
            raise AssertionError(self._complain(f"expected {pattern}\nbut got {show(stanza)}"))
        return stanza

    async def find(self, pattern: Pattern, timeout: float = TIMEOUT) -> Stanza:
        """Return the first stanza that matches, dropping those before it."""
        return await self.find_where(pattern.matches, pattern, timeout)

    async def find_where(
        self, wanted: Callable[[Stanza], bool], what: object, timeout: float = TIMEOUT
    ) -> Stanza:
        """Return the first stanza for which `wanted` is true, dropping those before it."""
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            left = max(0.01, deadline - asyncio.get_running_loop().time())
            stanza = await self.take(what, left)
            if wanted(stanza):
                return stanza

    async def all_of(self, *patterns: Pattern, timeout: float = TIMEOUT) -> list[Stanza]:
        """Return the next ``len(patterns)`` stanzas, which match the patterns in any order."""
        left = list(patterns)
        taken: dict[int, Stanza] = {}
        while left:
            stanza = await self.take(" or ".join(map(str, left)), timeout)
            fitting = next((pattern for pattern in left if pattern.matches(stanza)), None)
            if fitting is None:
                expected = "\n  or ".join(map(str, left))
                raise AssertionError(self._complain(f"expected {expected}\nbut got {show(stanza)}"))
            left.remove(fitting)
            taken[patterns.index(fitting)] = stanza
        return [taken[index] for index in range(len(patterns))]

    def _complain(self, what: str) -> str:
        history = "\n  ".join(self._history)
        return f"{self.owner} {what}\nreceived so far:\n  {history or 'nothing'}"
