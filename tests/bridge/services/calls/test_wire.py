"""Steps on the wire: what one side writes the other reads, and who made a content is never mistaken."""

from __future__ import annotations

import pytest
from msgspec import structs

from bridge.calls import Ending, Flow
from bridge.errors import BridgeError
from bridge.services.calls.steps import Step
from bridge.services.calls.wire import Wire, is_protected
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.jingle import (
    INITIATOR,
    RESPONDER,
    Action,
    Jingle,
    build_content,
    build_jingle,
    parse_jingle,
)
from tests.bridge.services.calls.desk import ANSWER, BOTH, ENDPOINT, FILM, OFFER, because
from tests.bridge.services.calls.test_steps import by_name

STEPS = [
    Step(action=Action.SESSION_ACCEPT, description=ANSWER, names=("voice",)),
    Step(action=Action.TRANSPORT_INFO, endpoints={"voice": ENDPOINT}, names=("voice",)),
    Step(action=Action.TRANSPORT_REJECT, names=("voice",)),
    Step(action=Action.CONTENT_MODIFY, flows={"voice": Flow.SENDS}, names=("voice",)),
    Step(action=Action.SESSION_TERMINATE, reason=because(Ending.BUSY, "Busy")),
    Step(action=Action.SESSION_INFO, payloads=(Element("ringing", "urn:xmpp:jingle:apps:rtp:info:1"),)),
]


@pytest.fixture
def wires() -> tuple[Wire, Wire]:
    """The initiator's, and the responder's, in a session with audio."""
    begun = Step(action=Action.SESSION_INITIATE, description=OFFER)
    ours, theirs = Wire("a", "us@example", is_initiator=True), Wire("a", "them@example/x", is_initiator=False)
    ours.made(begun, by_us=True)
    theirs.made(theirs.read(carried(ours.write(begun))), by_us=False)
    return ours, theirs


def carried(request: Jingle) -> Jingle:
    return parse_jingle(build_jingle(request))


@pytest.mark.parametrize("step", STEPS)
def test_step_is_read_as_it_was_written(wires: tuple[Wire, Wire], step: Step) -> None:
    """In both directions, and flows as their author sees them."""
    for author, reader in (wires, wires[::-1]):
        wanted = Step(**{**{name: getattr(step, name) for name in step.__struct_fields__}})
        request = author.write(
            wanted
            if not (wanted.flows or wanted.endpoints or wanted.description.contents)
            else _unnamed(step)
        )
        assert reader.read(carried(request)) == step


def test_media_that_anybody_could_hear_are_refused(wires: tuple[Wire, Wire]) -> None:
    """Without DTLS there is no call, whoever leaves it out."""
    bare = structs.replace(ENDPOINT, fingerprint=None)
    voice = structs.replace(OFFER.contents[0], endpoint=bare)
    for author, reader in (wires, wires[::-1]):
        for action in (Action.SESSION_ACCEPT, Action.CONTENT_ADD):
            step = Step(action=action, description=structs.replace(OFFER, contents=(voice,), bundles=()))
            assert reader.read(carried(author.write(step))).flaw is Ending.SECURITY


def test_bundle_shares_what_protects_it() -> None:
    """RFC 9143: one certificate for all of it, and none for what is beside it."""
    film = structs.replace(FILM, endpoint=structs.replace(ENDPOINT, fingerprint=None))
    apart = structs.replace(BOTH, contents=(OFFER.contents[0], film), bundles=())
    assert not is_protected(apart)
    assert is_protected(structs.replace(apart, bundles=((OFFER.contents[0].name, film.name),)))


def _unnamed(step: Step) -> Step:
    fields = {name: getattr(step, name) for name in step.__struct_fields__}
    return Step(**{**fields, "names": ()})


def test_who_made_a_content_is_told_with_it(wires: tuple[Wire, Wire]) -> None:
    """XEP-0166 §7.3: by either side, for ever."""
    ours, theirs = wires
    add = Step(action=Action.CONTENT_ADD, description=BOTH.__class__(contents=(FILM,)))
    theirs.made(add, by_us=True)
    request = carried(theirs.write(add))
    assert [one.get("creator") for one in request.contents] == [RESPONDER]
    ours.made(ours.read(request), by_us=False)
    remove = ours.write(Step(action=Action.CONTENT_REMOVE, names=("voice", "film")))
    assert [one.get("creator") for one in remove.contents] == [INITIATOR, RESPONDER]
    ours.gone(("film",))
    with pytest.raises(BridgeError):
        ours.read(carried(theirs.write(Step(action=Action.CONTENT_REMOVE, names=("film",)))))


def test_content_is_known_by_its_name_alone(wires: tuple[Wire, Wire]) -> None:
    """COMPAT stanza.js 12 says that the initiator made what the responder did."""
    ours, theirs = wires
    ours.made(Step(action=Action.CONTENT_ADD, description=BOTH.__class__(contents=(FILM,))), by_us=False)
    theirs.made(Step(action=Action.CONTENT_ADD, description=BOTH.__class__(contents=(FILM,))), by_us=True)
    mistaken = Jingle(action=Action.CONTENT_REMOVE, sid="a", contents=(build_content(INITIATOR, "film"),))
    assert ours.read(mistaken).names == theirs.read(mistaken).names == ("film",)


def test_session_names_its_parties_once(wires: tuple[Wire, Wire]) -> None:
    """XEP-0166 §7.1: who begins it and who accepts it, nowhere else."""
    ours, theirs = wires
    begun = ours.write(Step(action=Action.SESSION_INITIATE, description=OFFER))
    assert (begun.initiator, begun.responder) == ("us@example", "")
    accepted = theirs.write(Step(action=Action.SESSION_ACCEPT, description=ANSWER))
    assert (accepted.initiator, accepted.responder) == ("", "them@example/x")
    assert ours.write(Step(action=Action.SESSION_INFO)).initiator == ""


def test_modification_says_who_sends(wires: tuple[Wire, Wire]) -> None:
    """XEP-0166 §7.3: `senders` is required there."""
    request = Jingle(action=Action.CONTENT_MODIFY, sid="a", contents=(build_content(INITIATOR, "voice"),))
    with pytest.raises(BridgeError):
        wires[1].read(request)


def test_advice_has_nothing_but_descriptions(wires: tuple[Wire, Wire]) -> None:
    """XEP-0167 §9."""
    request = wires[0].write(Step(action=Action.DESCRIPTION_INFO, description=OFFER))
    assert [child.name for child in request.contents[0].elements()] == ["description"]


def test_contents_that_nobody_can_have_are_a_flaw(wires: tuple[Wire, Wire]) -> None:
    """The names are there, for who has to refuse them."""
    request = Jingle(action=Action.CONTENT_ADD, sid="a", contents=(build_content(INITIATOR, "file"),))
    step = wires[1].read(request)
    assert (step.flaw, step.names) == (Ending.UNSUPPORTED_APPLICATIONS, ("file",))
    assert by_name(step.description) == []
