"""Offers and answers of one session (RFC 3264): who has offered, what holds, what may come next.

The descriptions themselves are made by whoever has the media; here is checked that they fit.
"""

from __future__ import annotations

from enum import Enum

from msgspec.structs import replace

from transports.sip.wire.sdp import Description, Direction, is_of_many
from transports.sip.wire.uri import Malformed


class OfferState(Enum):
    """Whose offer waits for its answer."""

    STABLE = "stable"
    OFFERED = "offered by us"
    ASKED = "offered by the peer"


class OutOfTurn(ValueError):
    """An offer or answer came when it may not; `status` is what an offer's request gets."""

    def __init__(self, status: int) -> None:
        super().__init__("an offer or answer is out of turn")
        self.status = status


class Negotiation:
    """The offers and answers of a session: `local` and `remote` are what was agreed last, None before."""

    def __init__(self) -> None:
        self.state = OfferState.STABLE
        self.local: Description | None = None
        self.remote: Description | None = None
        self._pending: Description | None = None

    def offer(self, description: Description) -> Description:
        """Return our offer as it is to be sent, with its version. Raises OutOfTurn and Malformed."""
        if self.state is not OfferState.STABLE:
            raise OutOfTurn(491)
        check_offer(self.local, description)
        self._pending = self._versioned(description)
        self.state = OfferState.OFFERED
        return self._pending

    def receive_offer(self, description: Description) -> None:
        """Take in the peer's offer. Raises OutOfTurn, and Malformed, which gets 488.

        Two offers that cross get 491 each; a second one before the answer gets 500 (RFC 3261
        §14.2, RFC 3311 §5.2).
        """
        if self.state is OfferState.OFFERED:
            raise OutOfTurn(491)
        if self.state is OfferState.ASKED:
            raise OutOfTurn(500)
        check_offer(self.remote, description)
        self._pending = description
        self.state = OfferState.ASKED

    def answer(self, description: Description) -> Description:
        """Return our answer as it is to be sent, with its version. Raises OutOfTurn and Malformed."""
        if self.state is not OfferState.ASKED or self._pending is None:
            raise OutOfTurn(500)
        check_answer(self._pending, description)
        self.local, self.remote = self._versioned(description), self._pending
        self._settle()
        return self.local

    def receive_answer(self, description: Description) -> None:
        """Take in the peer's answer. Raises OutOfTurn, and Malformed: then the session cannot go on."""
        if self.state is not OfferState.OFFERED or self._pending is None:
            raise OutOfTurn(500)
        check_answer(self._pending, description)
        self.local, self.remote = self._pending, description
        self._settle()

    def refuse(self) -> None:
        """Forget the offer that waits, since its request failed: what was agreed before holds on."""
        self._settle()

    def _settle(self) -> None:
        self._pending = None
        self.state = OfferState.STABLE

    def _versioned(self, description: Description) -> Description:
        """Keep our origin, and count its version up where anything changed (RFC 3264 §8)."""
        if self.local is None:
            return description
        same = replace(description, origin=self.local.origin)
        if same == self.local:
            return same
        return replace(same, origin=replace(self.local.origin, version=self.local.origin.version + 1))


def check_offer(before: Description | None, offer: Description) -> None:
    """A later offer has the media of the earlier ones, in their order (RFC 3264 §8). Raises Malformed."""
    if before is not None and len(offer.media) < len(before.media):
        raise Malformed("an offer lacks media that were agreed")
    _check_addresses(offer)


def check_answer(offer: Description, answer: Description) -> None:
    """An answer has one medium for each that was offered, of its kind (RFC 3264 §6). Raises Malformed."""
    if len(answer.media) != len(offer.media):
        raise Malformed("an answer has not as many media as its offer")
    for offered, answered in zip(offer.media, answer.media, strict=True):
        if answered.kind != offered.kind or (answered.port and not offered.port):
            raise Malformed("an answer has a medium that was not offered")
    _check_addresses(answer)


def _check_addresses(description: Description) -> None:
    """Media go to one host: nobody is to have us flood a network. Raises Malformed."""
    if any(map(is_of_many, {description.address, *(media.address for media in description.media)})):
        raise Malformed("media are to go to many")


def hold(description: Description) -> Description:
    """Return our description so that the peer is to send nothing (RFC 3264 §8.4)."""
    return _receiving(description, receives=False)


def resume(description: Description) -> Description:
    """Return our description so that the peer may send again."""
    return _receiving(description, receives=True)


def unheld(description: Description, holds: bool) -> Description:
    """Return our description as if the peer did not hold; `holds` tells whether we do."""
    both = Direction.of(sends=True, receives=not holds)
    media = tuple(each.with_direction(both) if each.port else each for each in description.media)
    return replace(description, media=media)


def _receiving(description: Description, receives: bool) -> Description:
    media = [
        each.with_direction(Direction.of(description.direction(each).sends, receives)) if each.port else each
        for each in description.media
    ]
    return replace(description, media=tuple(media))


def is_held(description: Description) -> bool:
    """Tell whether its author takes nothing of any medium that goes on."""
    active = [media for media in description.media if media.port]
    return bool(active) and not any(description.direction(media).receives for media in active)
