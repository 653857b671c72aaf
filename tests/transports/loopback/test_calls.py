"""Calls with people in memory."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.calls import (
    CallAnswer,
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
    Ending,
    SessionDescription,
    Setup,
)
from bridge.errors import BridgeError
from bridge.events import ContactId, UserId
from transports.loopback.calls import VIDEO, VOICE, Talks, answer_to

ROMEO = UserId("romeo@montague.example")
CALL = CallId("c1")
OFFER = SessionDescription(contents=(VOICE,))


class Heard(Talks):
    """Calls of which Romeo hears what is in `told`."""

    def __init__(self) -> None:
        self.told: list[CallEvent] = []
        self.people: dict[str, tuple[UserId, ContactId]] = {}
        super().__init__(lambda _user, event: self.told.append(event), self._who)

    def _who(self, _user: UserId, contact: ContactId) -> tuple[UserId, ContactId] | None:
        return self.people.get(contact)

    def say(self, *events: Any) -> list[CallEvent]:
        """Say something, return what comes of it."""
        for event in events:
            self.hear(ROMEO, event)
        told, self.told = self.told, []
        return told

    def call_to(self, name: str) -> list[CallEvent]:
        """Call somebody."""
        contact = ContactId(f"{name}%memory.example")
        return self.say(CallOffer(call=CALL, contact=contact, description=OFFER))


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("echo", [CallRinging(call=CALL), CallAnswer(call=CALL, description=answer_to(OFFER))]),
        ("bell", [CallRinging(call=CALL)]),
        ("busy", [CallEnd(call=CALL, ending=Ending.BUSY, text="Nobody answers")]),
        ("nobody", [CallEnd(call=CALL, ending=Ending.GONE, text="Nobody answers")]),
    ],
)
def test_name_tells_what_somebody_does(name: str, answers: list[CallEvent]) -> None:
    """An answer is by the first codec, and takes a role in the handshake (RFC 5763 §5)."""
    talks = Heard()
    assert talks.call_to(name) == answers
    (content,) = answer_to(OFFER).contents
    assert content.endpoint.fingerprint is not None and content.endpoint.fingerprint.setup is Setup.PASSIVE


def test_nobody_may_be_called() -> None:
    """Others may."""
    talks = Heard()
    talks.may(ContactId("echo%memory.example"))
    with pytest.raises(BridgeError):
        talks.may(ContactId("nobody%memory.example"))


def test_keys_tell_what_to_do() -> None:
    """In a call; afterwards nobody hears them."""
    talks = Heard()
    contents = talks.call_to("echo")[-1].description.contents  # type: ignore[union-attr]
    more = CallUpdate(call=CALL, description=SessionDescription(contents=(*contents, VIDEO)))
    less = CallUpdate(call=CALL, description=SessionDescription(contents=contents))
    assert talks.say(CallDigits(call=CALL, digits="12")) == [
        CallHold(call=CALL, held=True),
        CallHold(call=CALL, held=False),
    ]
    assert talks.say(CallDigits(call=CALL, digits="347#5")) == [
        more,
        less,
        CallDigits(call=CALL, digits="7"),
        CallEnd(call=CALL, ending=Ending.SUCCESS),
    ]
    assert talks.say(CallDigits(call=CALL, digits="7")) == []


def test_changes_are_taken_or_not() -> None:
    """A stubborn one keeps what there is."""
    talks = Heard()
    update = CallUpdate(call=CALL, description=SessionDescription(contents=(VOICE, VIDEO)))
    talks.call_to("echo")
    assert talks.say(update) == [CallAnswer(call=CALL, description=answer_to(update.description))]
    talks.call_to("stubborn")
    assert talks.say(update) == [CallRefused(call=CALL)]


def test_transfer_ends_the_call_or_is_refused() -> None:
    """As the one who is named can be reached."""
    talks = Heard()
    talks.call_to("echo")
    assert talks.say(CallTransfer(call=CALL, contact=ContactId("nobody%m"))) == [CallRefused(call=CALL)]
    ended = [CallEnd(call=CALL, ending=Ending.SUCCESS)]
    assert talks.say(CallTransfer(call=CALL, contact=ContactId("bell%m"))) == ended


def test_people_call_and_hang_up_at_the_end() -> None:
    """Nothing is left of them."""
    talks = Heard()
    talks.call(ROMEO, ContactId("echo%memory.example"), "Echo")
    (offer,) = talks.say()
    assert isinstance(offer, CallOffer) and offer.nick == "Echo"
    assert talks.say(CallAnswer(call=offer.call, description=OFFER)) == []
    talks.hear(UserId("juliet@capulet.example"), CallEnd(call=offer.call, ending=Ending.SUCCESS))
    talks.stop("bye")
    assert talks.say() == [CallEnd(call=offer.call, ending=Ending.GONE, text="bye")]


def test_two_users_talk_with_each_other() -> None:
    """What one says the other hears, in his own call; either may end it."""
    talks = Heard()
    juliet, romeo = ContactId("juliet%memory.example"), ContactId("romeo%memory.example")
    talks.people[juliet] = (ROMEO, romeo)
    (offer,) = talks.call_to("juliet")
    assert isinstance(offer, CallOffer) and (offer.contact, offer.nick) == (romeo, "romeo")
    there = offer.call
    answer = CallAnswer(call=there, description=OFFER)
    assert talks.say(answer) == [CallAnswer(call=CALL, description=OFFER)]
    assert talks.say(CallDigits(call=CALL, digits="#")) == [CallDigits(call=there, digits="#")]
    assert talks.say(CallTransfer(call=CALL, contact=romeo)) == [CallRefused(call=CALL)]
    assert talks.say(CallEnd(call=there, ending=Ending.SUCCESS)) == [
        CallEnd(call=CALL, ending=Ending.SUCCESS)
    ]
    assert talks.say(CallEnd(call=CALL, ending=Ending.SUCCESS)) == []
