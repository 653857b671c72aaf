"""The exchange: who serves which of our domains, and the one place where stanzas change hands.

The rules are RFC 6120 §10's. Gateways, hosted components (XEP-0114) and the streams to other servers know
the exchange only, not each other. What cannot be delivered comes back to its sender from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid, JidError
from bridge.xmpp.split import parse_stanza, split_stanzas
from bridge.xmpp.stanza import NS_COMPONENT, error_reply

ADDRESSES = 8_000
"""How many addresses' domains are remembered."""
INBOX = 100_000
"""Stanzas that may wait for the end of one turn of the reactor."""


class Destination(Protocol):
    """Who serves one of our domains."""

    def receive(self, stanza: Element) -> None:
        """Take a stanza for this domain, and do nothing with it yet.

        Others are in the middle of their work: nothing may reach the exchange from within this call.
        """


class Remote(Protocol):
    """The servers of all other domains."""

    def send(self, local: str, domain: str, stanzas: bytes) -> None:
        """Send whole stanzas of our domain `local`, all to `domain`; what cannot be is given to `bounce`."""

    def pause(self) -> None:
        """Read nothing more from other servers for now."""

    def resume(self) -> None:
        """Read again."""


class Exchange:
    """Passes stanzas between our domains, and between them and other servers.

    `remote` is None as long as there are no streams to other servers. Domains are compared as
    prepared (RFC 7622 §3.2).
    """

    log = Logger()

    def __init__(self) -> None:
        self.remote: Remote | None = None
        self._destinations: dict[str, Destination] = {}
        self._reserved: frozenset[str] = frozenset()
        self._domains = _Domains()

    # ---- who serves what

    def attach(self, domain: str, destination: Destination) -> None:
        """Give `destination` what comes for `domain` from now on."""
        self._destinations[domain] = destination

    def detach(self, domain: str, destination: Destination) -> None:
        """Give it nothing more, unless another one has taken its place already."""
        if self._destinations.get(domain) is destination:
            del self._destinations[domain]

    def reserve(self, domains: Iterable[str]) -> None:
        """Let these domains, and of those without a destination no others, be ours.

        They belong to components that may be absent: what comes meanwhile is answered, not sent elsewhere.
        """
        self._reserved = frozenset(domains)

    def serves(self, domain: str) -> bool:
        """Tell whether a prepared domain is ours."""
        return domain in self._destinations or domain in self._reserved

    def domains(self) -> frozenset[str]:
        """Return our domains."""
        return self._reserved.union(self._destinations)

    # ---- stanzas

    def submit(self, stanza: Element) -> None:
        """Pass on a stanza of one of our domains; the edge it came by has checked its sender."""
        to = stanza.attributes.get("to")
        domain = self._domains[to] if to else ""
        destination = self._destinations.get(domain)
        if destination is None:
            self._submit_elsewhere(stanza, domain)
        else:
            destination.receive(stanza)

    def _submit_elsewhere(self, stanza: Element, domain: str) -> None:
        local = self._domains[stanza.attributes.get("from", "")]
        trouble = self._obstacle(domain)
        if not stanza.attributes.get("to"):
            trouble = Trouble.BAD_REQUEST
            stanza.attributes["to"] = local  # RFC 6120 §10.3.3: answered as if its own server had been meant
        if trouble is not None:
            self.bounce(stanza, BridgeError(trouble))
        elif self.remote is not None:
            self.remote.send(local, domain, stanza.to_xml(NS_COMPONENT).encode())

    def write(self, local: str, stanzas: bytes, domain: str) -> None:
        """Pass on whole stanzas of our domain `local`, all to addresses of `domain` (see `router.Outlet`)."""
        domain = self._domains[domain]
        destination = self._destinations.get(domain)
        trouble = None if destination is not None else self._obstacle(domain)
        if trouble is not None:
            self.bounce(stanzas, BridgeError(trouble))
        elif destination is not None:
            for stanza in _read(stanzas):
                destination.receive(stanza)
        elif self.remote is not None:
            self.remote.send(local, domain, stanzas)

    def arrive(self, stanza: Element) -> None:
        """Take in a stanza from another server, which has proven to speak for the sender's domain."""
        domain = self._domains[stanza.attributes.get("to", "")]
        destination = self._destinations.get(domain)
        if destination is not None:
            destination.receive(stanza)
        elif domain in self._reserved:
            self.bounce(stanza, BridgeError(Trouble.NOT_CONNECTED_HERE))
        else:
            # RFC 6120 §8.1.1.2, §10.5: never relayed; an answer would have to claim that domain
            self.log.debug("a stanza for {domain}, which is none of ours, was ignored", domain=domain)

    def bounce(self, stanzas: bytes | Element, error: BridgeError) -> None:
        """Tell the senders of stanzas that were not delivered (RFC 6120 §8.3.1)."""
        for stanza in [stanzas] if isinstance(stanzas, Element) else _read(stanzas):
            reply = error_reply(stanza, error)
            if reply is not None:
                self._answer(reply)

    def hold(self, is_held: bool) -> None:
        """Read nothing more from other servers, as long as the bridge can keep no more."""
        if self.remote is not None:
            (self.remote.pause if is_held else self.remote.resume)()

    def _obstacle(self, domain: str) -> Trouble | None:
        """Say why nothing can be sent to a domain without a destination."""
        if not domain:
            return Trouble.JID_MALFORMED
        if domain in self._reserved:
            return Trouble.NOT_CONNECTED_HERE
        return Trouble.REMOTE_NOT_FOUND if self.remote is None else None

    def _answer(self, reply: Element) -> None:
        """An answer goes where it can; if it cannot, that is all."""
        local, domain = (self._domains[reply.attributes.get(end, "")] for end in ("from", "to"))
        error = reply.child("error")
        if error is not None:  # RFC 6120 §8.3.2: it is ours, not of whom the stanza was for
            error.attributes["by"] = domain if self.serves(domain) else local
        destination = self._destinations.get(domain)
        if destination is not None:
            destination.receive(reply)
        elif self.remote is not None and self.serves(local) and self._obstacle(domain) is None:
            self.remote.send(local, domain, reply.to_xml(NS_COMPONENT).encode())


class Inbox:
    """What waits for a destination that may answer at once: it gets it when the others are done.

    `burst` is entered around the stanzas of one turn of the reactor.
    """

    def __init__(
        self,
        exchange: Exchange,
        clock: IReactorTime,
        receive: Callable[[Element], None],
        burst: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._receive = receive
        self._burst = burst
        self._waiting: list[Element] = []

    def receive(self, stanza: Element) -> None:
        """See `Destination`."""
        if not self._waiting:
            self._clock.callLater(0, self._drain)
        elif len(self._waiting) >= INBOX:
            return self._exchange.bounce(stanza, BridgeError(Trouble.OVERLOADED))
        return self._waiting.append(stanza)

    def _drain(self) -> None:
        waiting, self._waiting = self._waiting, []
        with self._burst():
            for stanza in waiting:
                self._receive(stanza)


def _read(stanzas: bytes) -> Iterator[Element]:
    return map(parse_stanza, split_stanzas(stanzas))


class _Domains(dict[str, str]):
    """The prepared domains of the latest addresses, "" for what is no address."""

    def __missing__(self, address: str) -> str:
        if len(self) >= ADDRESSES:
            self.clear()
        try:
            domain = Jid.parse(address).domain
        except JidError:
            domain = ""
        self[address] = domain
        return domain
