from __future__ import annotations

import pytest

from bridge.xmpp import dialback
from bridge.xmpp.dialback import INVALID, PENDING_LIMIT, VALID, Asked, Keys, Pair, Verdict
from bridge.xmpp.element import Element
from bridge.xmpp.stanza import NS_STANZA_ERRORS

PAIR = Pair("example.org", "xmpp.example.com")


@pytest.mark.spec("XEP-0185 §2")
def test_key_is_the_example_of_the_specification() -> None:
    """Other servers of our domain, which share the secret, make the same key."""
    key = Keys(b"s3cr3tf0rd14lb4ck").make(PAIR, "D60000229F")
    assert key == "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643"


def test_key_for_anything_else_is_not_known() -> None:
    """A key is good for its pair and stream only."""
    keys = Keys(b"secret")
    key = keys.make(PAIR, "id")
    assert keys.knows(PAIR, "id", key)
    assert not keys.knows(PAIR, "id2", key)
    assert not keys.knows(PAIR.inverse, "id", key)
    assert not Keys(b"other").knows(PAIR, "id", key)
    assert not keys.knows(PAIR, "id", "ключ")


def test_elements_carry_the_usual_prefix() -> None:
    """Old servers know them by it."""
    assert dialback.request(PAIR, "k") == b"<db:result from='example.org' to='xmpp.example.com'>k</db:result>"
    assert dialback.verify(PAIR, "i'd", "k") == (
        b"<db:verify from='xmpp.example.com' to='example.org' id='i&apos;d'>k</db:verify>"
    )


def test_answers_go_back_to_who_asked() -> None:
    """A result's answer comes from the target, a verification's from the sender."""
    assert dialback.answer(PAIR, VALID) == (
        b"<db:result from='xmpp.example.com' to='example.org' type='valid'></db:result>"
    )
    assert dialback.verified(PAIR, "id", INVALID) == (
        b"<db:verify from='example.org' to='xmpp.example.com' id='id' type='invalid'></db:verify>"
    )


def test_error_names_its_condition() -> None:
    """The sender learns why (XEP-0220 §2.5)."""
    told = dialback.answer(PAIR, Verdict(False, "item-not-found"))
    assert b"type='error'><error type='cancel'><item-not-found xmlns=" in told


@pytest.mark.parametrize(
    ("attributes", "children", "verdict"),
    [
        ({"type": "valid"}, (), VALID),
        ({"type": "invalid"}, (), INVALID),
        ({"type": "VALID"}, (), Verdict(False, "undefined-condition")),
        ({}, (), Verdict(False, "undefined-condition")),
        (
            {"type": "error"},
            (Element("error", "jabber:server", {}, Element("forbidden", NS_STANZA_ERRORS)),),
            Verdict(False, "forbidden"),
        ),
        ({"type": "error"}, (Element("error", "jabber:server"),), Verdict(False, "undefined-condition")),
    ],
)
def test_verdict_is_accepting_only_if_it_says_valid(
    attributes: dict[str, str], children: tuple[Element, ...], verdict: Verdict
) -> None:
    """Whatever is not plainly valid refuses."""
    assert dialback.read_verdict(Element("result", dialback.NS_DIALBACK, attributes, *children)) == verdict


def test_answer_counts_once_and_for_what_was_asked() -> None:
    """Unsolicited answers let nobody in (XEP-0220 §3.1)."""
    asked = Asked()
    assert not asked.result_answered(PAIR)
    assert asked.result(PAIR)
    assert not asked.result(PAIR)
    assert not asked.result_answered(PAIR.inverse)
    assert asked.result_answered(PAIR)
    assert not asked.result_answered(PAIR)
    assert asked.verification(PAIR, "1")
    assert not asked.verification_answered(PAIR, "2")
    assert asked.verification_answered(PAIR, "1")
    assert not asked.verification_answered(PAIR, "1")


def test_questions_are_bounded_on_each_stream() -> None:
    """A peer that does not answer cannot make us remember more and more."""
    asked = Asked()
    for number in range(PENDING_LIMIT):
        assert asked.result(Pair("a.example", f"{number}.example"))
        assert asked.verification(PAIR, str(number))
    assert not asked.result(PAIR)
    assert not asked.verification(PAIR, "more")
