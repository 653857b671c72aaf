"""A stream between two servers, whoever opened it, as a pure machine (RFC 6120, XEP-0220, XEP-0198).

What both ends do alike stands here: which stanzas are taken, dialback on behalf of our own domains,
stream management, and the ways to end. `bridge.xmpp.outgoing` and `bridge.xmpp.incoming` add how a
stream begins. What happens is a table, (state, input) → action; what has no row is ignored.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

from bridge.xmpp import dialback
from bridge.xmpp import stream_management as sm
from bridge.xmpp.dialback import NS_DIALBACK, Asked, Keys, Pair, Verdict
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid, JidError
from bridge.xmpp.stanza import CONTENT_NAMESPACES, NS_SERVER, STANZAS, normalise
from bridge.xmpp.stream import END, header, read_stream_error, stream_error
from bridge.xmpp.stream_events import (
    Acknowledged,
    AcknowledgementRequested,
    Event,
    PairOpened,
    PairRefused,
    SessionResumed,
    StreamEnded,
    StreamFailed,
    TooLarge,
    Verified,
)
from bridge.xmpp.stream_management import NS_SM, Session
from bridge.xmpp.xml import NS_STREAMS, Limits, Oversized, StreamOpened, StreamParser, XmlError
from bridge.xmpp.xml import Event as XmlEvent

NS_TLS = "urn:ietf:params:xml:ns:xmpp-tls"
NS_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
NS_BIDI = "urn:xmpp:bidi"
NS_LIMITS = "urn:xmpp:stream-limits:0"
DECLARED = f" xmlns:db='{NS_DIALBACK}' xml:lang='en'"

ADDRESS_LIMIT = 256
"""How many spellings of admitted domain pairs are remembered on one stream."""

State = Literal[
    "idle",
    "awaiting_header",
    "awaiting_greeting",
    "awaiting_features",
    "awaiting_proceed",
    "starting_tls",
    "awaiting_success",
    "ready",
    "closing",
    "closed",
]
Input = Literal[
    # negotiation
    "header", "foreign_header", "features", "starttls", "proceed", "tls_failure",
    "auth", "response", "success", "failure", "bidi",
    # dialback
    "dialback_request", "dialback_answer", "verify_request", "verify_answer",
    # stream management
    "enable", "enabled", "resume", "resumed", "failed", "request", "acknowledgement",
    # the rest
    "stanza", "oversized", "other", "error", "closing_tag",
]  # fmt: skip
Encryption = Literal["required", "optional", "never"]


class ServerStream:
    """What the two kinds of streams have in common; see the module's docstring.

    `hosts` tells whether a domain is ours. Keys of `self.table` are the states and inputs of the
    subclass; its actions get the element that the input carries.
    """

    table: ClassVar[Mapping[tuple[State, Input], str]]

    def __init__(self, keys: Keys, hosts: Callable[[str], bool], limits: Limits) -> None:
        self.state: State = "idle"
        self.local = ""
        """Our domain, as the stream's header names it."""
        self.remote = ""
        """The peer's."""
        self.id = ""
        """The stream's id; the side that was connected to makes it."""
        self.is_secure = False
        self.is_bidirectional = False
        self.session: Session | None = None
        """Stream management, once it is on."""
        self.peer_stanza_bytes = 0
        """The largest stanza that the peer takes (XEP-0478), 0 if it does not say."""
        self.peer_idle_seconds = 0
        """Seconds without a byte of ours after which the peer may end the stream, 0 if it does not say."""
        self._keys = keys
        self._hosts = hosts
        self._limits = limits
        self._parser = StreamParser(limits)
        self._later: deque[XmlEvent] = deque()
        """What was read and not yet taken: nothing, but while an answer of the shell is awaited."""
        self._unreadable = ""
        self._events: list[Event] = []
        self._out: list[bytes] = []
        self._opened: set[Pair] = set()
        self._admitted: set[Pair] = set()
        self._certified: set[str] = set()
        """Domains of the peer's whose stanzas are taken for all of ours: a certificate names no target."""
        self._spellings: set[tuple[str, str]] = set()
        self._asked = Asked()
        self.awaits_acknowledgement = False
        """Whether the peer was asked what has arrived, and has not answered."""

    # ---- what the shell asks for

    def may_send(self, pair: Pair) -> bool:
        """Tell whether stanzas of this pair may be sent now."""
        return pair in self._opened and self.state == "ready"

    def send(self, pair: Pair, stanza: bytes, note: object = None) -> None:
        """Send one serialised stanza of an open pair; `note` is kept with it until it is acknowledged."""
        if not self.may_send(pair):
            raise ValueError(f"no stanzas of {pair} while {self.state}")
        self._out.append(stanza)
        if self.session is not None:
            self.session.outbox.add(note, stanza)

    def request_acknowledgement(self) -> None:
        """Ask what has arrived, unless that was asked already."""
        if self.session is not None and len(self.session.outbox) and not self.awaits_acknowledgement:
            self.awaits_acknowledgement = True
            self._out.append(sm.REQUEST)

    def acknowledge(self, handled: int) -> None:
        """Tell the peer that this many of its stanzas are safe (see `AcknowledgementRequested`)."""
        if self.session is not None and self.state == "ready":
            self._out.append(sm.acknowledgement(handled))

    def request_pair(self, pair: Pair) -> bool:
        """Ask the peer, by dialback, to take stanzas of a pair; False if no more can be asked now."""
        if self.state != "ready" or not self._asked.result(pair):
            return False
        self._out.append(dialback.request(pair, self._keys.make(pair, self.id)))
        return True

    def verify(self, pair: Pair, stream_id: str, key: str) -> bool:
        """Ask the peer, as the authority of the pair's sender, about a key; answered by `Verified`.

        False if no more can be asked now. Never ask on the stream that the key came by.
        """
        if self.state != "ready" or not self._asked.verification(pair, stream_id):
            return False
        self._out.append(dialback.verify(pair, stream_id, key))
        return True

    def probe(self) -> None:
        """Keep the connection in use (RFC 6120 §4.6), if possible by something that the peer answers."""
        if self.state != "ready":
            return
        if self.session is None or self.awaits_acknowledgement:
            self._out.append(b" ")
        else:
            self.awaits_acknowledgement = True
            self._out.append(sm.REQUEST)

    def close(self) -> None:
        """End the stream properly (RFC 6120 §4.4)."""
        if self.state == "idle":
            self.state = "closed"
        elif self.state not in ("closing", "closed", "starting_tls"):
            self._say_goodbye()
            self.state = "closing"

    def fail(self, condition: str, text: str = "") -> None:
        """End the stream with an error of ours (RFC 6120 §4.9)."""
        if self.state == "closed":
            return
        if self.state not in ("idle", "starting_tls", "closing"):
            self._before_error()
            self._say_handled()
            self._out.append(stream_error(condition, text))
        self._end(StreamFailed(condition, text, by_peer=False))

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self.state in ("closed", "starting_tls"):
            return
        try:
            self._later += self._parser.feed(data)
        except XmlError as error:
            self._later += error.events
            self._unreadable = error.condition
        self._go_on()

    def domains(self) -> tuple[set[str], set[str]]:
        """Return the domains that the stream is about, proven or not: ours, and the peer's."""
        sent = self._opened | {pair.inverse for pair in self._admitted}
        ours = {self.local, *(pair.sender for pair in sent)}
        theirs = {self.remote, *self._certified, *(pair.target for pair in sent)}
        return ours - {""}, theirs - {""}

    def check_again(self) -> None:
        """Forget which addresses were found good: what is ours has changed."""
        self._spellings.clear()

    def receive_eof(self) -> None:
        """Learn that the connection is gone; if either side may be in doubt, even a farewell has failed."""
        session = self.session
        is_in_doubt = session is not None and (len(session.outbox) or (session.id and self.is_bidirectional))
        if self.state == "closing" and not is_in_doubt:
            self._end(StreamEnded())
        elif self.state != "closed":
            self._end(StreamFailed("", "the connection was lost", by_peer=True))

    def take_events(self) -> list[Event]:
        """Return what happened since the last call."""
        events, self._events = self._events, []
        return events

    def data_to_send(self) -> bytes:
        """Return the bytes to send since the last call."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def forget(self) -> None:
        """RFC 6120 §5.4.3.3: what was learnt without TLS does not hold under it."""
        self._admitted.clear()
        self._opened.clear()
        self._spellings.clear()
        self._asked = Asked()
        self.is_bidirectional = False
        self.peer_stanza_bytes = self.peer_idle_seconds = 0

    def rest(self) -> None:
        """Give back what is only needed while data comes; called when the stream has been idle."""
        self._parser.rest()

    # ---- inputs

    def _go_on(self) -> None:
        """Take what was read, in order, as far as that is possible now."""
        while self._later and self.state not in ("awaiting_greeting", "closed"):
            kind, element = _classify(self._later.popleft())
            if kind in RESTARTS and (self._later or self._unreadable or self._parser.trailing):
                return self.fail("policy-violation", "nothing may follow before the stream is restarted")
            action = self.table.get((self.state, kind))
            if action is not None:
                getattr(self, action)(element)
        if self._unreadable and self.state != "awaiting_greeting":
            self.fail(self._unreadable)
        return None

    def _restart(self) -> None:
        self._parser.close()
        self._parser = StreamParser(self._limits)
        self.id = ""

    def _before_error(self) -> None:
        """RFC 6120 §4.9.1.2: an error needs an open stream around it."""

    def _own_header(self) -> bytes:
        return header(
            NS_SERVER, declared=DECLARED, from_=self.local, to=self.remote, id=self.id, version="1.0"
        )

    def _end(self, event: Event) -> None:
        if self.state != "closed":
            self.state = "closed"
            self._parser.close()
            self._events.append(event)

    # stanzas

    def _stanza(self, stanza: Element) -> None:
        given = stanza.attributes
        spelling = (_domain_text(given.get("from", "")), _domain_text(given.get("to", "")))
        if spelling not in self._spellings and not self._admit(*spelling):
            return
        if self.session is not None:
            self.session.take()
        self._events.append(normalise(stanza))

    def _admit(self, sender: str, target: str) -> bool:
        """RFC 6120 §8.1.1.2, §8.1.2.2: both addresses are there, one is ours and the other proven."""
        try:
            pair = Pair(Jid.parse(sender).domain, Jid.parse(target).domain)
        except JidError:
            self.fail("improper-addressing")
            return False
        if pair not in self._admitted and pair.sender not in self._certified:
            self.fail("invalid-from" if self._admitted or self._certified else "not-authorized")
            return False
        if not self._hosts(pair.target):
            self.fail("host-unknown")
            return False
        if len(self._spellings) >= ADDRESS_LIMIT:
            self._spellings.clear()
        self._spellings.add((sender, target))
        return True

    def _oversized(self, stanza: Element) -> None:
        """A large stanza concerns its sender only; one who is not known yet must not send such."""
        before = len(self._events)
        self._stanza(stanza)
        if self.state != "closed":
            self._events[before:] = [TooLarge(stanza)]

    def _late_stanza(self, stanza: Element) -> None:
        """What comes after the last acknowledgement is sent again; else this is the only time."""
        if not self._is_counted():
            self._stanza(stanza)

    def _late_oversized(self, stanza: Element) -> None:
        if not self._is_counted():
            self._oversized(stanza)

    def _is_counted(self) -> bool:
        """Tell whether the peer keeps what it sends until it is acknowledged."""
        return self.session is not None

    def _open(self, pair: Pair) -> None:
        self._opened.add(pair)
        if self.is_bidirectional:
            self._admitted.add(pair.inverse)
        self._events.append(PairOpened(pair))

    # dialback

    def _verify_request(self, element: Element) -> None:
        """XEP-0220 §2.2.2: we are asked as the authority of one of our domains."""
        pair, stream_id = self._pair_of(element).inverse, element.get("id") or ""
        if not self._hosts(pair.sender):
            verdict = Verdict(False, "item-not-found")
        else:
            knows = bool(stream_id) and self._keys.knows(pair, stream_id, element.text().strip())
            verdict = dialback.VALID if knows else dialback.INVALID
        self._out.append(dialback.verified(pair, stream_id, verdict))

    def _verify_answer(self, element: Element) -> None:
        """XEP-0220 §3.1: an answer that was not asked for, here, says nothing."""
        pair, stream_id = self._pair_of(element), element.get("id") or ""
        if self._asked.verification_answered(pair, stream_id):
            self._events.append(Verified(pair, stream_id, dialback.read_verdict(element)))

    def _dialback_answer(self, element: Element) -> None:
        pair = self._pair_of(element).inverse
        if not self._asked.result_answered(pair):
            return
        verdict = dialback.read_verdict(element)
        if verdict.accepted:
            self._open(pair)
        else:
            self._events.append(PairRefused(pair, verdict.condition))

    def _pair_of(self, element: Element) -> Pair:
        """Return sender and target as the element's own addresses are; "" where there is no domain."""
        return Pair(domain_of(element.get("from")), domain_of(element.get("to")))

    # stream management

    def _acknowledgement_request(self, _: Element) -> None:
        if self.session is not None:
            self._events.append(AcknowledgementRequested(self.session.handled))

    def _acknowledgement(self, element: Element) -> None:
        handled = sm.read_handled(element)
        if self.session is None or handled is None:
            return
        self.awaits_acknowledgement = False
        if self.session.outbox.acknowledge(handled):
            self._events.append(Acknowledged())
        else:
            self.fail("undefined-condition", "more was acknowledged than sent")

    def _new_session(self) -> Session:
        session = self.session = Session()
        session.is_secure = self.is_secure
        self._give_pairs(session)
        return session

    def _give_pairs(self, session: Session) -> None:
        session.opened, session.asked = self._opened, self._asked.results
        session.admitted, session.certified = self._admitted, self._certified

    def _may_continue(self, session: Session) -> bool:
        return self.is_secure or not session.is_secure

    def _continue(self, session: Session) -> None:
        """XEP-0198 §5: all that the former stream carried goes on here, first what the peer did not get."""
        self.session = session
        self._out.extend(stanza for _, stanza in session.outbox.pending())
        self.request_acknowledgement()
        self._certified |= session.certified
        self._admitted |= session.admitted
        if self.is_bidirectional:  # what the peer has accepted it may have used, before its answer was lost
            self._admitted |= {pair.inverse for pair in session.asked}
        opened = session.opened - self._opened
        self._give_pairs(session)
        for pair in opened:
            self._open(pair)
        self._events.append(SessionResumed())

    # ends

    def _read_limits(self, parent: Element) -> None:
        limits = parent.child("limits", NS_LIMITS)
        self.peer_stanza_bytes = _read_limit(limits, "max-bytes")
        self.peer_idle_seconds = _read_limit(limits, "idle-seconds")

    def _foreign_header(self, _: Element) -> None:
        self.fail("invalid-namespace")

    def _unsupported(self, _: Element) -> None:
        self.fail("unsupported-stanza-type")

    def _error(self, error: Element) -> None:
        condition, text = read_stream_error(error)
        self._out.append(END)
        self._end(StreamFailed(condition, text, by_peer=True))

    def _say_handled(self) -> None:
        """XEP-0198 §5: the last acknowledgement spares the peer from sending again."""
        if self.session is not None and self.state == "ready":
            self._out.append(sm.acknowledgement(self.session.handled))

    def _say_goodbye(self) -> None:
        self._say_handled()
        self._out.append(END)

    def _closing_tag(self, _: Element) -> None:
        """RFC 6120 §4.4: the peer ends the stream, which before it carries anything is no success."""
        if self.state == "closing":
            return self._end(StreamEnded())
        self._say_goodbye()
        if self._opened or self._admitted or self._certified:
            return self._end(StreamEnded())
        return self._end(StreamFailed("", "the peer closed the stream", by_peer=True))

    def _too_late(self, _: Element) -> None:
        self._end(StreamEnded())


