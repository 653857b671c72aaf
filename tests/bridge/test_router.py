"""The router: every request is answered exactly once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail
from twisted.logger import globalLogPublisher

from bridge.errors import BridgeError, Trouble
from bridge.router import ANSWERED, IQ_LIMIT, IQ_TIMEOUT, Request, Route, Target, iq_get, iq_set
from bridge.xmpp.element import Element
from bridge.xmpp.stanza import NS_COMPONENT
from tests.bridge.services.scene import DOMAIN, NURSE, ROMEO, ROOM, SERVER, Scene, condition, error_text

CONDITIONS = frozenset(
    [
        "bad-request",
        "conflict",
        "feature-not-implemented",
        "forbidden",
        "gone",
        "internal-server-error",
        "item-not-found",
        "jid-malformed",
        "not-acceptable",
        "not-allowed",
        "not-authorized",
        "policy-violation",
        "recipient-unavailable",
        "redirect",
        "registration-required",
        "remote-server-not-found",
        "remote-server-timeout",
        "resource-constraint",
        "service-unavailable",
        "subscription-required",
        "undefined-condition",
        "unexpected-request",
    ]
)
TYPES = frozenset({"auth", "cancel", "continue", "modify", "wait"})


class Echo:
    """Answers its namespace in all the ways there are."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.pending: Deferred[Element | None] = Deferred()

    def routes(self) -> list[Route]:
        return [
            iq_get("urn:echo", "now", self.now),
            iq_get("urn:echo", "already", lambda _request: ANSWERED),
            iq_get("urn:echo", "later", lambda _request: self.pending),
            iq_get("urn:echo", "refuse", self.refuse),
            iq_get("urn:echo", "crash", self.crash),
            iq_get("urn:echo", "fail", lambda _request: fail(ValueError("secret"))),
            iq_get("urn:echo", "rubbish", lambda _request: 42),
            iq_get("urn:echo", "late-rubbish", lambda _request: self.pending),
            iq_set("urn:echo", "*", self.now, Target.SERVER),
            Route("message", "*", frozenset({Target.ROOM}), self.note),
            Route("message", "chat", frozenset({Target.ROOM}), self.refuse),
            Route("presence", "", frozenset({Target.OCCUPANT}), self.note),
        ]

    def now(self, request: Request) -> Element:
        return Element(request.payload.name, "urn:echo", {"target": request.target.value})

    def note(self, request: Request) -> None:
        self.seen.append(request)

    def refuse(self, _request: Request) -> None:
        raise BridgeError(Trouble.NOT_ALLOWED, "Not here.")

    def crash(self, _request: Request) -> None:
        raise ValueError("secret")


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def scene(echo: Echo) -> Scene:
    return Scene().add(echo)


def iq(*children: Element, to: str = DOMAIN, **attributes: str | None) -> Element:
    return Element(
        "iq", NS_COMPONENT, {"type": "get", "from": ROMEO, "to": to, "id": "1", **attributes}, *children
    )


@pytest.mark.parametrize(
    ("to", "target"),
    [
        (DOMAIN, "gateway"),
        (SERVER, "server"),
        (ROOM, "room"),
        (f"{ROOM}/Nick", "occupant"),
        (NURSE, "contact"),
        (f"{NURSE}/irc", "contact"),
    ],
)
def test_address_decides_the_target(scene, to, target):
    """Each kind of address is told apart."""
    assert scene.get(to, Element("now", "urn:echo")).get("target") == target


def test_deferred_answer_is_sent_when_it_comes(scene, echo):
    """A request may be answered later; the answer goes to who asked."""
    assert scene.give(iq(Element("later", "urn:echo"))) == []
    echo.pending.callback(None)
    (answer,) = scene.taken()
    assert answer.attributes == {"from": DOMAIN, "to": ROMEO, "id": "1", "type": "result"}


def test_refusal_becomes_an_error_with_its_text(scene):
    """A BridgeError's words reach the requester."""
    answer = scene.iq("get", DOMAIN, Element("refuse", "urn:echo"))
    assert condition(answer) == ("cancel", "not-allowed")
    assert error_text(answer) == "Not here."


