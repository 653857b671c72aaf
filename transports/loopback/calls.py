"""Calls with people in memory: what one does depends on his name, and on the keys that he hears.

A contact who is the occupant of a room is called himself, and the two talk with each other.
``busy`` refuses, ``bell`` only rings, ``stubborn`` lets nothing be changed, ``nobody`` cannot be called, all
others answer at once. Whoever hears ``#`` hangs up, ``1`` holds, ``2`` goes on, ``3`` offers a video too,
``4`` takes it away again; other keys come back. Whoever is told "call me" does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from msgspec import Struct, structs

from bridge.calls import (
    CallAnswer,
    CallCandidates,
    CallDigits,
    CallEnd,
    CallEvent,
    CallHold,
    CallId,
    CallOffer,
    CallRefused,
    CallRinging,
    CallTransfer,
    CallUpdate,
    Candidate,
    Codec,
    Content,
    Ending,
    Endpoint,
    Fingerprint,
    Flow,
    MediaKind,
    SessionDescription,
    Setup,
)
from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, UserId

HERE = Candidate(
    foundation="1",
    component=1,
    protocol="udp",
    priority=2_130_706_431,
    address="192.0.2.1",
    port=4_000,
    type="host",
)
FINGERPRINT = Fingerprint(hash="sha-256", value=":".join(["0B"] * 32), setup=Setup.ACTPASS)
ENDPOINT = Endpoint(
    ufrag="loop", password="loopback-loopback-loop", candidates=(HERE,), fingerprint=FINGERPRINT
)
VOICE = Content(
    name="voice",
    kind=MediaKind.AUDIO,
    codecs=(Codec(payload=111, name="opus", clock=48_000, channels=2),),
    endpoint=ENDPOINT,
    rtcp_mux=True,
)
VIDEO = structs.replace(
    VOICE, name="film", kind=MediaKind.VIDEO, codecs=(Codec(payload=96, name="VP8", clock=90_000),)
)
REVERSED = {Flow.SENDS: Flow.RECEIVES, Flow.RECEIVES: Flow.SENDS}


class Talk(Struct):
    """One call: `ours` is what the contact has described of himself.

    If the contact is a user too, `other` is the call in which he talks.
    """

    user: UserId
    contact: ContactId
    ours: SessionDescription
    other: CallId | None = None


Find = Callable[[UserId, ContactId], tuple[UserId, ContactId] | None]
"""Tells which user a contact is, and who the first user is to him; None if he is none."""


class Talks:
    """All calls; `tell` reaches users."""

    def __init__(self, tell: Callable[[UserId, CallEvent], None], find: Find) -> None:
        self._tell = tell
        self._find = find
        self._talks: dict[CallId, Talk] = {}
        self._last = 0

    def may(self, contact: ContactId) -> None:
        """BridgeError UNAVAILABLE if there is nobody."""
        if contact.startswith("nobody"):
            raise BridgeError(Trouble.UNAVAILABLE, "There is nobody of that name.")

    def call(self, user: UserId, contact: ContactId, nick: str) -> None:
        """The contact calls the user."""
        call = self._fresh()
        offer = SessionDescription(contents=(VOICE,))
        self._talks[call] = Talk(user, contact, offer)
        self._tell(user, CallOffer(call=call, contact=contact, nick=nick, description=offer))

    def _fresh(self) -> CallId:
        self._last += 1
        return CallId(f"loop-{self._last}")

    def hear(self, user: UserId, event: CallEvent | CallTransfer) -> None:
        """Do what a user wants."""
        if isinstance(event, CallOffer):
            self._called(user, event)
            return
        talk = self._talks.get(event.call)
        if talk is None or talk.user != user:
            return
        if talk.other is not None:
            self._pass(talk, talk.other, event)
            return
        match event:
            case CallUpdate(call=call, description=description):
                self._change(call, talk, description)
            case CallDigits(call=call, digits=digits):
                for key in digits:
                    if call in self._talks:
                        self._key(call, talk, key)
            case CallTransfer(call=call, contact=contact):
                refused = contact.startswith("nobody")
                self._tell(user, CallRefused(call=call)) if refused else self._end(call, Ending.SUCCESS)
            case CallEnd(call=call):
                del self._talks[call]
            case CallAnswer() | CallRinging() | CallRefused() | CallCandidates() | CallHold():
                pass
            case _:
                assert_never(event)

    def _pass(self, talk: Talk, other: CallId, event: CallEvent | CallTransfer) -> None:
        """Tell the user at the other end."""
        if isinstance(event, CallTransfer):
            self._tell(talk.user, CallRefused(call=event.call))
            return
        there = self._talks[other]
        if isinstance(event, CallEnd):
            del self._talks[event.call], self._talks[other]
        self._tell(there.user, structs.replace(event, call=other))

    def _called(self, user: UserId, event: CallOffer) -> None:
        call, contact = event.call, event.contact
        found = self._find(user, contact)
        if found is not None:
            there, me = found
            other = self._fresh()
            self._talks[call] = Talk(user, contact, event.description, other)
            self._talks[other] = Talk(there, me, event.description, call)
            self._tell(there, structs.replace(event, call=other, contact=me, nick=me.partition("%")[0]))
            return
        talk = self._talks[call] = Talk(user, contact, answer_to(event.description))
        if contact.startswith(("busy", "nobody")):
            self._end(call, Ending.BUSY if contact.startswith("busy") else Ending.GONE, "Nobody answers")
            return
        self._tell(user, CallRinging(call=call))
        if not contact.startswith("bell"):
            self._tell(user, CallAnswer(call=call, description=talk.ours))

    def _change(self, call: CallId, talk: Talk, description: SessionDescription) -> None:
        if talk.contact.startswith("stubborn"):
            self._tell(talk.user, CallRefused(call=call))
        else:
            talk.ours = answer_to(description)
            self._tell(talk.user, CallAnswer(call=call, description=talk.ours))

    def _key(self, call: CallId, talk: Talk, key: str) -> None:
        contents = tuple(one for one in talk.ours.contents if one.name != VIDEO.name)
        if key == "#":
            self._end(call, Ending.SUCCESS)
        elif key in "12":
            self._tell(talk.user, CallHold(call=call, held=key == "1"))
        elif key in "34":
            wanted = SessionDescription(contents=(*contents, VIDEO) if key == "3" else contents)
            talk.ours = wanted
            self._tell(talk.user, CallUpdate(call=call, description=wanted))
        else:
            self._tell(talk.user, CallDigits(call=call, digits=key))

    def _end(self, call: CallId, ending: Ending, text: str = "") -> None:
        talk = self._talks.pop(call)
        self._tell(talk.user, CallEnd(call=call, ending=ending, text=text))

    def stop(self, reason: str) -> None:
        """Hang up everywhere."""
        for call in list(self._talks):
            self._end(call, Ending.GONE, reason)


def answer_to(offer: SessionDescription) -> SessionDescription:
    """Return an answer that takes all of it, by its first codecs."""
    endpoint = structs.replace(ENDPOINT, fingerprint=structs.replace(FINGERPRINT, setup=Setup.PASSIVE))
    contents = tuple(
        structs.replace(
            one,
            codecs=one.codecs[:1],
            endpoint=endpoint,
            flow=REVERSED.get(one.flow, one.flow),
            sources=(),
            groups=(),
        )
        for one in offer.contents
    )
    return SessionDescription(contents=contents, bundles=offer.bundles)
