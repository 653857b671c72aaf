"""How guests come into a room of XMPP, stay there and go (the client side of XEP-0045 §7.2, §7.6, §7.14)."""

from __future__ import annotations

from collections.abc import Callable

from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ChangeNick,
    ContactId,
    Enter,
    Entered,
    Exit,
    Exited,
    Incoming,
    NickChange,
    NickRefused,
    NotEntered,
    Occupant,
    OccupantChange,
    Outgoing,
    RoomNotice,
)
from bridge.services.guests.company import Company
from bridge.services.guests.endings import ending, entry_error, is_passing
from bridge.services.guests.hearing import occupant
from bridge.services.guests.visit import State, Visit
from bridge.services.guests.wording import stanza as written
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.forms import NS_FORMS
from bridge.xmpp.payloads.muc import (
    CREATED,
    NICK_CHANGED,
    NS_MUC_OWNER,
    SELF,
    MucJoin,
    MucUser,
    build_join,
    parse_user,
)
from bridge.xmpp.payloads.ping import build_ping
from bridge.xmpp.payloads.vcard_update import build_photo_hash
from bridge.xmpp.stanza import NS_COMPONENT

ENTRY_PATIENCE = 60.0
"""Seconds that a room has to let somebody in, or give him another nick."""
EXIT_PATIENCE = 10.0
"""Seconds that a room has to let somebody out."""
REJOIN_DELAYS = (2.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds before each attempt to be in again; the last one repeats."""
CLOCK_SKEW = 60.0
"""Seconds by which a room's clock may differ from ours."""
REJOIN_PATIENCE = 6 * 3600.0
"""Seconds after which nobody tries to be in again."""
CATCH_UP = 10.0
"""Seconds after which nobody waits any more for what was said before: the room does not tell it."""
SILENCE = 12 * 60.0
"""Seconds without a stanza after which the listener asks whether he is still in (XEP-0410 §3)."""
PING_TRIES = 2
"""Questions without an answer after which he is not."""
_STILL_IN = frozenset({Trouble.NO_SERVICE, Trouble.UNSUPPORTED})
"""XEP-0410 §3.1: answers that come from a client. No such item may also mean that there is no such room."""

_ROOM_ANSWERS = frozenset({Trouble.NOT_ACCEPTABLE, Trouble.NOT_FOUND})
"""He is not in, but may be at once."""


class Attendance:
    """See the module's docstring. `act` does what waited until its guest was in."""

    def __init__(self, company: Company, act: Callable[[Visit, Outgoing], None]) -> None:
        self._company = company
        self._act = act

    # ---- in and out

    def enter(self, guest: ContactId, jid: str, event: Enter) -> Visit:
        """Somebody wants to be in (§7.2.1)."""
        company = self._company
        visit = company.visits.get(guest)
        if visit is None:
            visit = company.visits[guest] = Visit(guest, jid, event)
            self._join(visit)
        elif visit.state is State.INSIDE:
            self._welcome(visit)
        elif visit.state is State.LEAVING:
            visit.again = event
        else:
            company.tell_all(company.roster.release(visit.wanted))
            visit.wanted, visit.password, visit.since = event.nick, event.password, event.since
            self._join(visit)
        return visit

    def _join(self, visit: Visit) -> None:
        """Only the listener is told of the past: there is nobody else to whom it would be new."""
        company = self._company
        if company.listener is None:
            company.roster.clear()
        visit.state = State.ENTERING
        visit.caught_up = False
        visit.deadline = company.ports.now() + ENTRY_PATIENCE
        company.roster.wanted.add(visit.wanted)
        company.tell_all(company.settle())
        past = visit.since = visit.since if visit is company.listener else None
        join = MucJoin(password=visit.password, max_stanzas=0 if past is None else None, since=past)
        visit.asked_at = company.ports.now()
        self._presence(visit, visit.wanted, None, build_join(join), *self._looks(visit))

    def _refresh(self, visit: Visit) -> None:
        """Enter as if for the first time: who is in is shown all, and told what was said meanwhile.

        COMPAT: where a room takes it for a presence like any, the subject does not come and all is as it was.
        """
        company = self._company
        visit.since, visit.caught_up = self._missed_since(visit), False
        visit.late = company.ports.now() + CATCH_UP
        company.roster.begin_count()
        join = build_join(MucJoin(password=visit.password, since=visit.since))
        self._presence(visit, visit.nick, None, join, *self._looks(visit))

    def _missed_since(self, visit: Visit) -> float:
        """Return from when on something may have been missed, in seconds since the epoch."""
        ports = self._company.ports
        heard = ports.wall() - (ports.now() - visit.heard_at) - CLOCK_SKEW
        is_behind = visit.since is not None and not visit.caught_up
        return min(heard, visit.since) if is_behind and visit.since is not None else heard

    def _presence(self, visit: Visit, nick: str, type: str | None, *payloads: Element) -> None:
        to, ports = f"{self._company.id}/{nick}", self._company.ports
        ports.send(written("presence", type, visit.jid, to, ports.fresh_id(), *payloads))

    def depart(self, visit: Visit, reason: str) -> None:
        """Somebody wants to be out (§7.14)."""
        if visit.state is State.LOST:
            return self._end(visit, self._exited(visit, Exit.LEFT, reason))
        visit.again = None
        if visit.state is not State.LEAVING:
            visit.state = State.LEAVING
            visit.deadline = self._company.ports.now() + EXIT_PATIENCE
            self._say_farewell(visit, reason)
            self._company.tell_all(self._company.settle())
        return None

    def _say_farewell(self, visit: Visit, reason: str) -> None:
        words = [Element("status", NS_COMPONENT, None, reason)] if reason else []
        self._presence(visit, visit.nick or visit.wanted, "unavailable", *words)

    def close(self, reason: str) -> None:
        """Everybody goes, and nobody waits for the room to say that it knows."""
        for visit in self._company.visits.values():
            if visit.state in (State.ENTERING, State.INSIDE):
                self._say_farewell(visit, reason)
        self._company.visits.clear()
        self._company.listener = None

    def _exited(self, visit: Visit, exit: Exit, reason: str = "", actor: str = "") -> Exited:
        return Exited(room=self._company.id, nick=visit.nick, exit=exit, actor=actor, reason=reason)

    def _end(self, visit: Visit, event: Incoming) -> None:
        """The visit is over; `event` says how."""
        company = self._company
        del company.visits[visit.guest]
        company.roster.guests.discard(visit.nick)
        company.tell(visit, *visit.fail_all(BridgeError(Trouble.NOT_IN_ROOM), waiting=True), event)
        company.tell_all(company.settle())
        company.tell_all(company.roster.release(visit.wanted))
        company.ports.over(company.id, visit)
        if visit.again is not None and visit.guest not in company.visits:
            company.ports.again(visit.guest, visit.again)

    def _lose(self, visit: Visit, why: str) -> None:
        """He is not in any more, and shall be again; one notice for all who are lost together."""
        company, now = self._company, self._company.ports.now()
        was_in = visit.state is State.INSIDE
        if was_in:
            visit.lost_at, visit.attempts = now, 0
            visit.since = self._missed_since(visit)
        visit.state = State.LOST
        visit.deadline = now + REJOIN_DELAYS[min(visit.attempts, len(REJOIN_DELAYS) - 1)]
        visit.attempts += 1
        visit.is_pinging = visit.is_doubted = False
        company.roster.guests.discard(visit.nick)
        company.tell(visit, *visit.fail_all(BridgeError(Trouble.LOST), waiting=False))
        company.tell_all(company.settle())
        company.tell_all(company.roster.release(visit.wanted))
        if was_in and not company.is_anybody_inside():
            text = f"The room cannot be reached ({why}); trying again."
            company.tell(visit, RoomNotice(room=company.id, text=text))

    # ---- nicks

    def change_nick(self, visit: Visit, event: ChangeNick) -> None:
        """Somebody wants another nick (§7.6)."""
        if visit.state is not State.INSIDE:
            raise BridgeError(Trouble.NOT_IN_ROOM)
        company = self._company
        if event.nick == visit.nick and visit.me is not None:
            return company.tell(visit, NickChange(room=company.id, old=visit.nick, occupant=visit.me))
        company.tell_all(company.roster.release(visit.wanted))
        visit.wanted = event.nick
        visit.deadline = company.ports.now() + ENTRY_PATIENCE
        company.roster.wanted.add(event.nick)
        return self._presence(visit, event.nick, None, *self._looks(visit))

    # ---- looks

    def wear(self, visit: Visit, avatar: str) -> None:
        """Somebody has another picture (XEP-0153 §4.1)."""
        visit.avatar = avatar
        if visit.state is State.INSIDE:
            self._presence(visit, visit.nick, None, *self._looks(visit))

    def _looks(self, visit: Visit) -> tuple[Element, ...]:
        photo = () if visit.avatar is None else (build_photo_hash(visit.avatar),)
        return (self._company.ports.caps(), *photo)

    # ---- what the room says

    def presence(self, visit: Visit, stanza: Element, nick: str) -> None:
        """Take a presence from an occupant, or from the room itself if `nick` is "", to a guest."""
        kind = stanza.get("type") or ""
        if kind == "error":
            return self._refused(visit, stanza)
        if not nick or kind not in ("", "unavailable"):
            return None
        user = parse_user(stanza) or MucUser()
        own = SELF in user.codes or visit.is_his(nick)
        if kind == "":
            return self._there(visit, occupant(stanza, nick, user), user, own)
        return self._gone(visit, stanza, user) if own else self._other_gone(stanza, nick, user)

    def _there(self, visit: Visit, one: Occupant, user: MucUser, own: bool) -> None:
        company = self._company
        if not own:
            if not company.is_ours(one):
                company.tell_all(company.roster.there(one, listening=visit is company.listener))
        elif visit.state is State.ENTERING:
            self._let_in(visit, one, user)
        elif visit.state is State.INSIDE:
            if CREATED in user.codes:
                # the room was gone, and is there again by his entering it anew
                self._accept(visit)
            self._still_in(visit, one)

    def _still_in(self, visit: Visit, one: Occupant) -> None:
        company = self._company
        if one != visit.me:
            old, visit.me = visit.nick, one
            if one.nick == old:
                company.tell(visit, OccupantChange(room=company.id, occupant=one))
            else:
                self._renamed(visit, old, one)

    def _let_in(self, visit: Visit, me: Occupant, user: MucUser) -> None:
        """§7.2.2: his own presence is the last; who was there so far is told by `Entered`."""
        company, wanted = self._company, visit.wanted
        visit.state, visit.was_in, visit.me, visit.is_doubted = State.INSIDE, True, me, False
        visit.late = company.ports.now() + CATCH_UP
        visit.nick = visit.wanted = me.nick
        mistaken = company.roster.guest_in(me.nick)
        company.settle()
        if company.listener is not visit:
            company.tell_all(mistaken)
        if CREATED in user.codes:
            self._accept(visit)
        self._welcome(visit, created=CREATED in user.codes)
        company.tell_all(company.roster.release(wanted))

    def go_on(self) -> None:
        """Do what waited for guests to be in, once it is known what was said before."""
        for visit in list(self._company.visits.values()):
            while visit.waiting and visit.is_heard and not self._company.is_catching_up():
                self._act(visit, visit.waiting.popleft()[1])

    def _accept(self, visit: Visit) -> None:
        """§10.1.2: a room that was not there is taken as the service makes it."""
        form = Element("x", NS_FORMS, {"type": "submit"})
        query = Element("query", NS_MUC_OWNER, None, form)
        asked = self._company.ports.ask(written("iq", "set", visit.jid, self._company.id, "", query))
        asked.addErrback(lambda failure: failure.trap(BridgeError) and None)

    def _welcome(self, visit: Visit, *, created: bool = False) -> None:
        assert visit.me is not None
        company = self._company
        there, topic = company.roster.snapshot(), company.topic
        entered = Entered(room=company.id, me=visit.me, occupants=there, topic=topic, created=created)
        company.tell(visit, entered)

    def _renamed(self, visit: Visit, old: str, me: Occupant) -> None:
        company, wanted = self._company, visit.wanted
        company.roster.guests.discard(old)
        visit.nick = visit.wanted = me.nick
        company.tell_all(company.roster.guest_in(me.nick))
        company.tell(visit, NickChange(room=company.id, old=old, occupant=me))
        company.tell_all(company.roster.release(wanted))

    def _gone(self, visit: Visit, stanza: Element, user: MucUser) -> None:
        """He is out, or has another nick (§7.6, §7.14, §8.2, §9.1, §10.9)."""
        if NICK_CHANGED in user.codes:
            if user.item.nick and visit.state is State.INSIDE:
                self._company.roster.wanted.add(user.item.nick)
                visit.wanted = user.item.nick
            return
        exit, reason = ending(user, stanza.child_text("status") or "", visit.state is State.LEAVING)
        if visit.state is State.LOST:
            return
        if exit is None and visit.was_in:
            self._lose(visit, reason or "the room put us out")
        elif visit.was_in or visit.state is State.LEAVING:
            self._end(visit, self._exited(visit, exit or Exit.DISCONNECTED, reason, user.item.actor))
        else:
            trouble = Trouble.BANNED if exit is Exit.BANNED else Trouble.REFUSED
            error = BridgeError(trouble, reason)
            self._end(visit, NotEntered(room=self._company.id, nick=visit.wanted, error=error))

    def _other_gone(self, stanza: Element, nick: str, user: MucUser) -> None:
        if nick in self._company.roster.guests:
            if NICK_CHANGED in user.codes and user.item.nick:
                for visit in self._company.visits.values():
                    if visit.nick == nick:
                        visit.wanted = user.item.nick
                self._company.roster.wanted.add(user.item.nick)
            return
        self._company.tell_all(self._company.roster.gone(nick, user, stanza.child_text("status") or ""))

    def _refused(self, visit: Visit, stanza: Element) -> None:
        """The room, or the way to it, says no to a presence (§7.2.4 to §7.2.11, §7.6)."""
        error = entry_error(stanza)
        if visit.state is State.LEAVING:
            self._end(visit, self._exited(visit, Exit.LEFT))
        elif visit.is_renaming:
            self._keep_nick(visit, error)
        elif visit.state is State.ENTERING and visit.was_in and is_passing(stanza):
            self._lose(visit, error.text)
        elif visit.state is State.ENTERING and visit.was_in:
            exit = Exit.BANNED if error.trouble is Trouble.BANNED else Exit.DISCONNECTED
            self._end(visit, self._exited(visit, exit, error.text))
        elif visit.state is State.ENTERING:
            self._end(visit, NotEntered(room=self._company.id, nick=visit.wanted, error=error))

    def _keep_nick(self, visit: Visit, error: BridgeError) -> None:
        refused, visit.wanted = visit.wanted, visit.nick
        self._company.tell_all(self._company.roster.release(refused))
        self._company.tell(visit, NickRefused(room=self._company.id, nick=refused, error=error))

    # ---- time

    def tick(self) -> None:
        """Do what is due; called every few seconds."""
        company, now = self._company, self._company.ports.now()
        for visit in list(company.visits.values()):
            company.tell(visit, *visit.overdue(now))
            if visit.state is State.INSIDE:
                if visit.is_renaming and visit.deadline <= now:
                    self._keep_nick(visit, BridgeError(Trouble.TIMED_OUT))
            elif visit.deadline <= now and company.visits.get(visit.guest) is visit:
                self._out_of_time(visit, now)
        listener = company.listener
        if listener is not None and now - max(listener.heard_at, listener.asked_at) >= SILENCE:
            self.ping(listener)

    def _out_of_time(self, visit: Visit, now: float) -> None:
        if visit.state is State.LEAVING:
            self._end(visit, self._exited(visit, Exit.LEFT))
        elif visit.state is State.ENTERING:
            self._say_farewell(visit, "")
            if visit.was_in:
                self._lose(visit, "no answer")
            else:
                error = BridgeError(Trouble.TIMED_OUT)
                self._end(visit, NotEntered(room=self._company.id, nick=visit.wanted, error=error))
        elif now - visit.lost_at >= REJOIN_PATIENCE:
            self._end(visit, self._exited(visit, Exit.DISCONNECTED, "The room cannot be reached."))
        elif self._may_join():
            self._join(visit)

    def _may_join(self) -> bool:
        """Of those who are lost, one goes ahead of the others."""
        return self._company.listener is None or self._company.listener.state is State.INSIDE

    def doubt(self) -> None:
        """The link was broken: everybody asks whether he is still in; who waits to be in (again) tries now.

        What was said to them meanwhile may be lost without anybody knowing: the listener asks for it again.
        """
        now = self._company.ports.now()
        for visit in list(self._company.visits.values()):
            if visit.state is State.LOST:
                visit.deadline = now
            elif visit.state is State.ENTERING:
                self._join(visit)
            elif visit.state is State.INSIDE:
                if visit is self._company.listener:
                    self._refresh(visit)
                self.ping(visit)

    def ping(self, visit: Visit) -> None:
        """XEP-0410 §3: ask whether he is still in."""
        if visit.is_pinging or visit.state is not State.INSIDE:
            return
        visit.is_pinging = True
        visit.asked_at = self._company.ports.now()
        iq = written("iq", "get", visit.jid, f"{self._company.id}/{visit.nick}", "", build_ping())
        self._company.ports.ask(iq).addCallbacks(
            lambda _: self._pinged(visit, None), lambda failure: self._pinged(visit, failure)
        )

    def _pinged(self, visit: Visit, failure: Failure | None) -> None:
        if visit.state is not State.INSIDE or not visit.is_pinging:
            return
        visit.is_pinging = visit.is_doubted = False
        error = None if failure is None else failure.value
        if not isinstance(error, BridgeError) or error.trouble in _STILL_IN:
            visit.unanswered_pings = 0
        elif error.trouble is Trouble.TIMED_OUT and visit.unanswered_pings + 1 < PING_TRIES:
            visit.unanswered_pings += 1
        else:
            self._lose(visit, error.text)
            if error.trouble in _ROOM_ANSWERS and self._may_join():
                self._join(visit)