SHARED: dict[tuple[State, Input], str] = {
    ("ready", "verify_request"): "_verify_request",
    ("ready", "verify_answer"): "_verify_answer",
    ("ready", "dialback_answer"): "_dialback_answer",
    ("ready", "stanza"): "_stanza",
    ("ready", "oversized"): "_oversized",
    ("ready", "request"): "_acknowledgement_request",
    ("ready", "acknowledgement"): "_acknowledgement",
    ("ready", "other"): "_unsupported",
    ("closing", "stanza"): "_late_stanza",
    ("closing", "oversized"): "_late_oversized",
    ("closing", "request"): "_acknowledgement_request",
    ("closing", "acknowledgement"): "_acknowledgement",
    ("closing", "error"): "_too_late",
    ("closing", "closing_tag"): "_closing_tag",
    ("awaiting_header", "foreign_header"): "_foreign_header",
}
"""The rows that both kinds of streams have."""

_INPUTS: dict[tuple[str, str], Input] = {
    **{(namespace, name): "stanza" for namespace in CONTENT_NAMESPACES for name in STANZAS},
    (NS_STREAMS, "features"): "features",
    (NS_STREAMS, "error"): "error",
    (NS_TLS, "starttls"): "starttls",
    (NS_TLS, "proceed"): "proceed",
    (NS_TLS, "failure"): "tls_failure",
    (NS_SASL, "auth"): "auth",
    (NS_SASL, "response"): "response",
    (NS_SASL, "success"): "success",
    (NS_SASL, "failure"): "failure",
    (NS_BIDI, "bidi"): "bidi",
    (NS_SM, "enable"): "enable",
    (NS_SM, "enabled"): "enabled",
    (NS_SM, "resume"): "resume",
    (NS_SM, "resumed"): "resumed",
    (NS_SM, "failed"): "failed",
    (NS_SM, "r"): "request",
    (NS_SM, "a"): "acknowledgement",
}
RESTARTS = frozenset[Input]({"starttls", "proceed", "success"})
"""What is followed by a new stream. Anything that comes in the same breath was sent too early, perhaps
by somebody else: it would be taken for encrypted (RFC 6120 §5.4.3.3)."""
_NOTHING = Element("", "")


