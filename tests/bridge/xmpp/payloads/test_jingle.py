"""Sessions: requests, reasons and errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.calls import Ending
from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.jingle import (
    MAX_CONTENTS,
    NS_JINGLE,
    Action,
    Condition,
    Jingle,
    Reason,
    Unacceptable,
    build_content,
    build_jingle,
    condition_of,
    creator_of,
    jingle_error,
    name_of,
    parse_jingle,
)
from bridge.xmpp.payloads.jingle_ice import parse_endpoints
from bridge.xmpp.payloads.jingle_info import parse_info, parse_press
from bridge.xmpp.payloads.jingle_rtp import parse_description
from bridge.xmpp.payloads.jingle_transfer import parse_transfer
from bridge.xmpp.stanza import NS_COMPONENT, error_reply
from tests.bridge.xmpp.descriptions import HOSTILE, LINES, TOKENS

REASONS = st.none() | st.builds(
    Reason,
    st.sampled_from(Ending),
    st.just("") | LINES.map(str.strip),
    detail=st.none() | st.just(Element("transferred", "urn:xmpp:jingle:transfer:0")),
)
REQUESTS = st.builds(
    Jingle,
    action=st.sampled_from(Action),
    sid=TOKENS,
    initiator=st.sampled_from(["", "a@b/c"]),
    responder=st.sampled_from(["", "a@b/c"]),
    contents=st.lists(st.builds(build_content, st.sampled_from(["initiator", "responder"]), LINES), max_size=3).map(
        tuple
    ),
    reason=REASONS,
    payloads=st.lists(st.just(Element("ringing", "urn:xmpp:jingle:apps:rtp:info:1")), max_size=2).map(tuple),
)  # fmt: skip


@given(REQUESTS)
def test_request_is_read_as_it_was_written(request: Jingle) -> None:
    """Whatever it asks for."""
    assert parse_jingle(build_jingle(request)) == request


@given(HOSTILE)
def test_no_request_does_more_than_be_refused(element: Element) -> None:
    """Whatever a peer sends, each reader reads it or says what is wrong with it."""
    try:
        request = parse_jingle(element)
    except BridgeError as refusal:
        assert refusal.trouble is Trouble.BAD_REQUEST
        return
    for reader in (
        lambda one: parse_description(one, True),
        lambda one: parse_description(one, False),
        parse_endpoints,
        parse_info,
        parse_press,
        parse_transfer,
    ):
        try:
            reader(request)
        except BridgeError as refusal:
            assert isinstance(refusal, Unacceptable) or refusal.trouble in (
                Trouble.BAD_REQUEST, Trouble.UNSUPPORTED, Trouble.JID_MALFORMED
            )  # fmt: skip


@pytest.mark.parametrize(
    "attributes",
    [
        {"sid": "a"},
        {"sid": "a", "action": "session-explode"},
        {"action": "session-info"},
        {"action": "session-info", "sid": "a\nb"},
        {"action": "session-info", "sid": "a" * 257},
    ],
)
def test_request_without_action_or_session_is_malformed(attributes: dict[str, str]) -> None:
    """XEP-0166 §7.2: an unknown action as well."""
    with pytest.raises(BridgeError) as caught:
        parse_jingle(Element("jingle", NS_JINGLE, attributes))
    assert caught.value.trouble is Trouble.BAD_REQUEST


@pytest.mark.parametrize(
    "contents",
    [
        [build_content("initiator", "")],
        [build_content("me", "a")],
        [build_content("initiator", str(number)) for number in range(MAX_CONTENTS + 1)],
    ],
)
def test_contents_that_nobody_can_name_are_malformed(contents: list[Element]) -> None:
    """Nor are there more than anybody needs."""
    with pytest.raises(BridgeError):
        parse_jingle(Element("jingle", NS_JINGLE, {"action": "content-remove", "sid": "a"}, *contents))


def test_content_is_its_initiators_if_nobody_says_more() -> None:
    """XEP-0166 §7.3: the default."""
    content = Element("content", NS_JINGLE, {"name": "voice"})
    assert (name_of(content), creator_of(content)) == ("voice", "initiator")


def reason_of(*children: Element) -> Reason | None:
    element = Element("reason", NS_JINGLE, None, *children)
    return parse_jingle(
        Element("jingle", NS_JINGLE, {"action": "session-terminate", "sid": "a"}, element)
    ).reason


def test_reason_tells_the_other_session() -> None:
    """XEP-0166 §7.4: the one that is preferred."""
    sid = Element("sid", NS_JINGLE, None, "b84tkkwlmb48kgfb")
    assert reason_of(Element("alternative-session", NS_JINGLE, None, sid)) == Reason(
        Ending.ALTERNATIVE, alternative="b84tkkwlmb48kgfb"
    )


def test_reason_that_nobody_knows_is_a_general_one() -> None:
    """Its words stay."""
    text = Element("text", NS_JINGLE, None, " too late ")
    assert reason_of(Element("moonrise", NS_JINGLE), text) == Reason(Ending.GENERAL, "too late")
    assert reason_of() == Reason(Ending.GENERAL)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Condition.OUT_OF_ORDER, "unexpected-request"),
        (Condition.TIE_BREAK, "conflict"),
        (Condition.UNKNOWN_SESSION, "item-not-found"),
        (Condition.UNSUPPORTED_INFO, "feature-not-implemented"),
    ],
)
@pytest.mark.spec("XEP-0166 §10")
def test_error_tells_what_is_wrong_twice(condition: Condition, expected: str) -> None:
    """By a condition of XMPP, and by Jingle's own; we understand both."""
    iq = Element("iq", NS_COMPONENT, {"type": "set", "from": "a@b/c", "to": "d@e", "id": "1"})
    answer = error_reply(iq, jingle_error(condition))
    assert answer is not None
    error = answer.child("error")
    assert error is not None and error.child(expected, "urn:ietf:params:xml:ns:xmpp-stanzas") is not None
    assert condition_of(answer) is condition


def test_error_of_another_kind_has_no_condition_of_jingle() -> None:
    """Nor has a stanza without an error."""
    iq = Element("iq", NS_COMPONENT, {"type": "set", "from": "a@b/c", "to": "d@e", "id": "1"})
    answer = error_reply(iq, BridgeError(Trouble.NOT_FOUND))
    assert answer is not None and condition_of(answer) is None
    assert condition_of(iq) is None
