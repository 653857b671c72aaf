"""The command of administrators."""

from __future__ import annotations

import pytest

from bridge.calls import CallEnd, CallId, Ending
from bridge.errors import BridgeError
from bridge.events import ContactId, UserId
from bridge.forms import Ask, CommandContext, Done
from bridge.network import GatewayAddress
from tests.transports.sip.calling import Pair
from transports.sip.trace import Traces
from transports.sip.tracing import Tracing

ADMIN = CommandContext(user=UserId("admin@a.example"), full_jid="admin@a.example/x", is_admin=True)
ROMEO = "romeo@a.example"


def run(tracing: Tracing, action: str, who: str = ROMEO) -> Done:
    [command] = tracing.commands()
    asked = command.begin(ADMIN)
    assert isinstance(asked, Ask)
    done = asked.proceed({"action": [action], "who": [who]})
    assert isinstance(done, Done)
    return done


def note(done: Done) -> str:
    assert done.note is not None
    return done.note.text


def test_calls_are_traced_shown_and_forgotten() -> None:
    """As an administrator does it, with a number as people write it."""
    traces = Traces(lambda: 0.0, lambda: 0.0)
    tracing = Tracing(traces)
    assert "are traced" in note(run(tracing, "start", "+49 (30) 123"))
    assert "no call" in note(run(tracing, "show", "+4930123"))
    end = CallEnd(call=CallId("c"), ending=Ending.BUSY)
    traces.event(UserId(ROMEO), ContactId("+4930123"), end, is_users=False)
    form = run(tracing, "show", "+4930123").form
    assert form is not None
    assert form.fields[0].values == ("00:00:00.000 XMPP to romeo@a.example: CallEnd busy",)
    assert "forgotten" in note(run(tracing, "stop", "+4930123"))
    assert "are not traced" in note(run(tracing, "show", "+4930123"))
    assert "are not traced" in note(run(tracing, "stop", "+4930123"))


@pytest.mark.parametrize(("action", "who"), [("start", " "), ("dance", ROMEO)])
def test_nonsense_is_refused(action: str, who: str) -> None:
    """Whose calls, and what to do, have to be said."""
    with pytest.raises(BridgeError):
        run(Tracing(Traces(lambda: 0.0, lambda: 0.0)), action, who)


def test_command_is_for_admins_of_gateways_with_calls() -> None:
    """It is offered where calls are carried."""
    commands = {one.node: one for one in Pair().a.network.commands(GatewayAddress())}
    assert commands["call-trace"].admin
