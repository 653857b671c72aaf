"""Jingle's steps from one description to another, as values.

Jingle tells what changes (XEP-0166 §7.2), a `CallUpdate` what is to be from then on.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, structs

from bridge.calls import Content, Ending, Endpoint, Flow, SessionDescription
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.jingle import Action, Condition, Reason, jingle_error

NOTHING = SessionDescription(contents=())
_REVERSED = {Flow.SENDS: Flow.RECEIVES, Flow.RECEIVES: Flow.SENDS}


class Step(Struct, frozen=True, kw_only=True):
    """One request of a session; what its action does not have is empty.

    `description` are the contents that are there in full and can be had, `names` all that are named. Flows
    and endpoints are by the names of contents, as the author of the step sees them. `flaw` says why no
    content can be had.
    """

    action: Action
    description: SessionDescription = NOTHING
    names: tuple[str, ...] = ()
    flows: Mapping[str, Flow] = {}
    endpoints: Mapping[str, Endpoint] = {}
    payloads: tuple[Element, ...] = ()
    reason: Reason | None = None
    flaw: Ending | None = None


def names_of(description: SessionDescription) -> tuple[str, ...]:
    """Return the names of its contents."""
    return tuple(content.name for content in description.contents)


def reverse(flow: Flow) -> Flow:
    """Return how the other side sees a flow."""
    return _REVERSED.get(flow, flow)


def mirror(description: SessionDescription, other: SessionDescription) -> SessionDescription:
    """Return the description with each flow as it follows from the other side's."""
    flows = {content.name: reverse(content.flow) for content in other.contents}
    return _with_flows(description, flows)


def only(description: SessionDescription, names: tuple[str, ...]) -> SessionDescription:
    """Return it with those contents alone."""
    contents = tuple(content for content in description.contents if content.name in names)
    return SessionDescription(contents=contents, bundles=_bundles(description.bundles, contents))


def without(description: SessionDescription, names: tuple[str, ...]) -> SessionDescription:
    """Return it without these contents."""
    return only(description, tuple(name for name in names_of(description) if name not in names))


def merge(description: SessionDescription, other: SessionDescription) -> SessionDescription:
    """Return it with the contents of the other, which replace those of their names."""
    contents = {content.name: content for content in (*description.contents, *other.contents)}
    found = tuple(contents.values())
    bundles = [*description.bundles]
    for bundle in other.bundles:
        endpoint = contents[bundle[0]].endpoint
        shared = [one for one in bundles if _meets(contents[one[0]].endpoint, endpoint)]
        bundles = [one for one in bundles if one not in shared]
        bundles.append(tuple(dict.fromkeys(name for one in (*shared, bundle) for name in one)))
    return SessionDescription(contents=found, bundles=_bundles(tuple(bundles), found))


def _meets(endpoint: Endpoint, other: Endpoint) -> bool:
    """Tell whether two contents are reached in one place: then they share a bundle (RFC 9143)."""
    return bool(endpoint.ufrag) and endpoint.ufrag == other.ufrag


def _bundles(
    bundles: tuple[tuple[str, ...], ...], contents: tuple[Content, ...]
) -> tuple[tuple[str, ...], ...]:
    there = {content.name for content in contents}
    left = (tuple(name for name in bundle if name in there) for bundle in bundles)
    return tuple(bundle for bundle in left if bundle)


def after(description: SessionDescription, step: Step) -> SessionDescription:
    """Return what its author's description is once the step is taken; out-of-order if it cannot be."""
    there = names_of(description)
    new = names_of(step.description)
    named = {*step.flows, *step.endpoints, *(() if step.action is Action.CONTENT_ADD else step.names)}
    if not named.issubset(there) or set(new).intersection(there) or not (named or new):
        raise jingle_error(Condition.OUT_OF_ORDER)
    if step.action is Action.CONTENT_ADD:
        return merge(description, step.description)
    if step.action is Action.CONTENT_REMOVE:
        return without(description, step.names)
    if step.action is Action.CONTENT_MODIFY:
        return _with_flows(description, step.flows)
    return _with_endpoints(description, step.endpoints)


def _with_flows(description: SessionDescription, flows: Mapping[str, Flow]) -> SessionDescription:
    contents = (
        structs.replace(content, flow=flows.get(content.name, content.flow))
        for content in description.contents
    )
    return structs.replace(description, contents=tuple(contents))


def _with_endpoints(description: SessionDescription, told: Mapping[str, Endpoint]) -> SessionDescription:
    """Contents of one bundle share what is said of any of them (RFC 9143)."""
    shared = dict(told)
    for bundle in description.bundles:
        first = next((told[name] for name in bundle if name in told), None)
        if first is not None:
            shared.update({name: shared.get(name, first) for name in bundle})
    contents = (
        structs.replace(content, endpoint=_follow(content.endpoint, shared.get(content.name)))
        for content in description.contents
    )
    return structs.replace(description, contents=tuple(contents))


def _follow(old: Endpoint, new: Endpoint | None) -> Endpoint:
    """A restart of ICE need not repeat the certificate (XEP-0320 §2)."""
    if new is None or new.fingerprint is not None or not new.ufrag:
        return old if new is None else new
    return structs.replace(new, fingerprint=old.fingerprint)


def steps(old: SessionDescription, new: SessionDescription) -> list[Step]:
    """Return the steps that its author takes from one description to another, none if they are the same."""
    before = {content.name: content for content in old.contents}
    gone = tuple(name for name in before if name not in names_of(new))
    added = tuple(content for content in new.contents if content.name not in before)
    kept = [(before[content.name], content) for content in new.contents if content.name in before]
    replaced = {now.name: now.endpoint for was, now in kept if _is_elsewhere(was.endpoint, now.endpoint)}
    restarted = {
        now.name: now.endpoint
        for was, now in kept
        if now.name not in replaced and is_restart(was.endpoint, now.endpoint)
    }
    told = tuple(now for was, now in kept if (was.codecs, was.sources) != (now.codecs, now.sources))
    flows = {now.name: now.flow for was, now in kept if was.flow is not now.flow}
    found = [
        Step(action=Action.CONTENT_REMOVE, names=gone),
        Step(
            action=Action.CONTENT_ADD,
            description=SessionDescription(contents=added, bundles=new.bundles if added else ()),
        ),
        Step(action=Action.TRANSPORT_REPLACE, endpoints=replaced),
        Step(action=Action.TRANSPORT_INFO, endpoints=restarted),
        Step(action=Action.DESCRIPTION_INFO, description=SessionDescription(contents=told)),
        Step(action=Action.CONTENT_MODIFY, flows=flows),
    ]
    return [step for step in found if step.names or step.description.contents or step.endpoints or step.flows]


def is_restart(was: Endpoint, now: Endpoint) -> bool:
    """Tell whether ICE begins again (XEP-0176 §5.5): by other credentials."""
    return bool(now.ufrag) and (was.ufrag, was.password) != (now.ufrag, now.password)


def _is_elsewhere(was: Endpoint, now: Endpoint) -> bool:
    """Tell whether media go to somebody else: another certificate, or without ICE another address."""
    if bool(was.ufrag) is not bool(now.ufrag):
        return True
    if not now.ufrag:
        return was.candidates != now.candidates
    return _certificate(was) != _certificate(now)


def _certificate(endpoint: Endpoint) -> tuple[str, str] | None:
    shown = endpoint.fingerprint
    return None if shown is None else (shown.hash, shown.value)
