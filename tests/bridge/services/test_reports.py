"""Reports that other servers forward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from bridge.router import Request, Route, Target
from bridge.services.reports import BURST, REPORTS_PER_SECOND, TEXT_LIMIT, Reports
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.reporting import NS_JID, NS_REPORTING
from bridge.xmpp.stanza import NS_COMPONENT
from tests.bridge.services.scene import DOMAIN, NURSE, ROMEO, SERVER, Scene, condition

REPORTER = "montague.example"
ADMINS = ("friar@verona.example", "prince@verona.example")
SPAM = "urn:xmpp:reporting:spam"


class Talk:
    """Takes all other messages to the gateway, and counts errors."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def routes(self) -> list[Route]:
        here = frozenset({Target.GATEWAY, Target.SERVER, Target.CONTACT})
        return [Route("message", "*", here, self.hear), Route("message", "error", here, self.hear)]

    def hear(self, request: Request) -> None:
        self.heard.append(request.type)


class Stage(Scene):
    """A gateway that takes reports."""

    def __init__(self) -> None:
        super().__init__()
        self.talk = Talk()
        self.reports = Reports(DOMAIN, self.router, ADMINS, self.clock.seconds)
        self.add(self.talk, self.reports)

    def report(
        self, *children: Element, sender: str = REPORTER, to: str = DOMAIN, type: str = ""
    ) -> list[Element]:
        addresses = {"from": sender, "to": to, "id": "r1", **({"type": type} if type else {})}
        return self.give(Element("message", NS_COMPONENT, addresses, *children))


def report(jid: str = NURSE, reason: str = SPAM, text: str = "") -> Element:
    """A report as Prosody forwards it."""
    element = Element("report", NS_REPORTING, {"reason": reason} if reason else None)
    if jid:
        element.add(Element("jid", NS_JID, None, jid))
    if text:
        element.add(Element("text", NS_REPORTING, None, text))
    return element


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def logged() -> Iterator[list[str]]:
    lines: list[str] = []

    def note(event: LogEvent) -> None:
        lines.append(formatEvent(event))

    globalLogPublisher.addObserver(note)
    yield lines
    globalLogPublisher.removeObserver(note)


def test_report_reaches_every_administrator(stage: Stage, logged: list[str]) -> None:
    """From the gateway itself, with what is needed to act; and the log."""
    sent = stage.report(report(text="Never came trouble\n  to my house like this."))
    assert [(one.get("from"), one.get("to"), one.get("type")) for one in sent] == [
        (DOMAIN, admin, "chat") for admin in ADMINS
    ]
    assert sent[0].child_text("body") == (
        f"montague.example reports {NURSE} for spam.\nNever came trouble to my house like this."
    )
    assert logged == [
        f"montague.example reports {NURSE} for spam: 'Never came trouble to my house like this.'"
    ]
    assert stage.talk.heard == []


def test_report_may_come_with_the_message_that_it_is_about(stage: Stage) -> None:
    """Prosody forwards it beside the report; it is nobody's business."""
    said = Element(
        "message", "jabber:client", {"from": NURSE}, Element("body", "jabber:client", None, "Spam!")
    )
    sent = stage.report(report(), Element("forwarded", "urn:xmpp:forward:0", None, said))
    assert [one.child_text("body") for one in sent] == [f"montague.example reports {NURSE} for spam."] * 2


@pytest.mark.parametrize(
    ("reason", "word"), [("urn:xmpp:reporting:abuse", "abuse"), ("urn:example:rude", "urn:example:rude")]
)
def test_reason_is_told_as_it_is(stage: Stage, reason: str, word: str) -> None:
    """Others may be registered."""
    assert f"for {word}." in (stage.report(report(reason=reason))[0].child_text("body") or "")


def test_long_words_are_cut(stage: Stage, logged: list[str]) -> None:
    """Neither log nor administrator has to read a novel, and no line of it looks like another entry."""
    (sent, _) = stage.report(report(text="x" * 10_000 + "\n2026-01-01 all is well", reason="y" * 10_000))
    assert len(sent.child_text("body") or "") < TEXT_LIMIT + 200
    assert len(logged[0]) < TEXT_LIMIT + 200
    assert "\n" not in logged[0]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (report(jid=""), ("modify", "bad-request")),
        (report(reason=""), ("modify", "bad-request")),
        (report(jid="x@capulet.example"), ("cancel", "item-not-found")),
        (report(jid="@@"), ("cancel", "item-not-found")),
    ],
    ids=["nobody", "no reason", "another's user", "no address"],
)
def test_report_that_makes_no_sense_is_answered(
    stage: Stage, wrong: Element, expected: tuple[str, str]
) -> None:
    """Administrators are not bothered by it."""
    (answer,) = stage.report(wrong)
    assert answer.get("to") == REPORTER
    assert condition(answer) == expected


def test_person_is_sent_to_his_own_server(stage: Stage) -> None:
    """Only that can tell whether he met whom he reports."""
    (answer,) = stage.report(report(), sender=ROMEO)
    assert condition(answer) == ("cancel", "not-allowed")


def test_server_that_reports_on_and_on_is_slowed_down(stage: Stage) -> None:
    """Others are not; and in time it is heard again."""
    for _ in range(BURST):
        assert len(stage.report(report())) == len(ADMINS)
    (answer,) = stage.report(report())
    assert condition(answer) == ("wait", "resource-constraint")
    assert len(stage.report(report(), sender="capulet.example")) == len(ADMINS)
    stage.clock.advance(1 / REPORTS_PER_SECOND + 1)
    assert len(stage.report(report())) == len(ADMINS)


def test_message_without_report_goes_where_it_always_did(stage: Stage) -> None:
    """Before and after a report from the same address."""
    body = Element("body", NS_COMPONENT, None, "LIST")
    for _ in range(2):
        assert stage.report(body) == []
        assert len(stage.report(report())) == len(ADMINS)
    assert stage.talk.heard == ["", ""]


@pytest.mark.parametrize(("to", "type"), [(SERVER, ""), (NURSE, "chat"), (DOMAIN, "error")])
def test_report_to_others_or_coming_back_is_none(stage: Stage, to: str, type: str) -> None:
    """An error's content is what was sent once; and people are no service."""
    assert stage.report(report(), to=to, type=type) == []
    assert stage.talk.heard == [type]


def test_other_administrators_are_told_after_a_reload(stage: Any) -> None:
    """SIGHUP needs no restart; without any, the log is left."""
    stage.reports.admins = ("nurse@verona.example",)
    assert [one.get("to") for one in stage.report(report())] == ["nurse@verona.example"]
    stage.reports.admins = ()
    assert stage.report(report()) == []
