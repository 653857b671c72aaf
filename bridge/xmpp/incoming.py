"""The stream that another server opens to us (RFC 6120 §4–6, XEP-0178, XEP-0220, XEP-0288)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import ClassVar

from msgspec import Struct

from bridge.xmpp import dialback
from bridge.xmpp import stream_management as sm
from bridge.xmpp.dialback import NS_DIALBACK_FEATURE, PENDING_LIMIT, Keys, Pair, Verdict
from bridge.xmpp.element import Element
from bridge.xmpp.server_stream import (
    NS_LIMITS,
    NS_SASL,
    NS_TLS,
    SHARED,
    Encryption,
    Input,
    ServerStream,
    State,
    domain_of,
)
from bridge.xmpp.stream import END
from bridge.xmpp.stream_events import (
    DialbackRequested,
    Opened,
    PairAdmitted,
    ResumeRequested,
    SessionOpened,
    StartTls,
)
from bridge.xmpp.stream_management import NS_SM, Session
from bridge.xmpp.xml import Limits

PAIR_LIMIT = 1_000
"""Domain pairs that one stream may carry."""
STRANGER_REQUESTS = 10
"""Pairs that may wait for our answer before the peer has proven any: each can make us dial somebody."""
AUTH_TRIES = 3
"""How often a peer may try to authenticate on one stream (RFC 6120 §6.4.5)."""
SESSION_SECONDS = 300.0
"""How long a session waits for its stream to come back."""


class Greeting(Struct, frozen=True, kw_only=True):
    """What our policy says of a peer, and what is wrong with its certificate ("" if nothing is).

    `refused` is the condition of the stream error that turns it away, "" if it is welcome.
    """

    encryption: Encryption
    problem: str
    refused: str = ""


class IncomingStream(ServerStream):
    """A stream whose peer still has to tell, and to prove, who it is.

    `new_id` makes unguessable ids; `trusted` are the limits for a peer that has proven itself.
    """

    def __init__(
        self,
        keys: Keys,
        hosts: Callable[[str], bool],
        limits: Limits,
        trusted: Limits,
        idle_seconds: float,
        new_id: Callable[[], str],
    ) -> None:
        super().__init__(keys, hosts, limits)
        self._trusted = trusted
        self._idle_seconds = idle_seconds
        self._new_id = new_id
        self._greeting = Greeting(encryption="required", problem="")
        self._is_greeted = False
        self._requested: set[Pair] = set()
        """Pairs that wait for our answer."""
        self._is_used = False
        """Whether the peer counts what we send, or has shown by a stanza that it does without."""
        self._unopened: list[Pair] = []
        """Pairs for whose stanzas it is too early as yet."""
        self._tries = 0
        self._claimed = ""
        """The domain that the peer's latest header names."""
        self.state = "awaiting_header"

    @property
    def is_authenticated(self) -> bool:
        """Whether the peer has proven any domain."""
        return bool(self._certified or self._admitted)

    def greet(self, greeting: Greeting) -> None:
        """Answer the peer's header; see `Opened`."""
        self._greeting = greeting
        self.state = "ready"
        if greeting.refused:
            self.state = "awaiting_header"
            return self.fail(greeting.refused)
        self._answer_header()
        return self._go_on()

    def tls_started(self) -> None:
        """Go on under TLS; for direct TLS, before anything else."""
        self.is_secure = True
        self.state = "awaiting_header"

    def answer(self, pair: Pair, verdict: Verdict) -> None:
        """Tell what became of a request for a pair (`DialbackRequested`)."""
        if pair not in self._requested or self.state != "ready":
            return
        self._requested.discard(pair)
        self._out.append(dialback.answer(pair, verdict))
        if verdict.accepted:
            if not self.is_authenticated:
                self.remote = pair.sender  # what the header claims may be another's name
            self._admitted.add(pair)
            self._trust()
            self._events.append(PairAdmitted(pair, "dialback"))
            if self.is_bidirectional:
                self._open(pair.inverse)

    def resume(self, session: Session, handled: int) -> bool:
        """Go on with a session that is this peer's (`ResumeRequested`); False if that cannot be."""
        if not self._may_continue(session) or not session.outbox.acknowledge(handled):
            self.refuse_resume(session)
            return False
        self._out.append(sm.resumed(session))
        self._use()
        self._continue(session)
        return True

    def refuse_resume(self, session: Session | None) -> None:
        """Say that there is no such session, or that it is over (XEP-0198 §5)."""
        self._out.append(sm.failed("item-not-found", None if session is None else session.handled))

    # the header

    def _header(self, element: Element) -> None:
        """RFC 6120 §4.7.1, §4.7.2: who is asked for, and by whom."""
        claimed, to = element.get("from") or "", domain_of(element.get("to"))
        remote = domain_of(claimed)
        self._claimed = (element.get("version") or "").partition(".")[0]
        if not self._hosts(to):
            return self.fail("host-unknown")
        if (claimed and not remote) or "@" in claimed or "/" in claimed or self._hosts(remote):
            return self.fail("invalid-from")
        if self._certified and (remote not in self._certified or to != self.local):
            return self.fail("invalid-from", "authentication was for other domains")
        self.local, self.remote = to, remote
        if self._certified:
            return self._answer_header()
        self.state = "awaiting_greeting"
        return self._events.append(Opened(to, remote))

    def _answer_header(self) -> None:
        self.state = "ready"
        self._send_header()
        if self._claimed != "1" and self._greeting.encryption == "required" and not self.is_secure:
            return self.fail("unsupported-version", "TLS is required")
        if self._claimed == "1":
            self._out.append(self._offer().encode())
        if self._certified and self.is_bidirectional:
            self._open(Pair(self.local, self.remote))

    def _send_header(self) -> None:
        self.id = self._new_id()
        self._out.append(self._own_header())

    def _before_error(self) -> None:
        if not self.id:
            self._send_header()

    def _offer(self) -> str:
        """RFC 6120 §4.3.2: the features, as far as they can be used now."""
        clear = not self.is_secure
        usable = self.is_secure or self._greeting.encryption != "required"
        required = "<required/>" if self._greeting.encryption == "required" else ""
        offers = [
            (self._may_start_tls(), f"<starttls xmlns='{NS_TLS}'>{required}</starttls>"),
            (
                not clear and self._may_authenticate(),
                f"<mechanisms xmlns='{NS_SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>",
            ),
            (usable, f"<dialback xmlns='{NS_DIALBACK_FEATURE}'><errors/></dialback>"),
            (not self.is_bidirectional, "<bidi xmlns='urn:xmpp:features:bidi'/>"),
            (usable, f"<sm xmlns='{NS_SM}'/>"),
        ]
        offered = "".join(feature for offer, feature in offers if offer)
        return f"<stream:features>{offered}{self._advertised()}</stream:features>"

    def _advertised(self) -> str:
        """XEP-0478: what we take, now that the peer is known or not."""
        size = f"<max-bytes>{self._limits.stanza_bytes}</max-bytes>"
        idle = f"<idle-seconds>{self._idle_seconds:.0f}</idle-seconds>"
        return f"<limits xmlns='{NS_LIMITS}'>{size}{idle}</limits>"

    def _may_start_tls(self) -> bool:
        return not self.is_secure and self._greeting.encryption != "never"

    def _may_authenticate(self) -> bool:
        """XEP-0178 §3: EXTERNAL is offered to whom it would let in."""
        return bool(self.remote) and not self._greeting.problem and not self.is_authenticated

    def _trust(self) -> None:
        self._limits = self._parser.limits = self._trusted

    # TLS and SASL

    def _starttls(self, _: Element) -> None:
        if not self._may_start_tls() or self.is_authenticated:
            self._out.append(f"<failure xmlns='{NS_TLS}'/>".encode() + END)
            return self.receive_eof()
        self._out.append(f"<proceed xmlns='{NS_TLS}'/>".encode())
        self.state = "starting_tls"
        self.forget()
        self._requested.clear()
        self._unopened.clear()
        self._restart()
        return self._events.append(StartTls())

    def _auth(self, element: Element) -> None:
        if element.get("mechanism") != "EXTERNAL":
            return self._refuse("invalid-mechanism")
        if not element.text().strip():
            return self._out.append(f"<challenge xmlns='{NS_SASL}'/>".encode())
        return self._response(element)

    def _response(self, element: Element) -> None:
        """XEP-0178 §3: the identity asked for, if any, is the one in the stream's header."""
        try:
            text = element.text().strip()
            identity = "" if text in ("", "=") else b64decode(text, validate=True).decode()
        except ValueError:
            return self._refuse("incorrect-encoding")
        if identity and domain_of(identity) != self.remote:
            return self._refuse("invalid-authzid")
        if not self.is_secure or not self._may_authenticate():
            return self._refuse("not-authorized", self._greeting.problem)
        self._certified.add(self.remote)
        self._limits = self._trusted
        self._requested.clear()
        self._out.append(f"<success xmlns='{NS_SASL}'/>".encode())
        self._restart()
        self.state = "awaiting_header"
        return self._events.append(PairAdmitted(Pair(self.remote, self.local), "certificate"))

    def _refuse(self, condition: str, text: str = "") -> None:
        told = f"<text xml:lang='en'>{text}</text>" if text else ""
        self._out.append(f"<failure xmlns='{NS_SASL}'><{condition}/>{told}</failure>".encode())
        self._tries += 1
        if self._tries >= AUTH_TRIES:
            self.fail("policy-violation", "too many attempts to authenticate")

    # dialback, from the receiving server's side

    def _dialback_request(self, element: Element) -> None:
        pair, key = self._pair_of(element), element.text().strip()
        if not pair.sender or not pair.target:
            return self.fail("improper-addressing")
        refusal = self._refusal(pair)
        if refusal:
            return self._out.append(dialback.answer(pair, Verdict(False, refusal)))
        if pair not in self._requested:
            self._requested.add(pair)
            self._events.append(DialbackRequested(pair, self.id, key))
        return None

    def _refusal(self, pair: Pair) -> str:
        """XEP-0220 §2.5: why a pair is refused unseen, "" if it is not."""
        if not self._hosts(pair.target):
            return "item-not-found"
        if self._hosts(pair.sender):
            return "not-authorized"
        if not self.is_secure and self._greeting.encryption == "required":
            return "policy-violation"
        pending = PENDING_LIMIT if self.is_authenticated else STRANGER_REQUESTS
        if len(self._requested) >= pending or len(self._admitted) >= PAIR_LIMIT:
            return "resource-constraint"
        return ""

    def _bidi(self, element: Element) -> None:
        """XEP-0288 §2.2: before the peer has proven anything."""
        if not self.is_authenticated and not self._requested:
            self.is_bidirectional = True
            self._read_limits(element)

    def _open(self, pair: Pair) -> None:
        """XEP-0198 §4: what we send counts from the peer's wish on; what went before it could be lost."""
        if self._is_used:
            super()._open(pair)
        else:
            self._unopened.append(pair)

    def _use(self) -> None:
        self._is_used = True
        unopened, self._unopened = self._unopened, []
        for pair in unopened:
            super()._open(pair)

    def _admit(self, sender: str, target: str) -> bool:
        is_admitted = super()._admit(sender, target)
        if is_admitted and not self._is_used:
            self._use()
        return is_admitted

    # stream management

    def _enable(self, element: Element) -> None:
        if self.session is not None or not self.is_authenticated:
            return self._out.append(sm.failed("unexpected-request"))
        session = self._new_session()
        if sm.is_true(element.get("resume")):
            session.id = self._new_id()
            self._events.append(SessionOpened(session))
        self._out.append(sm.enabled(session.id, SESSION_SECONDS))
        return self._use()

    def _resume_request(self, element: Element) -> None:
        handled = sm.read_handled(element)
        if self.session is not None or not self.is_authenticated or handled is None:
            return self._out.append(sm.failed("unexpected-request"))
        return self._events.append(ResumeRequested(element.get("previd") or "", handled))

    table: ClassVar[dict[tuple[State, Input], str]] = {
        **SHARED,
        ("awaiting_header", "header"): "_header",
        ("ready", "starttls"): "_starttls",
        ("ready", "auth"): "_auth",
        ("ready", "response"): "_response",
        ("ready", "bidi"): "_bidi",
        ("ready", "dialback_request"): "_dialback_request",
        ("ready", "enable"): "_enable",
        ("ready", "resume"): "_resume_request",
        ("ready", "error"): "_error",
        ("ready", "closing_tag"): "_closing_tag",
    }