@pytest.mark.parametrize("name", ["crash", "fail", "rubbish"])
def test_crash_is_answered_without_its_words(scene, name):
    """RFC 6120 §8.3.3.6: an internal error says nothing of the inside, but has a reference for the log."""
    logged: list[dict[str, object]] = []
    globalLogPublisher.addObserver(logged.append)
    try:
        answer = scene.iq("get", DOMAIN, Element(name, "urn:echo"))
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert condition(answer) == ("cancel", "internal-server-error")
    assert "secret" not in answer.to_xml()
    (reference,) = [event["reference"] for event in logged if "reference" in event]
    assert f"(reference {reference})" in error_text(answer)


def test_late_answer_that_cannot_be_written_is_an_error(scene, echo):
    """No request is left without an answer, even when a service answers with rubbish."""
    scene.give(iq(Element("late-rubbish", "urn:echo")))
    echo.pending.callback(42)  # type: ignore[arg-type]
    (answer,) = scene.taken()
    assert condition(answer) == ("cancel", "internal-server-error")


@pytest.mark.parametrize(
    ("stanza", "expected"),
    [
        (iq(), ("modify", "bad-request")),
        (iq(Element("now", "urn:echo"), Element("now", "urn:echo")), ("modify", "bad-request")),
        (iq(Element("now", "urn:echo"), type=None), ("modify", "bad-request")),
        (iq(Element("now", "urn:echo"), type="gett"), ("modify", "bad-request")),
        (iq(Element("now", "urn:echo"), id=None), ("modify", "bad-request")),
        (iq(Element("now", "urn:unknown")), ("cancel", "service-unavailable")),
        (iq(Element("other", "urn:echo")), ("cancel", "feature-not-implemented")),
        (iq(Element("now", "urn:echo"), type="set"), ("cancel", "feature-not-implemented")),
        (iq(Element("now", "urn:echo"), to=f"bad address@{DOMAIN}"), ("modify", "jid-malformed")),
        (iq(Element("now", "urn:echo"), to=f"bad\\20address@{DOMAIN}"), ("modify", "jid-malformed")),
        (iq(Element("now", "urn:echo"), **{"from": "a@banned.example"}), ("auth", "forbidden")),
        (iq(Element("now", "urn:echo"), **{"from": f"somebody@{DOMAIN}/x"}), ("auth", "forbidden")),
    ],
)
def test_request_that_cannot_be_served_gets_one_error(scene, stanza, expected):
    """RFC 6120 §8.2.3, §8.4: wrong children, unknown namespaces, wrong addresses, unwelcome senders."""
    (answer,) = scene.give(stanza)
    assert answer.get("type") == "error"
    assert condition(answer) == expected


def test_people_of_the_network_are_no_users_of_it(scene, echo):
    """Who writes to them as to users is told so: by an error, which is not refused when it comes back."""
    message = Element("message", NS_COMPONENT, {"from": f"eve@{DOMAIN}", "to": ROOM})
    (refused,) = scene.give(message)
    assert condition(refused) == ("auth", "forbidden") and not echo.seen
    assert scene.give(Element("message", NS_COMPONENT, {**message.attributes, "type": "error"})) == []
    assert [request.type for request in echo.seen] == ["error"]


def test_wildcard_payload_takes_any_name(scene):
    """A row may stand for a whole namespace."""
    assert scene.iq("set", SERVER, Element("anything", "urn:echo")).get("type") == "result"


def test_exact_message_type_goes_before_the_wildcard(scene, echo):
    """Messages go by type, then to the row for any type."""
    chat = Element("message", NS_COMPONENT, {"type": "chat", "from": ROMEO, "to": ROOM})
    (refused,) = scene.give(chat)
    assert condition(refused) == ("cancel", "not-allowed")
    assert scene.give(Element("message", NS_COMPONENT, {"from": ROMEO, "to": ROOM})) == []
    assert [request.type for request in echo.seen] == [""]


