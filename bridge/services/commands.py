"""Ad-Hoc Commands (XEP-0050): who may execute what where, and the sessions of executions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred

from bridge.errors import BridgeError, Trouble
from bridge.events import UserId
from bridge.forms import Ask, Command, CommandContext, Done, FieldType, Outcome
from bridge.network import Address
from bridge.router import Request, Route, Target, iq_set
from bridge.xmpp.element import Element
from bridge.xmpp.jid import Jid
from bridge.xmpp.payloads.commands import (
    NS_COMMANDS,
    Action,
    CommandRequest,
    Status,
    build_command,
    parse_command,
)
from bridge.xmpp.payloads.forms import build_form

SESSIONS_PER_USER = 10
"""How many executions one user may have open; the one idle longest gives way."""
SESSION_LIMIT = 10_000
"""How many executions all users may have open; the one idle longest gives way."""
SESSION_LIFETIME = 15 * 60
"""Seconds after which an idle execution is forgotten."""
STEPS_KEPT = 10
"""How many forms one may go back."""

Offer = Callable[[Address], Sequence[Command]]
"""A source of commands: which are offered at an address?"""


class Session(Struct, kw_only=True):
    """One execution: bound to the client that began it and to the address it was begun at."""

    id: str
    sender: Jid
    to: str
    node: str
    asked: list[Ask]
    touched: float
    busy: bool = False


class Commands:
    """Lists and executes commands.

    `offers` are asked in order, and a later one may replace a node of an earlier one; `is_admin`
    tells who may use the admins' commands; `clock` gives seconds, `token` fresh session ids.
    """

    def __init__(
        self,
        offers: Sequence[Offer],
        is_admin: Callable[[Jid], bool],
        clock: Callable[[], float],
        token: Callable[[], str],
    ) -> None:
        self._offers = offers
        self._is_admin = is_admin
        self._clock = clock
        self._token = token
        self._sessions: dict[str, Session] = {}

    def routes(self) -> list[Route]:
        """Declare what it answers."""
        return [iq_set(NS_COMMANDS, "command", self.execute, Target.GATEWAY, Target.SERVER, Target.ROOM)]

    def listed(self, request: Request) -> list[Command]:
        """Return the commands that the sender may execute at the address, in order."""
        is_admin = self._is_admin(request.sender)
        return [command for command in self._at(request.address).values() if is_admin or not command.admin]

    def _at(self, address: Address) -> dict[str, Command]:
        return {command.node: command for offer in self._offers for command in offer(address)}

    def execute(self, request: Request) -> Element | Deferred[Element]:
        """§2.4: one step of an execution."""
        wish = parse_command(request.payload)
        if not wish.session:
            return self._begin(request, wish)
        session = self._session(request, wish)
        if wish.action is Action.CANCEL or wish.refused:
            del self._sessions[session.id]
            return build_command(session.node, session.id, Status.CANCELED)
        if wish.action is Action.PREV:
            return self._back(session)
        values = wish.values or {}
        _check_required(session.asked[-1], values)
        return self._step(session, lambda: session.asked[-1].proceed(values))

    def _begin(self, request: Request, wish: CommandRequest) -> Element | Deferred[Element]:
        if wish.action in (Action.CANCEL, Action.PREV):
            raise BridgeError(Trouble.BAD_REQUEST)
        command = self._at(request.address).get(wish.node)
        if command is None:
            raise BridgeError(Trouble.NOT_FOUND)
        is_admin = self._is_admin(request.sender)
        if command.admin and not is_admin:
            raise BridgeError(Trouble.FORBIDDEN)
        context = CommandContext(
            user=UserId(request.sender.bare),
            full_jid=str(request.sender),
            is_admin=is_admin,
            language=request.language,
        )
        session = Session(
            id=self._token(),
            sender=request.sender,
            to=request.to.bare,
            node=wish.node,
            asked=[],
            touched=self._clock(),
        )
        begin = command.begin
        return self._step(session, lambda: begin(context))

    def _session(self, request: Request, wish: CommandRequest) -> Session:
        """§4.4: bad-sessionid unless it is this client's own, at this address."""
        self._expire()
        session = self._sessions.get(wish.session)
        if (
            session is None
            or session.sender != request.sender
            or session.to != request.to.bare
            or session.node != wish.node
        ):
            raise BridgeError(Trouble.BAD_REQUEST, "This execution is unknown, or has expired.")
        if session.busy:
            raise BridgeError(Trouble.BAD_REQUEST, "The last step is not finished yet.")
        self._touch(session)
        return session

    def _back(self, session: Session) -> Element:
        if len(session.asked) < 2:
            raise BridgeError(Trouble.BAD_REQUEST, "There is no earlier step.")
        session.asked.pop()
        return self._show(session)

    def _step(self, session: Session, step: Callable[[], Outcome]) -> Element | Deferred[Element]:
        outcome = step()
        if not isinstance(outcome, Deferred):
            return self._outcome(session, outcome)
        session.busy = True
        waiting: Deferred[Any] = outcome
        waiting.addBoth(_rested, session)
        return waiting.addCallback(lambda result: self._outcome(session, result))

    def _outcome(self, session: Session, outcome: Outcome) -> Element | Deferred[Element]:
        if isinstance(outcome, Ask):
            session.asked = [*session.asked, outcome][-STEPS_KEPT:]
            self._touch(session)
            return self._show(session)
        if isinstance(outcome, Deferred):
            return self._step(session, lambda: outcome)
        self._sessions.pop(session.id, None)
        return _completed(session, outcome)

    def _show(self, session: Session) -> Element:
        asked = session.asked[-1]
        actions = [Action.NEXT if asked.more else Action.COMPLETE]
        if len(session.asked) > 1:
            actions.append(Action.PREV)
        form = build_form(asked.form)
        return build_command(session.node, session.id, Status.EXECUTING, form=form, actions=actions)

    # ---- how many, how long

    def _touch(self, session: Session) -> None:
        """Make it the one touched last, and let others go that are too many."""
        self._sessions.pop(session.id, None)
        self._expire()
        owner = session.sender.bare
        theirs = [one.id for one in self._sessions.values() if one.sender.bare == owner]
        for id in theirs[: max(0, len(theirs) + 1 - SESSIONS_PER_USER)]:
            del self._sessions[id]
        if len(self._sessions) >= SESSION_LIMIT:
            del self._sessions[next(iter(self._sessions))]
        session.touched = self._clock()
        self._sessions[session.id] = session

    def _expire(self) -> None:
        oldest = self._clock() - SESSION_LIFETIME
        while self._sessions:
            session = next(iter(self._sessions.values()))
            if session.touched > oldest:
                return
            del self._sessions[session.id]


def _rested(result: Any, session: Session) -> Any:
    session.busy = False
    return result


def _completed(session: Session, done: Done) -> Element:
    form = None if done.form is None else build_form(done.form, "result")
    note = None if done.note is None else (done.note.level, done.note.text)
    return build_command(session.node, session.id, Status.COMPLETED, form=form, note=note)


def _check_required(asked: Ask, values: Mapping[str, Sequence[str]]) -> None:
    """XEP-0004 §3.2: a required field must be filled in."""
    for field in asked.form.fields:
        if field.required and field.type is not FieldType.FIXED and not any(values.get(field.var, ())):
            raise BridgeError(Trouble.BAD_REQUEST, f"{field.label or field.var}: this is required.")
