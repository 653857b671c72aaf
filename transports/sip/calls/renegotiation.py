"""What a later offer of a SIP peer means to XMPP: nothing, a hold, or other media.

`Flow`s are as the authors of descriptions see them.
"""

from __future__ import annotations

from msgspec.structs import replace

from bridge.calls import Codec, Content, Endpoint, Flow, SessionDescription, Setup

_SENDS = frozenset({Flow.BOTH, Flow.SENDS})
_RECEIVES = frozenset({Flow.BOTH, Flow.RECEIVES})


def flow_of(sends: bool, receives: bool) -> Flow:
    """Return the flow that does these."""
    if sends:
        return Flow.BOTH if receives else Flow.SENDS
    return Flow.RECEIVES if receives else Flow.NONE


def is_held(description: SessionDescription) -> bool:
    """Tell whether its author takes nothing of any medium."""
    return bool(description.contents) and not any(one.flow in _RECEIVES for one in description.contents)


def with_hold(description: SessionDescription, held: bool) -> SessionDescription:
    """Return it so that its author takes nothing, or does again (RFC 3264 §8.4)."""
    contents = tuple(replace(one, flow=flow_of(one.flow in _SENDS, not held)) for one in description.contents)
    return replace(description, contents=contents)


def agreed(offer: SessionDescription, answer: SessionDescription) -> SessionDescription:
    """Return of an offer what its answer has taken."""
    taken = {one.name for one in answer.contents}
    return replace(offer, contents=tuple(one for one in offer.contents if one.name in taken))


def is_unchanged(known: SessionDescription, offered: SessionDescription) -> bool:
    """Tell whether who knows one description can go on as if there were no other.

    It has the same contents at the same ends, each with a format that is known by the same number.
    """
    before = {one.name: one for one in known.contents}
    return before.keys() == {one.name for one in offered.contents} and all(
        _fits(before[one.name], one) for one in offered.contents
    )


def answer_as_before(
    offered: SessionDescription, own: SessionDescription, known: SessionDescription, held: bool
) -> SessionDescription:
    """Return what XMPP would answer to an offer that is unchanged to it.

    `own` is what it said of itself last, `known` what it knows of the peer; `held` tells that its user holds.
    """
    ends = {one.name: one.endpoint for one in own.contents}
    formats = {one.name: {_format(codec) for codec in one.codecs} for one in known.contents}
    contents = tuple(
        replace(
            one,
            endpoint=_answering(ends[one.name]),
            codecs=tuple(codec for codec in one.codecs if _format(codec) in formats[one.name]),
            flow=flow_of(one.flow in _RECEIVES, one.flow in _SENDS and not held),
            sources=(),
            groups=(),
        )
        for one in offered.contents
        if one.name in ends
    )
    return replace(offered, contents=contents)


def _fits(before: Content, now: Content) -> bool:
    common = {_format(codec) for codec in before.codecs} & {_format(codec) for codec in now.codecs}
    return (
        before.kind is now.kind
        and _end(before.endpoint) == _end(now.endpoint)
        and any(name != "telephone-event" for _, name, _, _ in common)
    )


def _format(codec: Codec) -> tuple[int, str, int, int]:
    return codec.payload, codec.name.lower(), codec.clock, codec.channels


def _end(endpoint: Endpoint) -> tuple[str, str, str]:
    fingerprint = endpoint.fingerprint
    return endpoint.ufrag, endpoint.password, fingerprint.value if fingerprint else ""


def _answering(endpoint: Endpoint) -> Endpoint:
    """Whoever left it open who begins the handshake, began it (RFC 5763 §5)."""
    fingerprint = endpoint.fingerprint
    if fingerprint is None or fingerprint.setup is not Setup.ACTPASS:
        return endpoint
    return replace(endpoint, fingerprint=replace(fingerprint, setup=Setup.ACTIVE))
