"""The stream that we open to another server (RFC 6120 §4–6, XEP-0178, XEP-0220, XEP-0288)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import ClassVar, Literal

from bridge.xmpp import dialback
from bridge.xmpp import stream_management as sm
from bridge.xmpp.dialback import NS_DIALBACK_FEATURE, Keys, Pair, Verdict
from bridge.xmpp.element import Element
from bridge.xmpp.server_stream import (
    NS_BIDI,
    NS_LIMITS,
    NS_SASL,
    NS_TLS,
    SHARED,
    Encryption,
    Input,
    ServerStream,
    State,
)
from bridge.xmpp.stream_events import PairRefused, Ready, SessionLost, StartTls
from bridge.xmpp.stream_management import NS_SM, Session
from bridge.xmpp.xml import Limits

NS_BIDI_FEATURE = "urn:xmpp:features:bidi"
OPEN: tuple[State, ...] = (
    "awaiting_header",
    "awaiting_features",
    "awaiting_proceed",
    "awaiting_success",
    "ready",
)
"""States in which the peer may end the stream."""


class OutgoingStream(ServerStream):
    """A stream from `local` to `remote`.

    `certificate_required`: the peer has to prove itself by its certificate. `external`: we have a
    certificate of our own to show. `bidirectional`: the peer may use the stream for its own stanzas.
    `session` is that of a former stream to the same peer, to go on with.
    """

    def __init__(
        self,
        local: str,
        remote: str,
        keys: Keys,
        hosts: Callable[[str], bool],
        limits: Limits,
        *,
        encryption: Encryption,
        certificate_required: bool,
        external: bool,
        bidirectional: bool,
        session: Session | None = None,
    ) -> None:
        super().__init__(keys, hosts, limits)
        self.local, self.remote = local, remote
        self.pair = Pair(local, remote)
        self.has_dialback = False
        self.has_dialback_errors = False
        """Whether the peer answers a refused pair with an error, and other domains may be asked for."""
        self.problem = "the stream is not encrypted"
        """What is wrong with the peer's certificate, "" if nothing is."""
        self.tried_external = False
        """Whether our certificate was shown, whatever the peer made of it."""
        self._encryption = encryption
        self._certificate_required = certificate_required
        self._external = external
        self._bidirectional = bidirectional
        self.former = session
        """The session to go on with, as long as it is not known whether it does."""
        self._management: Literal["none", "resuming", "enabling", "settled"] = "none"
        self._unopened: list[Pair] = []
        """Pairs that the peer has accepted before stream management was settled."""
        self._features = Element("features", "")
        self._is_authenticated = False

    def start(self) -> None:
        """Open the stream; with direct TLS, after `tls_started`."""
        self.state = "awaiting_header"
        self._out.append(self._own_header())

    def tls_started(self, problem: str) -> None:
        """Go on under TLS; `problem` says what is wrong with the peer's certificate, "" if nothing is."""
        self.is_secure = True
        self.problem = problem
        if self.state == "starting_tls":
            self.start()

    def authenticate(self) -> None:
        """Ask the peer to take the stream's own pair: by certificate if possible, else by dialback."""
        if self._bidirectional and self._offers("bidi", NS_BIDI_FEATURE) and not self.is_bidirectional:
            self.is_bidirectional = True
            limits = (
                f"<limits xmlns='{NS_LIMITS}'><max-bytes>{self._limits.stanza_bytes}</max-bytes></limits>"
            )
            self._out.append(f"<bidi xmlns='{NS_BIDI}'>{limits}</bidi>".encode())
        if self._external and self.is_secure and "EXTERNAL" in self._mechanisms():
            self.state = "awaiting_success"
            self.tried_external = True
            identity = b64encode(self.local.encode()).decode()
            self._out.append(f"<auth xmlns='{NS_SASL}' mechanism='EXTERNAL'>{identity}</auth>".encode())
        else:
            self._fall_back("not-authorized")

    def _fall_back(self, condition: str) -> None:
        """Where the certificate is of no use, dialback may be; else the pair is refused for `condition`."""
        if not self.has_dialback or not self.request_pair(self.pair):
            self._events.append(PairRefused(self.pair, condition))

    # negotiation

    def _header(self, element: Element) -> None:
        self.id = element.get("id") or ""
        if (element.get("version") or "").startswith("1."):
            self.state = "awaiting_features"
            return
        self.has_dialback = True  # all that servers of RFC 3920's time and before have
        self._negotiated(Element("features", ""))

    def _features_offered(self, features: Element) -> None:
        self._features = features
        self._read_limits(features)
        if self._offers("starttls", NS_TLS) and not self.is_secure and self._encryption != "never":
            self.state = "awaiting_proceed"
            self._out.append(f"<starttls xmlns='{NS_TLS}'/>".encode())
            return
        offered = features.child("dialback", NS_DIALBACK_FEATURE)
        has_sasl = bool(self._mechanisms()) or self._is_authenticated
        self.has_dialback = offered is not None or not has_sasl
        self.has_dialback_errors = offered is not None and offered.child("errors") is not None
        self._negotiated(features)

    def _negotiated(self, features: Element) -> None:
        """All is known that is offered: enough for our policy, and for the peer's?"""
        starttls = features.child("starttls", NS_TLS)
        if not self.is_secure and self._encryption == "required":
            return self.fail("policy-violation", "TLS is required")
        if starttls is not None and starttls.child("required", NS_TLS) is not None:
            return self.fail("policy-violation", "no TLS is allowed for this domain")
        if self._certificate_required and self.problem:
            return self.fail("policy-violation", f"a valid certificate is required: {self.problem}")
        self.state = "ready"
        if self._is_authenticated:
            return self._open(self.pair)
        return self._events.append(Ready())

    def _proceed(self, _: Element) -> None:
        self.state = "starting_tls"
        self._restart()
        self._events.append(StartTls())

    def _tls_failure(self, _: Element) -> None:
        self.fail("policy-violation", "the peer could not start TLS")

    def _success(self, _: Element) -> None:
        self._is_authenticated = True
        self._restart()
        self.start()

    def _failure(self, _: Element) -> None:
        self._external = False
        self.state = "ready"
        self._fall_back("not-authorized")

    def _offers(self, name: str, namespace: str) -> bool:
        return self._features.child(name, namespace) is not None

    def _mechanisms(self) -> set[str]:
        mechanisms = self._features.child("mechanisms", NS_SASL)
        return set() if mechanisms is None else {each.text().strip() for each in mechanisms.elements()}

    def _dialback_request(self, element: Element) -> None:
        """XEP-0288 §2.3: for more pairs of its own, which the peer may ask for, it has to open a stream."""
        self._out.append(dialback.answer(self._pair_of(element), Verdict(False, "policy-violation")))

    # stream management begins with the first pair

    def _open(self, pair: Pair) -> None:
        """XEP-0198 §4: stanzas wait for the peer's answer; without its name a session cannot be resumed."""
        if self._management == "settled":
            return super()._open(pair)
        if self.is_bidirectional:
            self._admitted.add(pair.inverse)  # the peer need not wait
        self._unopened.append(pair)
        if self._management == "none":
            self._manage()
        return None

    def _manage(self) -> None:
        former = self.former
        if not self._offers("sm", NS_SM):
            self._settle()
        elif former is not None and former.id and self._may_continue(former):
            self._management = "resuming"
            self._out.append(sm.resume(former))
        else:
            self._enable()

    def _enable(self) -> None:
        self._management = "enabling"
        self._out.append(sm.enable())

    def _enabled(self, element: Element) -> None:
        if self._management != "enabling":
            return
        session = self._new_session()
        if sm.is_true(element.get("resume")):
            session.id = element.get("id") or ""
        self._settle()

    def _resumed(self, element: Element) -> None:
        former, handled = self.former, sm.read_handled(element)
        if self._management != "resuming" or former is None:
            return
        if handled is None or not former.outbox.acknowledge(handled):
            return self.fail("undefined-condition", "more was acknowledged than sent")
        self.former = None
        self._settle()
        self._continue(former)

    def _failed(self, element: Element) -> None:
        """XEP-0198 §5: the session is over, but for what the peer had handled; or none was granted."""
        if self._management == "resuming" and self.former is not None:
            handled = sm.read_handled(element)
            if handled is not None:
                self.former.outbox.acknowledge(handled)
            self._enable()
        elif self._management == "enabling":
            self._settle()

    def _is_counted(self) -> bool:
        return super()._is_counted() or self._management in ("enabling", "resuming")

    def _settle(self) -> None:
        """Open what waited, and give up the session that does not go on, for now there is another way."""
        self._management = "settled"
        unopened, self._unopened = self._unopened, []
        for pair in unopened:
            super()._open(pair)
        former, self.former = self.former, None
        if former is not None:
            self._events.append(SessionLost(former))

    table: ClassVar[dict[tuple[State, Input], str]] = {
        **SHARED,
        ("awaiting_header", "header"): "_header",
        ("awaiting_features", "features"): "_features_offered",
        ("awaiting_proceed", "proceed"): "_proceed",
        ("awaiting_proceed", "tls_failure"): "_tls_failure",
        ("awaiting_success", "success"): "_success",
        ("awaiting_success", "failure"): "_failure",
        ("awaiting_success", "verify_answer"): "_verify_answer",
        ("awaiting_features", "verify_answer"): "_verify_answer",
        ("ready", "dialback_request"): "_dialback_request",
        ("ready", "enabled"): "_enabled",
        ("ready", "resumed"): "_resumed",
        ("ready", "failed"): "_failed",
        **{(state, "error"): "_error" for state in OPEN},
        **{(state, "closing_tag"): "_closing_tag" for state in OPEN},
    }
