"""Between Jingle's requests and their `Step`s; it knows who made which content (XEP-0166 §7.3)."""

from __future__ import annotations

from bridge.calls import Ending, SessionDescription
from bridge.errors import BridgeError, Trouble
from bridge.services.calls.steps import NOTHING, Step
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.jingle import (
    INITIATOR,
    RESPONDER,
    Action,
    Condition,
    Jingle,
    Unacceptable,
    build_content,
    jingle_error,
    name_of,
)
from bridge.xmpp.payloads.jingle_ice import build_transport, parse_endpoints
from bridge.xmpp.payloads.jingle_rtp import (
    build_contents,
    build_groups,
    flow_of,
    parse_description,
    senders_of,
)

DESCRIBED = frozenset(
    {Action.SESSION_INITIATE, Action.SESSION_ACCEPT, Action.CONTENT_ADD, Action.CONTENT_ACCEPT}
)
"""Actions whose contents are there in full."""
TRANSPORTS = frozenset({Action.TRANSPORT_INFO, Action.TRANSPORT_REPLACE, Action.TRANSPORT_ACCEPT})
NEW = frozenset({Action.SESSION_INITIATE, Action.CONTENT_ADD})
"""Actions that make contents."""


class Wire:
    """The contents of one session by their names; `own` is our JID in it, `is_initiator`: we began it."""

    def __init__(self, sid: str, own: str, *, is_initiator: bool) -> None:
        self.sid = sid
        self._own = own
        self._is_initiator = is_initiator
        self._creators: dict[str, str] = {}

    # ---- read

    def read(self, request: Jingle) -> Step:
        """Return what the other side asks; BAD_REQUEST, or out-of-order for contents that are not there."""
        action = request.action
        names = tuple(name_of(content) for content in request.contents)
        if action not in NEW and action is not Action.DESCRIPTION_INFO:
            self._check(request)
        description, flaw = self._description(request)
        flows = {}
        if action is Action.CONTENT_MODIFY:
            for content in request.contents:
                if content.get("senders") is None:
                    raise BridgeError(Trouble.BAD_REQUEST)
                flows[name_of(content)] = flow_of(content.get("senders"), not self._is_initiator)
        return Step(
            action=action,
            description=description,
            names=names,
            flows=flows,
            endpoints=parse_endpoints(request) if action in TRANSPORTS else {},
            payloads=request.payloads,
            reason=request.reason,
            flaw=flaw,
        )

    def _check(self, request: Jingle) -> None:
        """A name is enough: COMPAT stanza.js 12 says of every content that the initiator made it."""
        if any(name_of(content) not in self._creators for content in request.contents):
            raise jingle_error(Condition.OUT_OF_ORDER)

    def _description(self, request: Jingle) -> tuple[SessionDescription, Ending | None]:
        if request.action not in DESCRIBED:
            return NOTHING, None
        try:
            description = parse_description(request, not self._is_initiator)
        except Unacceptable as refusal:
            return NOTHING, refusal.ending
        return (description, None) if is_protected(description) else (NOTHING, Ending.SECURITY)

    def made(self, step: Step, *, by_us: bool) -> None:
        """Remember who made the contents of a step that was taken."""
        creator = INITIATOR if by_us is self._is_initiator else RESPONDER
        if step.action in NEW:
            names = (content.name for content in step.description.contents)
            self._creators.update(dict.fromkeys((*names, *step.names), creator))

    def gone(self, names: tuple[str, ...]) -> None:
        """Forget contents that are no more."""
        for name in names:
            self._creators.pop(name, None)

    # ---- write

    def write(self, step: Step) -> Jingle:
        """Return the request that asks for a step of ours."""
        contents: list[Element] = []
        for content in step.description.contents:
            alone = SessionDescription(contents=(content,))
            contents += build_contents(alone, self._creator(content.name), self._is_initiator)
        if step.action is Action.DESCRIPTION_INFO:  # XEP-0167 §9: nothing but descriptions
            for element in contents:
                element.children = [one for one in element.elements() if one.name == "description"]
        for name in step.names:
            contents.append(build_content(self._creator(name), name))
        for name, flow in step.flows.items():
            senders = senders_of(flow, self._is_initiator)
            contents.append(build_content(self._creator(name), name, senders=senders))
        for name, endpoint in step.endpoints.items():
            contents.append(build_content(self._creator(name), name, build_transport(endpoint)))
        return Jingle(
            action=step.action,
            sid=self.sid,
            initiator=self._own if step.action is Action.SESSION_INITIATE else "",
            responder=self._own if step.action is Action.SESSION_ACCEPT else "",
            contents=tuple(contents),
            reason=step.reason,
            payloads=(*step.payloads, *build_groups(step.description)),
        )

    def _creator(self, name: str) -> str:
        return self._creators.get(name) or (INITIATOR if self._is_initiator else RESPONDER)


def is_protected(description: SessionDescription) -> bool:
    """Tell whether DTLS protects everything (XEP-0320): what is said is for nobody on the way to hear.

    The contents of a bundle share what protects one of them.
    """
    shown = {content.name for content in description.contents if content.endpoint.fingerprint is not None}
    for bundle in description.bundles:
        if shown.intersection(bundle):
            shown.update(bundle)
    return all(content.name in shown for content in description.contents)
