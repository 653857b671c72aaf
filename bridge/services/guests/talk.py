"""What guests say and do in a room of XMPP, and what is said there (XEP-0045 §7.4, §7.5, §8, §9)."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from msgspec import structs
from twisted.python.failure import Failure

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    DirectMessage,
    DirectReaction,
    DirectRetraction,
    Failed,
    Invite,
    Kick,
    Message,
    Occupant,
    Outgoing,
    Reaction,
    Receipt,
    Retraction,
    Sent,
    SetAffiliation,
    SetRole,
    Topic,
    Typing,
    VoiceRequest,
)
from bridge.services.guests import wording
from bridge.services.guests.company import Company
from bridge.services.guests.endings import is_passing, speech_error
from bridge.services.guests.hearing import Heard, declined, heard, whispered
from bridge.services.guests.past import Past
from bridge.services.guests.visit import State, Visit
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.delay import parse_delay
from bridge.xmpp.payloads.stanza_id import parse_origin_id, parse_stanza_id
from bridge.xmpp.payloads.voice import parse_approval
from bridge.xmpp.stanza import error_from

SEEN = 1_000
"""Messages whose ids are remembered, to tell each once; and that may wait for those before them."""


class Talk:
    """See the module's docstring.

    `doubt` is told whom the room does not seem to know; `caught_up` is called when all of the past was told.
    """

    def __init__(
        self, company: Company, doubt: Callable[[Visit], None], caught_up: Callable[[], None]
    ) -> None:
        self._company = company
        self._doubt = doubt
        self._past = Past(company, self._recalled, self._past_told, caught_up)
        self._first: Topic | None = None
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._said: OrderedDict[str, Message] = OrderedDict()
        self._held: deque[tuple[Visit, Element, str]] = deque(maxlen=SEEN)

    # ---- what guests want

    def act(self, visit: Visit, event: Outgoing) -> None:
        """Do what a guest wants who is in, or will be; BridgeError if it cannot be."""
        match event:
            case Typing() | Receipt():
                if visit.state is State.INSIDE:
                    self._company.ports.send(wording.accompanied(event, visit.jid, self._company.id))
            case _ if visit.state is State.LEAVING:
                raise BridgeError(Trouble.NOT_IN_ROOM)
            case _ if not visit.is_heard or self._company.is_catching_up():
                visit.delay(event, self._company.ports.now())
            case Retraction() if event.actor:
                self._ask(visit, event, wording.asked(event, visit.jid, None))
            case Kick():
                self._ask(visit, event, wording.asked(event, visit.jid, self._whom(event.nick)))
            case SetRole():
                self._ask(visit, event, wording.asked(event, visit.jid, None))
            case SetAffiliation():
                self._ask(visit, event, wording.asked(event, visit.jid, self._whom(event.target)))
            case Message() if self._was_said(visit, event):
                self._company.tell(visit, Sent(ref=event.ref, message=self._said[event.origin]))
            case Message() | Topic() | Reaction() | Retraction():
                id = (event.origin if isinstance(event, Message) else "") or self._company.ports.fresh_id()
                visit.begin(id, event, self._company.ports.now())
                self._company.ports.send(wording.spoken(event, visit.jid, id))
            case DirectMessage() | DirectReaction() | DirectRetraction():
                origin = event.origin if isinstance(event, DirectMessage) else ""
                id = origin or self._company.ports.fresh_id()
                self._post(visit, event, id, wording.whispered(event, visit.jid, id))
            case Invite():
                jid, id = self._invited(event), self._company.ports.fresh_id()
                self._post(visit, event, id, wording.invitation(event, jid, visit.jid, id))
            case VoiceRequest():
                id = self._company.ports.fresh_id()
                self._post(visit, event, id, wording.voice_request(event, visit.jid, id))
            case _:
                raise BridgeError(Trouble.UNSUPPORTED)

    def _was_said(self, visit: Visit, event: Message) -> bool:
        """Tell whether the room has it already: we ended before we knew, and began again."""
        said = self._said.get(event.origin)
        return said is not None and said.nick == visit.nick

    def _post(self, visit: Visit, event: wording.Posted, id: str, stanza: Element) -> None:
        """Send what is answered only if it fails."""
        visit.begin(id, event, self._company.ports.now(), told=True)
        self._company.ports.send(stanza)
        if event.ref:
            self._company.tell(visit, Sent(ref=event.ref))

    def _whom(self, nick: str) -> Occupant | None:
        known = self._company.roster.get(nick)
        own = (one.me for one in self._company.visits.values() if one.nick == nick)
        return known or next(own, None)

    def _invited(self, event: Invite) -> str:
        nick = event.contact or event.user or event.nick
        target = self._whom(nick)
        if target is not None and target.address:
            return target.address.partition("/")[0]
        if "@" not in nick:
            raise BridgeError(Trouble.NO_SUCH_NICK)
        return nick

    def _ask(self, visit: Visit, event: Kick | SetRole | SetAffiliation | Retraction, iq: Element) -> None:
        def answer(result: object) -> None:
            error = result.value if isinstance(result, Failure) else None
            if event.ref and isinstance(error, BridgeError):
                self._company.tell(visit, Failed(ref=event.ref, error=error))
            elif event.ref:
                self._company.tell(visit, Sent(ref=event.ref))

        self._company.ports.ask(iq).addBoth(answer)

    # ---- what comes from the room

    def message(self, visit: Visit, stanza: Element, nick: str) -> None:
        """Take a message from an occupant, or from the room itself if `nick` is "", to a guest."""
        kind = stanza.get("type") or ""
        if kind == "error":
            self._bounced(visit, stanza)
        elif visit.state is not State.INSIDE:
            return
        elif kind == "groupchat":
            self._groupchat(visit, stanza, nick)
        elif not nick:
            self._told_by_room(visit, stanza)
        else:
            event = whispered(stanza, self._company.id, nick)
            if event is not None:
                self._company.tell(visit, event)

    def _told_by_room(self, visit: Visit, stanza: Element) -> None:
        """Take what the room says to one guest: of its past, what he may decide (§8.6), who declines."""
        if self._past.take(visit, stanza):
            return
        asking, decline = parse_approval(stanza), declined(stanza, self._company.id)
        if asking is not None:
            self._company.tell(visit, VoiceRequest(room=self._company.id, nick=asking))
        elif decline is not None:
            self._company.tell(visit, decline)

    def _bounced(self, visit: Visit, stanza: Element) -> None:
        """Something that he said came back (§7.4, RFC 6120 §8.3)."""
        found = visit.under_way.pop(stanza.get("id") or "", None)
        if found is None:
            return
        error = speech_error(stanza) if not found.told else error_from(stanza)
        is_out = error.trouble is Trouble.NOT_IN_ROOM or is_passing(stanza)
        # nobody heard it: the room, or the service, was started anew, and he is to be in again
        is_repeated = is_out and not found.told and visit.repeat(found.event, self._company.ports.now())
        if found.ref and not is_repeated:
            visit.repeated.discard(found.ref)
            self._company.tell(visit, Failed(ref=found.ref, error=error))
        if is_out:
            visit.is_doubted = visit.is_doubted or is_repeated
            self._doubt(visit)

    def _groupchat(self, visit: Visit, stanza: Element, nick: str) -> None:
        if nick == visit.nick and self._reflected(visit, stanza):
            return
        event = heard(stanza, self._company.id, nick, self._identity(nick))
        if isinstance(event, Topic):
            return self._subject(visit, event)
        is_past = not visit.caught_up and parse_delay(stanza) is not None
        if is_past and visit.is_catching_up(self._company.ports.now()):
            return self._past.keep(visit, stanza, nick)
        if not is_past and self._company.is_catching_up():
            return self._held.append((visit, stanza, nick))
        return self._told(visit, stanza, nick, event, is_past=is_past, is_doubtful=is_past)

    def _recalled(self, visit: Visit, stanza: Element, nick: str) -> None:
        event = heard(stanza, self._company.id, nick, self._identity(nick))
        if not isinstance(event, Topic):
            self._told(visit, stanza, nick, event, is_past=True, is_doubtful=True)

    def _past_told(self, visit: Visit) -> None:
        first, self._first = self._first, None
        if first is not None and visit is self._company.listener:
            self._begin(first)

    def _begin(self, topic: Topic) -> None:
        """All of the past was told: who did not come back by now went meanwhile."""
        self._company.tell_all(self._company.roster.end_count())
        self._set_subject(topic, is_first=True)

    def go_on(self) -> None:
        """What was said while the past was being told comes after it."""
        self._past.give_up()
        while self._held and self._company.is_attended():
            visit, stanza, nick = self._held.popleft()
            event = heard(stanza, self._company.id, nick, self._identity(nick))
            self._told(visit, stanza, nick, event, is_past=False, is_doubtful=True)

    def _told(
        self,
        visit: Visit,
        stanza: Element,
        nick: str,
        event: Heard | None,
        *,
        is_past: bool,
        is_doubtful: bool,
    ) -> None:
        if event is None or (is_past and visit.since is None):
            return None
        if not self._is_new(visit, stanza, is_doubtful):
            return None
        if self._is_our_own(nick, is_past):
            return self._remember(nick, stanza, event) if is_past else None
        return self._company.tell_all((event,))

    def _remember(self, nick: str, stanza: Element, event: Heard) -> None:
        """A guest said it before; perhaps he waits for it still, or is about to say it once more."""
        author = next((one for one in self._company.visits.values() if one.nick == nick), None)
        id = stanza.get("id")
        if (author is None or not self._reflected(author, stanza)) and id and isinstance(event, Message):
            self._said[id] = event
            if len(self._said) > SEEN:
                self._said.popitem(last=False)

    def _is_our_own(self, nick: str, is_past: bool) -> bool:
        """Of the past, also the words of guests who are still to come in again are our own."""
        return nick in self._company.roster.guests or (
            is_past and any(nick in (one.nick, one.wanted) for one in self._company.visits.values())
        )

    def _identity(self, nick: str) -> str:
        known = self._company.roster.get(nick)
        return "" if known is None else known.identity

    def _is_new(self, visit: Visit, stanza: Element, is_doubtful: bool = False) -> bool:
        """Each message comes to each guest: by its id it is told once, without one if the listener has it.

        Where the room gives no ids, the author's tells whether what may have been heard before was.
        """
        id = parse_stanza_id(stanza, self._company.id)
        if id is None:
            if visit is not self._company.listener:
                return False
            id = f"{stanza.get('from')} {stanza.get('id')}"
            if not stanza.get("id") or (id in self._seen and not is_doubtful):
                return True
        if id in self._seen:
            return False
        self._seen[id] = None
        if len(self._seen) > SEEN:
            self._seen.popitem(last=False)
        return True

    def _reflected(self, visit: Visit, stanza: Element) -> bool:
        """His own words, as the room saw them (§7.4)."""
        for id in (stanza.get("id") or "", parse_origin_id(stanza) or "", self._topic_id(visit, stanza)):
            event = self._own(visit, stanza) if id in visit.under_way else None
            answer = visit.reflected(id, event if isinstance(event, Message) else None)
            if answer is None:
                continue
            self._is_new(visit, stanza)
            if isinstance(event, Topic):
                self._company.topic = event
            if answer.ref:
                self._company.tell(visit, answer)
            return True
        return False

    def _topic_id(self, visit: Visit, stanza: Element) -> str:
        """COMPAT: Prosody 0.12 gives a subject no id when it tells it."""
        text = stanza.child_text("subject")
        if text is None:
            return ""
        topics = ((id, one.event) for id, one in visit.under_way.items())
        return next((id for id, event in topics if isinstance(event, Topic) and event.text == text), "")

    def _own(self, visit: Visit, stanza: Element) -> Heard | None:
        identity = "" if visit.me is None else visit.me.identity
        return heard(stanza, self._company.id, visit.nick, identity)

    def _subject(self, visit: Visit, topic: Topic) -> None:
        """§7.2.15: the subject is the last that comes of the past; later ones are changes (§8.1)."""
        is_first = not visit.caught_up and not self._past.is_asked_by(visit)
        is_due = is_first and visit.is_catching_up(self._company.ports.now())
        visit.caught_up = visit.caught_up or (is_first and not is_due)
        if visit is not self._company.listener:
            return
        if is_due:
            self._first = topic
            self._past.ask(visit)
        elif is_first:
            self._begin(topic)
        else:
            self._set_subject(topic, is_first=False)

    def _set_subject(self, topic: Topic, is_first: bool) -> None:
        known = self._company.topic
        if is_first and (topic.text, topic.nick) == (("", "") if known is None else (known.text, known.nick)):
            return
        self._company.topic = topic if is_first else structs.replace(topic, time=None)
        if is_first or topic.nick not in self._company.roster.guests:
            self._company.tell_all((self._company.topic,))
