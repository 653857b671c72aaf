"""Does what the machines of calls want, in order: each thing leads to others, which wait for their turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import assert_never

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.network import CallQuery, Network
from bridge.router import Request, Router
from bridge.services.calls.call import Call
from bridge.services.calls.outputs import NEVER, Announce, Ask, Consult, Explain, Output, Party, Ping, Tell
from bridge.services.calls.placed import Placed
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.hints import NO_COPY, STORE, build_hint, build_private
from bridge.xmpp.payloads.jingle import build_jingle
from bridge.xmpp.payloads.jingle_message import JingleMessage, build_jingle_message
from bridge.xmpp.payloads.nick import build_nick
from bridge.xmpp.payloads.ping import NS_PING
from bridge.xmpp.stanza import NS_COMPONENT

ID_PREFIX = "call-"
"""What the ids of our messages about calls begin with."""


class Agenda:
    """See the module's docstring.

    `admitted` is told of calls that the network takes, `over` of those that are; each input of a call is
    given in a `run`, which does what comes of it.
    """

    log = Logger()

    def __init__(
        self,
        router: Router,
        network: Network,
        clock: IReactorTime,
        admitted: Callable[[Placed], None],
        over: Callable[[Call], None],
    ) -> None:
        self._router = router
        self._network = network
        self._clock = clock
        self._admitted = admitted
        self._over = over
        self._queue: deque[tuple[Call, Output]] = deque()
        self._touched: dict[Call, None] = {}
        self._timers: dict[Call, IDelayedCall] = {}
        self._is_running = False

    def emitter(self, party: Party, make: Callable[[Callable[[Output], None]], Call]) -> Call:
        """Return a new call, made with the function that takes what it wants done."""
        call = make(lambda output: self._queue.append((call, output)))
        return call

    def run(self, call: Call | None = None) -> None:
        """Do all that waits; `call` has changed."""
        if call is not None:
            self._touched[call] = None
        if self._is_running:
            return
        self._is_running = True
        try:
            while self._queue or self._touched:
                while self._queue:
                    subject, output = self._queue.popleft()
                    self._touched[subject] = None
                    self._do(subject, output)
                touched, self._touched = self._touched, {}
                for one in touched:
                    self._look(one)
        finally:
            self._is_running = False

    def _look(self, call: Call) -> None:
        """Forget a call that is over, else see when something of it is due."""
        timer = self._timers.pop(call, None)
        if timer is not None and timer.active():
            timer.cancel()
        if call.is_over:
            self._over(call)
        elif call.deadline != NEVER:
            due = max(0.0, call.deadline - self._clock.seconds())
            self._timers[call] = self._clock.callLater(due, self._wake, call)

    def _wake(self, call: Call) -> None:
        call.wake()
        self.run(call)

    def _do(self, call: Call, output: Output) -> None:
        try:
            match output:
                case Tell(event=event):
                    self._network.submit(call.party.user, event)
                case Consult():
                    self._consult(call, output)
                case Ask():
                    self._ask(call, output)
                case Ping(device=device):
                    self._request(call, device, Element("ping", NS_PING)).addCallback(
                        lambda error: self._replied(call, lambda: call.ponged(device, error))
                    )
                case Announce():
                    self._announce(call, output)
                case Explain(text=text):
                    self._message(
                        call.party, call.party.user, "note", Element("body", NS_COMPONENT, None, text)
                    )
                case _:
                    assert_never(output)
        except Exception:
            self.log.failure("a step of a call failed", Failure())

    # ---- questions

    def _consult(self, call: Call, output: Consult) -> None:
        assert isinstance(call, Placed)
        query = CallQuery(contact=call.party.contact, kinds=output.kinds)
        asked = self._network.ask(call.party.user, query).addErrback(self._unexpected)
        asked.addCallback(lambda answer: self._consulted(call, answer))

    def _consulted(self, call: Placed, answer: object) -> None:
        if isinstance(answer, BridgeError):
            call.refused(answer)
        elif not call.is_over:
            self._admitted(call)
        self.run(call)

    def _ask(self, call: Call, output: Ask) -> None:
        device, step = output.device, output.step
        self._request(call, device, build_jingle(output.request)).addCallback(
            lambda error: self._replied(call, lambda: call.replied(device, step, error))
        )

    def _request(self, call: Call, device: str, payload: Element) -> Deferred[BridgeError | None]:
        """Send an iq; fires with what is wrong, None if nothing is."""
        iq = Element("iq", NS_COMPONENT, {"type": "set", "from": call.party.jid, "to": device}, payload)
        if payload.namespace == NS_PING:
            iq.attributes["type"] = "get"
        return self._router.request(iq).addCallbacks(lambda _result: None, self._unexpected)

    def _replied(self, call: Call, reply: Callable[[], None]) -> None:
        reply()
        self.run(call)

    def _unexpected(self, failure: Failure) -> BridgeError:
        if isinstance(failure.value, BridgeError):
            return failure.value
        self.log.failure("a question about a call failed", failure)
        return BridgeError(Trouble.INTERNAL)

    # ---- messages

    def _announce(self, call: Call, output: Announce) -> None:
        payloads = [build_jingle_message(output.told)]
        if call.party.nick and output.told.kinds:
            payloads.append(build_nick(call.party.nick))
        if output.private:
            payloads += [build_private(), build_hint(NO_COPY)]
        self._message(call.party, output.to, output.told.step.value, *payloads)

    def reply(self, request: Request, told: JingleMessage) -> None:
        """Answer a message about what is no call."""
        attributes = {"type": "chat", "from": str(request.to), "to": str(request.sender)}
        attributes["id"] = f"{ID_PREFIX}{told.step.value}-{told.sid}"
        content = build_jingle_message(told), build_hint(STORE)
        self._router.send(Element("message", NS_COMPONENT, attributes, *content))

    def _message(self, party: Party, to: str, about: str, *payloads: Element) -> None:
        """XEP-0353 §3: of type chat, to be kept."""
        attributes = {"type": "chat", "from": party.jid, "to": to, "id": f"{ID_PREFIX}{about}-{party.sid}"}
        self._router.send(Element("message", NS_COMPONENT, attributes, *payloads, build_hint(STORE)))
