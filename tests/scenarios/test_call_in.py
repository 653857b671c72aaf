"""A contact calls the user: XEP-0353."""

from tests.scenarios.calling import ANSWER, ECHO, JMI, USER, acknowledge, jingle, press, tell, words
from tests.scenarios.stage import ROMEO, ROMEO_TOO, Seen, Stage


def called(stage: Stage) -> tuple[Seen, str]:
    """Echo calls Romeo; return the proposal, and the session's id."""
    stage.say(f"<message type='chat' from='{ROMEO}' to='{ECHO}' id='c1'><body>call me</body></message>")
    (proposal,) = stage.take()
    return proposal, proposal.element.find(f"{{{JMI}}}propose").get("id")


def test_call_rings_on_all_devices_and_is_taken_on_one(stage: Stage) -> None:
    """Proposed to the bare JID as a chat that is kept; then a session with who proceeds."""
    proposal, sid = called(stage)
    assert words([proposal]) == ["<propose>"]
    assert (proposal.element.get("from"), proposal.element.get("to")) == (ECHO, USER)
    assert proposal.element.get("type") == "chat" and proposal.has("hints:store")
    assert proposal.has("*/*[@media='audio']")
    assert tell(stage, "ringing", sid=sid) == []
    (initiate,) = tell(stage, "proceed", sid=sid, who=ROMEO_TOO)
    assert words([initiate]) == ["session-initiate"]
    assert (initiate.element[0].get("initiator"), initiate.element.get("to")) == (ECHO, ROMEO_TOO)
    acknowledge(stage, initiate)
    assert words(jingle(stage, "session-accept", ANSWER, sid=sid, who=ROMEO_TOO)) == ["result"]
    assert words(jingle(stage, "session-accept", ANSWER, sid=sid, who=ROMEO_TOO)) == ["out-of-order"]
    ended = words(jingle(stage, "session-terminate", "<reason><success/></reason>", sid=sid, who=ROMEO_TOO))
    assert ended == ["result", "<finish success>"]


def test_contact_hangs_up(stage: Stage) -> None:
    """The session ends, and all devices learn that the call is over."""
    _proposal, sid = called(stage)
    tell(stage, "proceed", sid=sid)
    jingle(stage, "session-accept", ANSWER, sid=sid)
    assert words(press(stage, "#", sid=sid)) == ["result", "session-terminate success", "<finish success>"]


def test_call_is_declined_on_one_device(stage: Stage) -> None:
    """For all of them."""
    _proposal, sid = called(stage)
    assert tell(stage, "reject", sid=sid) == []
    assert words(tell(stage, "proceed", sid=sid, who=ROMEO_TOO)) == ["<retract gone>"]


def test_calls_end_with_the_gateway(stage: Stage) -> None:
    """Nobody is left ringing, or in a session that is none."""
    called(stage)
    stage.calls.stop("Gateway shutdown")
    assert words(stage.take()) == ["<retract gone>"]


def test_proposal_that_nobody_gets_is_no_message_of_the_contacts(stage: Stage) -> None:
    """What comes back of calls ends them, and is told as nothing else."""
    proposal, _sid = called(stage)
    ident = proposal.element.get("id")
    stage.say(
        f"<message type='error' from='{USER}' to='{ECHO}' id='{ident}'><error type='cancel'>"
        "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )
    assert words(stage.take()) == ["<retract expired>"]


def test_device_that_rings_for_nobody_is_told(stage: Stage) -> None:
    """A call of before a crash, or one that is over, gets no session."""
    for step in ("ringing", "proceed"):
        (retract,) = tell(stage, step, sid="of-before")
        assert words([retract]) == ["<retract gone>"]
        assert (retract.element.get("from"), retract.element.get("to")) == (ECHO, ROMEO)
    for step in ("reject", "retract", "finish"):
        assert tell(stage, step, sid="of-before") == []
