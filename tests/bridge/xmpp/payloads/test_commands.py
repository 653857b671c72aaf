"""Ad-hoc command payloads."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.commands import (
    NS_COMMANDS,
    Action,
    CommandRequest,
    Status,
    build_command,
    parse_command,
)
from bridge.xmpp.payloads.forms import NS_FORMS, build_submit


def test_first_step_needs_only_a_node():
    """XEP-0050 §3.2: execute is the default action."""
    assert parse_command(Element("command", NS_COMMANDS, {"node": "n"})) == CommandRequest(node="n")


def test_step_with_a_form_is_read():
    """Session, action and values are read."""
    form = build_submit("", [("a", "1")])
    payload = Element("command", NS_COMMANDS, {"node": "n", "sessionid": "s", "action": "next"}, form)
    read = parse_command(payload)
    assert (read.session, read.action, read.refused) == ("s", Action.NEXT, False)
    assert read.values["a"] == ("1",)


def test_form_of_type_cancel_refuses():
    """XEP-0004 §3.1: a cancelled form cancels the step."""
    payload = Element("command", NS_COMMANDS, {"node": "n"}, Element("x", NS_FORMS, {"type": "cancel"}))
    assert parse_command(payload).refused


@pytest.mark.parametrize("attributes", [{}, {"node": ""}, {"node": "n", "action": "dance"}])
def test_command_without_node_or_with_unknown_action_is_refused(attributes):
    """XEP-0050 §4.4: malformed-action."""
    with pytest.raises(BridgeError) as caught:
        parse_command(Element("command", NS_COMMANDS, attributes))
    assert caught.value.trouble is Trouble.BAD_REQUEST


def test_answer_is_written_in_the_order_of_the_schema():
    """Actions, form, note."""
    answer = build_command(
        "n",
        "s",
        Status.EXECUTING,
        form=Element("x", NS_FORMS),
        note=("warn", "careful"),
        actions=[Action.NEXT, Action.PREV],
    )
    assert answer.to_xml() == (
        f"<command xmlns='{NS_COMMANDS}' node='n' sessionid='s' status='executing'>"
        f"<actions execute='next'><next/><prev/></actions><x xmlns='{NS_FORMS}'/>"
        "<note type='warn'>careful</note></command>"
    )
