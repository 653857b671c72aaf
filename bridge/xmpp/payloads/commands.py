"""XEP-0050 Ad-Hoc Commands 1.3.0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from msgspec import Struct

from bridge.errors import BridgeError, Trouble
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.forms import find_form, parse_values

NS_COMMANDS = "http://jabber.org/protocol/commands"


class Action(Enum):
    """XEP-0050 §3.2."""

    EXECUTE = "execute"
    NEXT = "next"
    PREV = "prev"
    COMPLETE = "complete"
    CANCEL = "cancel"


class Status(Enum):
    """XEP-0050 §3.1."""

    EXECUTING = "executing"
    COMPLETED = "completed"
    CANCELED = "canceled"


class CommandRequest(Struct, frozen=True, kw_only=True):
    """One step as the requester sends it; `values` is None when it carries no form.

    `refused` is True for a form of type cancel.
    """

    node: str
    session: str = ""
    action: Action = Action.EXECUTE
    values: Mapping[str, Sequence[str]] | None = None
    refused: bool = False


def parse_command(payload: Element) -> CommandRequest:
    """Read a ``<command/>``; BAD_REQUEST for a missing node or an action that is none (malformed-action)."""
    node = payload.get("node")
    if not node:
        raise BridgeError(Trouble.BAD_REQUEST)
    try:
        action = Action(payload.get("action") or "execute")
    except ValueError:
        raise BridgeError(Trouble.BAD_REQUEST) from None
    x = find_form(payload)
    return CommandRequest(
        node=node,
        session=payload.get("sessionid") or "",
        action=action,
        values=None if x is None else parse_values(x),
        refused=x is not None and x.get("type") == "cancel",
    )


def build_command(
    node: str,
    session: str,
    status: Status,
    *,
    form: Element | None = None,
    note: tuple[str, str] | None = None,
    actions: Sequence[Action] = (),
) -> Element:
    """Write an answer; `note` is (level, text), `actions` what may follow, the default one first."""
    command = Element("command", NS_COMMANDS, {"node": node, "sessionid": session, "status": status.value})
    if actions:
        choice = Element("actions", NS_COMMANDS, {"execute": actions[0].value})
        for action in actions:
            choice.add(Element(action.value, NS_COMMANDS))
        command.add(choice)
    if form is not None:
        command.add(form)
    if note is not None:
        command.add(Element("note", NS_COMMANDS, {"type": note[0]}, note[1]))
    return command