def domain_of(address: str | None) -> str:
    """Return the prepared domain of an address, "" if it has none or is malformed."""
    try:
        return Jid.parse(address or "").domain
    except JidError:
        return ""


def _read_limit(limits: Element | None, name: str) -> int:
    """Read one of a peer's limits (XEP-0478 §4.1), 0 if it says none, or nonsense."""
    written = None if limits is None else limits.child_text(name, NS_LIMITS)
    return int(written) if written and re.fullmatch("[0-9]{1,15}", written) else 0


def _domain_text(address: str) -> str:
    """Return the domain of an address as it is spelt."""
    return address.partition("/")[0].rpartition("@")[2]


def _classify(event: XmlEvent) -> tuple[Input, Element]:
    if isinstance(event, Element):
        if event.namespace == NS_DIALBACK and event.name in ("result", "verify"):
            return _dialback_input(event), event
        return _INPUTS.get((event.namespace, event.name), "other"), event
    if isinstance(event, Oversized):
        return "oversized", event.element
    if isinstance(event, StreamOpened):
        kind: Input = "header" if event.namespace == NS_SERVER else "foreign_header"
        return kind, Element("stream", event.namespace, event.attributes)
    return "closing_tag", _NOTHING


def _dialback_input(element: Element) -> Input:
    if element.name == "result":
        return "dialback_answer" if "type" in element.attributes else "dialback_request"
    return "verify_answer" if "type" in element.attributes else "verify_request"
