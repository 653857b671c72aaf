"""The user calls a contact: XEP-0166, XEP-0353."""

import pytest

from tests.scenarios.calling import BELL, BUSY, ECHO, NOBODY, ROMEO, VOICE, jingle, tell, words
from tests.scenarios.stage import ROMEO_TOO, Stage


def test_proposed_call_is_answered(stage: Stage) -> None:
    """Proceed at once, then the result, ringing and the acceptance, from the address that was called."""
    (proceed,) = tell(stage, "propose")
    assert words([proceed]) == ["<proceed>"]
    assert (proceed.element.get("from"), proceed.element.get("to")) == (ECHO, ROMEO)
    assert proceed.element.get("type") == "chat" and proceed.has("hints:store")
    answered = jingle(stage, "session-initiate", VOICE)
    assert words(answered) == ["result", "session-info ringing", "session-accept"]
    accept = answered[-1]
    assert (accept.element.get("from"), accept.element.get("to")) == (ECHO, ROMEO)
    content = accept.element[0][0]
    assert (content.get("name"), content.get("creator")) == ("voice", "initiator")
    assert [one.get("name") for one in content[0] if one.tag.endswith("payload-type")] == ["opus"]
    assert words(jingle(stage, "session-terminate", "<reason><success/></reason>")) == [
        "result",
        "<finish success>",
    ]
    assert words(jingle(stage, "session-info")) == ["unknown-session"]


def test_call_without_proposal_is_answered(stage: Stage) -> None:
    """Of clients that know Jingle alone; to a full JID, whose resource means nothing here."""
    answered = jingle(stage, "session-initiate", VOICE, to=f"{ECHO}/desk")
    assert words(answered) == ["result", "session-info ringing", "session-accept"]
    assert answered[-1].element.get("from") == f"{ECHO}/desk"


def test_busy_contact_refuses(stage: Stage) -> None:
    """The reason is the client's to show."""
    assert words(jingle(stage, "session-initiate", VOICE, BUSY)) == ["result", "session-terminate busy"]


def test_contact_who_cannot_be_called_is_told_in_words(stage: Stage) -> None:
    """By XEP-0353 before anything is offered, by Jingle when the offer fails."""
    assert words(tell(stage, "propose", NOBODY)) == ["<reject expired>", "There is nobody of that name."]
    ended = words(jingle(stage, "session-initiate", VOICE, NOBODY))
    assert ended == ["result", "Nobody answers", "session-terminate gone"]


def test_caller_who_gives_up_hears_no_more(stage: Stage) -> None:
    """By Jingle, or by XEP-0353 where both cross."""
    assert words(jingle(stage, "session-initiate", VOICE, BELL)) == ["result", "session-info ringing"]
    assert words(jingle(stage, "session-terminate", "<reason><cancel/></reason>", BELL)) == ["result"]
    tell(stage, "propose", BELL, "second")
    tell(stage, "retract", BELL, "second")
    assert words(jingle(stage, "transport-info", "", BELL, "second")) == ["unknown-session"]


@pytest.mark.parametrize("action", ["session-info", "session-terminate", "content-remove", "session-accept"])
def test_session_belongs_to_the_client_that_began_it(stage: Stage, action: str) -> None:
    """Another client of the user, who knows the id, has no say in it; nor has a stranger."""
    jingle(stage, "session-initiate", VOICE)
    for thief in (ROMEO_TOO, "juliet@capulet.example/balcony"):
        assert words(jingle(stage, action, who=thief)) == ["unknown-session"]
    assert words(jingle(stage, "session-info")) == ["result"]


def test_malformed_requests_are_refused(stage: Stage) -> None:
    """XEP-0166 §6.3; nothing of a call is left."""
    assert words(jingle(stage, "session-imitate", VOICE)) == ["bad-request"]
    assert words(jingle(stage, "session-initiate")) == ["bad-request"]
    ended = ["result", "session-terminate unsupported-applications"]
    alien = "<content creator='initiator' name='f'><description xmlns='urn:xmpp:jingle:apps:file-transfer:5'/></content>"
    assert words(jingle(stage, "session-initiate", alien)) == ended
    assert words(jingle(stage, "session-info")) == ["unknown-session"]


def test_two_calls_at_once_are_apart(stage: Stage) -> None:
    """Even to the same contact, by other ids."""
    jingle(stage, "session-initiate", VOICE, sid="one")
    assert words(jingle(stage, "session-initiate", VOICE, sid="two"))[-1] == "session-accept"
    assert words(jingle(stage, "session-terminate", sid="one")) == ["result"]
    assert words(jingle(stage, "session-info", sid="two")) == ["result"]
