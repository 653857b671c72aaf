"""The ad-hoc command by which an administrator traces calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.logger import Logger

from bridge.errors import BridgeError, Trouble
from bridge.forms import Ask, Command, CommandContext, Done, Field, FieldType, Form, Note
from transports.sip.trace import LIFETIME, Traces, normal

START, SHOW, STOP = "start", "show", "stop"
NOBODY = "Please tell whose calls: a JID, a number, or an address of SIP."
NOT_TRACED = "Calls of {who} are not traced."
STARTED = "Calls of {who} are traced for an hour, or until you stop it."
STOPPED = "Calls of {who} are not traced any more, and what was recorded is forgotten."
NOTHING = "There was no call of {who} yet."


class Tracing:
    """See the module's docstring."""

    log = Logger()

    def __init__(self, traces: Traces) -> None:
        self._traces = traces

    def commands(self) -> Sequence[Command]:
        """Return the command, which is for administrators."""
        return (Command(node="call-trace", name="Trace somebody's calls", begin=self._ask, admin=True),)

    def _ask(self, context: CommandContext) -> Ask:
        names = self._traces.names
        actions = ((START, START), (SHOW, SHOW), (STOP, STOP))
        form = Form(
            title="Trace calls",
            instructions=f"SIP messages and events of somebody's calls, for {LIFETIME / 60:.0f} minutes. "
            f"Traced now: {', '.join(names) or 'nobody'}",
            fields=(
                Field(
                    var="action",
                    type=FieldType.LIST_SINGLE,
                    label="What to do",
                    options=actions,
                    values=(SHOW if names else START,),
                    required=True,
                ),
                Field(
                    var="who",
                    type=FieldType.TEXT_SINGLE,
                    label="Whose calls (a JID, a number, or user@host of SIP)",
                    values=tuple(names[-1:]),
                    required=True,
                ),
            ),
        )
        return Ask(form=form, proceed=lambda values: self._do(context, values))

    def _do(self, context: CommandContext, values: Mapping[str, Sequence[str]]) -> Done:
        who = normal(next(iter(values.get("who", ())), ""))
        if not who:
            raise BridgeError(Trouble.NOT_ACCEPTABLE, NOBODY)
        match next(iter(values.get("action", ())), ""):
            case "start":
                self.log.info("{admin} traces the calls of {who}", admin=context.user, who=who)
                self._traces.start(who)
                return Done(note=Note(STARTED.format(who=who)))
            case "stop":
                words = STOPPED if self._traces.stop(who) else NOT_TRACED
                return Done(note=Note(words.format(who=who)))
            case "show":
                return self._show(who)
        raise BridgeError(Trouble.BAD_REQUEST)

    def _show(self, who: str) -> Done:
        text = self._traces.show(who)
        if not text:
            words = NOT_TRACED if text is None else NOTHING
            return Done(note=Note(words.format(who=who)))
        field = Field(
            var="trace",
            type=FieldType.TEXT_MULTI,
            label="Messages and events",
            values=tuple(text.split("\n")),
        )
        return Done(form=Form(title=f"Calls of {who}", fields=(field,)))