def test_message_nobody_takes_is_returned(scene):
    """RFC 6121 §8.5: nothing is lost silently; errors are never answered."""
    message = Element("message", NS_COMPONENT, {"from": ROMEO, "to": SERVER})
    (returned,) = scene.give(message)
    assert condition(returned) == ("cancel", "service-unavailable")
    message.attributes["type"] = "error"
    assert scene.give(message) == []


def test_presence_nobody_takes_is_ignored(scene):
    """A user's broadcast presence reaches addresses that do not care."""
    assert scene.presence(None, SERVER) == []
    assert scene.presence("unavailable", f"bad\\20address@{DOMAIN}") == []


def test_unreadable_sender_is_ignored(scene):
    """An answer to an address that is none could not be delivered."""
    assert scene.give(iq(Element("now", "urn:echo"), **{"from": "@@"})) == []
    assert scene.give(iq(Element("now", "urn:echo"), **{"from": None})) == []


def test_two_rows_for_one_case_are_an_error(scene, echo):
    """A service that overlaps another is found at start."""
    with pytest.raises(ValueError, match="two routes"):
        scene.router.add(echo)


@pytest.mark.parametrize("trouble", Trouble)
def test_every_trouble_has_a_defined_condition(trouble):
    """RFC 6120 §8.3.2 and §8.3.3: only defined types and conditions go out, with a text."""

    class Troubled:
        def routes(self) -> list[Route]:
            return [iq_get("urn:trouble", "x", lambda _request: fail(BridgeError(trouble)))]

    answer = Scene().add(Troubled()).iq("get", DOMAIN, Element("x", "urn:trouble"))
    kind, name = condition(answer)
    assert kind in TYPES
    assert name in CONDITIONS
    assert error_text(answer)


# ---- requests of ours


def ask(scene: Scene, to: str = ROMEO) -> tuple[list[object], Element]:
    found: list[object] = []
    request = Element(
        "iq", NS_COMPONENT, {"type": "get", "from": DOMAIN, "to": to}, Element("ping", "urn:xmpp:ping")
    )
    scene.router.request(request).addBoth(found.append)
    (sent,) = scene.taken()
    return found, sent


def answer_to(sent: Element, *children: Element, **changes: str) -> Element:
    attributes = {"type": "result", "from": sent.get("to"), "to": DOMAIN, "id": sent.get("id"), **changes}
    return Element("iq", NS_COMPONENT, attributes, *children)


def test_result_answers_our_request_once(scene):
    """A second answer with the same id is ignored."""
    found, sent = ask(scene)
    assert scene.give(answer_to(sent)) == []
    assert scene.give(answer_to(sent)) == []
    assert [one.get("type") for one in found] == ["result"]
    assert not scene.clock.getDelayedCalls()


def test_forged_result_is_ignored(scene):
    """RFC 6120 §8.1.2.1: only who was asked can answer."""
    found, sent = ask(scene)
    scene.give(answer_to(sent, **{"from": "romeo@montague.example/other"}))
    scene.give(answer_to(sent, **{"from": "evil.example"}))
    scene.give(answer_to(sent, id="xb999"))
    assert found == []
    scene.give(answer_to(sent, **{"from": "ROMEO@Montague.example/garden"}))
    assert len(found) == 1


def test_error_answer_fails_with_the_nearest_trouble(scene):
    """What the peer says is kept."""
    found, sent = ask(scene)
    error = Element("error", NS_COMPONENT, {"type": "cancel"})
    error.add(Element("item-not-found", "urn:ietf:params:xml:ns:xmpp-stanzas"))
    scene.give(answer_to(sent, error, type="error"))
    assert found[0].value.trouble is Trouble.NOT_FOUND


def test_unanswered_request_times_out(scene):
    """Nobody waits for ever."""
    found, sent = ask(scene)
    scene.clock.advance(IQ_TIMEOUT)
    assert found[0].value.trouble is Trouble.TIMED_OUT
    assert scene.give(answer_to(sent)) == []


def test_requests_under_way_are_bounded(scene):
    """Peers that never answer cannot fill the memory."""
    for _ in range(IQ_LIMIT):
        scene.router._waiting[str(len(scene.router._waiting))] = None  # type: ignore[assignment]
    found: list[object] = []
    scene.router.request(iq(to=ROMEO)).addBoth(found.append)
    assert found[0].value.trouble is Trouble.OVERLOADED
    assert scene.taken() == []


NAMES = st.sampled_from(["now", "refuse", "crash", "fail", "rubbish", "x"])
PAYLOADS = st.builds(Element, NAMES, st.sampled_from(["urn:echo", "urn:other", ""]))


@given(
    children=st.lists(PAYLOADS | st.text(max_size=3), max_size=3),
    type=st.sampled_from(["get", "set", "", "result", "error", "x"]),
    to=st.sampled_from([DOMAIN, SERVER, ROOM, f"{ROOM}/a", NURSE, f"\\20@{DOMAIN}"]),
    id=st.none() | st.text(max_size=4),
)
@settings(max_examples=150)
def test_any_request_is_answered_exactly_once(children, type, to, id):
    """Whatever an iq holds, who sent it gets one answer, unless it is an answer itself."""
    scene = Scene().add(Echo())
    stanza = Element("iq", NS_COMPONENT, {"type": type, "from": ROMEO, "to": to, "id": id}, *children)
    answers = scene.give(stanza)
    assert len(answers) == (0 if type in ("result", "error") else 1)
    assert all(answer.get("type") in ("result", "error") and answer.get("to") == ROMEO for answer in answers)


# ---- what somebody here began


def from_muc(name: str, **more: str) -> Element:
    attributes = {"from": "verona@banned.example/romeo", "to": f"{NURSE}/guest", **more}
    return Element(name, NS_COMPONENT, attributes)


def test_followed_stanzas_go_ahead_of_policy_and_table():
    """Messages and presences of all kinds between two bare addresses, until they are followed no more."""
    scene, seen = Scene(), []
    bare = ("verona@banned.example", NURSE)
    scene.router.follow(*bare, lambda stanza, sender: seen.append((stanza.name, sender.resource)))
    for stanza in (from_muc("message", type="error"), from_muc("presence"), from_muc("message")):
        assert scene.give(stanza) == []
    assert seen == [("message", "romeo"), ("presence", "romeo"), ("message", "romeo")]
    assert condition(scene.give(from_muc("message", to=f"x{NURSE}"))[0])[1] == "forbidden"
    scene.router.follow(*bare, None)
    assert condition(scene.give(from_muc("message"))[0])[1] == "forbidden"
    assert len(seen) == 3


def test_questions_beside_what_is_followed_pass_the_policy():
    """The table answers them."""
    scene = Scene().add(Echo())
    scene.router.follow("verona@banned.example", NURSE, lambda stanza, sender: None)
    question = from_muc("iq", type="get", id="1").add(Element("now", "urn:echo"))
    assert scene.give(question)[0].get("type") == "result"


def test_follower_that_fails_is_not_told_to_the_sender():
    """He would take it for the end; it is logged."""
    scene, logged = Scene(), []

    def crash(stanza: Element, sender: object) -> None:
        raise ValueError("secret")

    scene.router.follow("verona@banned.example", NURSE, crash)
    globalLogPublisher.addObserver(logged.append)
    try:
        assert scene.give(from_muc("message")) == []
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert any("reference" in event for event in logged)


def test_addresses_that_are_none_are_nobodys_to_follow():
    """Nothing is raised."""
    scene = Scene()
    scene.router.follow("verona@banned.example", NURSE, lambda stanza, sender: None)
    assert scene.router.follower(Element("message", NS_COMPONENT, {"from": "@@", "to": NURSE})) is None
    assert scene.router.follower(Element("message", NS_COMPONENT)) is None


def test_method_that_answered_by_itself_is_not_answered_for(scene):
    """What followed its answer came after it."""
    iq = {"type": "get", "from": ROMEO, "to": DOMAIN, "id": "i1"}
    assert scene.give(Element("iq", NS_COMPONENT, iq, Element("already", "urn:echo"))) == []
