"""People on XMPP: real accounts, logged in with slixmpp, who see every stanza of the gateway in order."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import slixmpp
from lxml import etree

from tests.live.cast.stanzas import TIMEOUT, Mailbox, Pattern, Stanza, normalise
from tests.live.peers.daemon import HOST

VERSION_NAME = "testclient"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
MUC = "http://jabber.org/protocol/muc"
Form = dict[str, str | list[str]]


class _Client(slixmpp.ClientXMPP):
    """slixmpp for stream, SASL and binding; stanzas from the gateway pass it by."""

    def __init__(self, jid: str, password: str, keep: Callable[[bytes], bool]) -> None:
        super().__init__(jid, password, plugin_config={"feature_mechanisms": {"unencrypted_scram": True}})
        self._keep = keep
        self.enable_starttls = False
        self.enable_direct_tls = False
        self.enable_plaintext = True
        self.auto_authorize = None
        self.auto_subscribe = False

    def forget(self) -> None:
        """End the task that slixmpp would otherwise leave to the garbage collector."""
        if self._run_out_filters is not None:
            self._run_out_filters.cancel()

    def _spawn_event(self, xml: ElementTree.Element) -> None:
        if not self._keep(ElementTree.tostring(xml)):
            super()._spawn_event(xml)


@dataclass
class Joined:
    """What a join showed, in the order that XEP-0045 §7.1 prescribes."""

    occupants: list[Stanza]
    self_presence: Stanza
    history: list[Stanza]
    subject: Stanza

    @property
    def nicks(self) -> set[str]:
        """Nicks of the others."""
        return {stanza.get("from", "").partition("/")[2] for stanza in self.occupants}

    @property
    def nick(self) -> str:
        """Our own nick."""
        return self.self_presence.get("from", "").partition("/")[2]


def _presence(**wanted: str | list[str] | tuple[str, ...] | None) -> Pattern:
    return Pattern("presence", **wanted)  # type: ignore[arg-type]


@dataclass
class Talker:
    """One who sends stanzas and looks at what comes back; `Person` and the component host share it."""

    jid: str
    mailbox: Mailbox = field(init=False)
    notices: Mailbox = field(init=False)
    """Messages and presences from the server's and the gateway's own JID."""

    def __post_init__(self) -> None:
        self.mailbox = Mailbox(self.jid)
        self.notices = Mailbox(f"{self.jid} (notices)")
        self._ids = itertools.count(1)
        self._pending: dict[str, asyncio.Future[Stanza]] = {}
        self.answers: dict[str, str] = {}
        self.requests = Mailbox(f"{self.jid} (requests)")

    def send(self, xml: str) -> None:
        """Send a stanza as written."""
        raise NotImplementedError

    def fresh_id(self) -> str:
        """Return an id not used before."""
        return f"t{next(self._ids)}"

    def received(self, stanza: Stanza) -> None:
        """Sort one stanza of the gateway into the mailbox where tests look for it."""
        if stanza.tag == "iq" and stanza.get("type") in ("result", "error"):
            waiting = self._pending.pop(stanza.get("id", ""), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(stanza)
        elif stanza.tag == "iq":
            self._answer(stanza)
        elif self._is_notice(stanza):
            self.notices.put(stanza)
        else:
            self.mailbox.put(stanza)

    @staticmethod
    def _is_notice(stanza: Stanza) -> bool:
        sender = stanza.get("from", "").partition("/")[0]
        local, at, _ = sender.rpartition("@")
        return not at or (
            "%" not in local and "\\40" not in local and "." in local and local[:1] not in "#&!\\"
        )

    def _answer(self, request: Stanza) -> None:
        """Answer the gateway's own questions as a client does; tests may read and override them."""
        self.requests.put(request)
        namespace = etree.QName(request[0]).namespace or ""
        payload = self.answers.get(namespace, "")
        back = f"id={quoteattr(request.get('id', ''))} to={quoteattr(request.get('from', ''))}"
        if namespace in self.answers or namespace in ("urn:xmpp:ping",):
            self.send(f"<iq type='result' {back}>{payload}</iq>")
        else:
            error = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
            self.send(f"<iq type='error' {back}>{error}</iq>")

    async def iq(self, to: str, payload: str, type: str = "get", timeout: float = TIMEOUT) -> Stanza:
        """Ask and return the answer, be it result or error."""
        ident = self.fresh_id()
        waiting: asyncio.Future[Stanza] = asyncio.get_running_loop().create_future()
        self._pending[ident] = waiting
        self.send(f"<iq type='{type}' id='{ident}' to={quoteattr(to)}>{payload}</iq>")
        try:
            return await asyncio.wait_for(waiting, timeout)
        except TimeoutError:
            raise AssertionError(f"{self.jid}: no answer of {to} to {payload}") from None

    def expect_answer(self, ident: str) -> asyncio.Future[Stanza]:
        """Return what gives the answer to an iq sent with `send` under that id."""
        waiting: asyncio.Future[Stanza] = asyncio.get_running_loop().create_future()
        self._pending[ident] = waiting
        return waiting

    async def result(self, to: str, payload: str, type: str = "get", timeout: float = TIMEOUT) -> Stanza:
        """Ask and return the result; an error fails the test."""
        answer = await self.iq(to, payload, type, timeout)
        assert answer.get("type") == "result", etree.tostring(answer)
        return answer

    async def error(self, to: str, payload: str, type: str = "get") -> str:
        """Ask, and return the condition of the error that must come back."""
        answer = await self.iq(to, payload, type)
        assert answer.get("type") == "error", etree.tostring(answer)
        return condition(answer)

    # ---- rooms

    def enter(
        self,
        room: str,
        nick: str,
        *,
        password: str | None = None,
        history: str = "",
        extra: str = "",
    ) -> None:
        """Send the presence that joins a room (XEP-0045 §7.2.1)."""
        key = "" if password is None else f"<password>{escape(password)}</password>"
        to = quoteattr(f"{room}/{nick}")
        self.send(f"<presence to={to}><x xmlns='{MUC}'>{key}{history}</x>{extra}</presence>")

    async def joined(self, room: str, timeout: float = TIMEOUT) -> Joined:
        """Wait for a join's stanzas; anything of this room out of order fails the test."""
        occupants: list[Stanza] = []
        mine = _presence(has="mucuser:x/mucuser:status[@code='110']", lacks="@type")
        while True:
            stanza = await self._of_room(room, timeout)
            assert stanza.tag == "presence", f"before the self-presence came {etree.tostring(stanza)!r}"
            assert stanza.get("type") is None, etree.tostring(stanza)
            if mine.matches(stanza):
                break
            occupants.append(stanza)
        history = []
        while True:
            message = await self._of_room(room, timeout)
            assert message.tag == "message", f"before the subject came {etree.tostring(message)!r}"
            if message.find("subject") is not None:
                return Joined(occupants, stanza, history, message)
            history.append(message)

    async def _of_room(self, room: str, timeout: float) -> Stanza:
        def belongs(stanza: Stanza) -> bool:
            return stanza.get("from", "").partition("/")[0] == room

        return await self.mailbox.find_where(belongs, f"all of joining {room}", timeout)

    async def join(
        self,
        room: str,
        nick: str,
        *,
        password: str | None = None,
        history: str = "",
        timeout: float = TIMEOUT,
    ) -> Joined:
        """Join a room and wait until all of it was seen."""
        self.enter(room, nick, password=password, history=history)
        return await self.joined(room, timeout)

    async def refused(self, room: str, nick: str, *, password: str | None = None) -> str:
        """Try to join and return the condition of the error presence."""
        self.enter(room, nick, password=password)
        return condition(await self.mailbox.next(_presence(type="error")))

    def leave(self, room: str, nick: str, status: str = "") -> None:
        """Leave a room (XEP-0045 §7.14)."""
        text = f"<status>{escape(status)}</status>" if status else ""
        self.send(f"<presence type='unavailable' to={quoteattr(f'{room}/{nick}')}>{text}</presence>")

    async def left(self, room: str, nick: str) -> Stanza:
        """Leave a room and wait for the unavailable self-presence."""
        self.leave(room, nick)
        return await self.mailbox.find(
            _presence(frm=f"{room}/{nick}", type="unavailable", has="mucuser:x/mucuser:status[@code='110']")
        )

    def say(
        self, to: str, body: str, *, type: str = "groupchat", ident: str | None = None, extra: str = ""
    ) -> str:
        """Send a message and return its id."""
        ident = ident or self.fresh_id()
        self.send(
            f"<message type='{type}' id='{ident}' to={quoteattr(to)}><body>{escape(body)}</body>{extra}</message>"
        )
        return ident

    def set_subject(self, room: str, subject: str) -> None:
        """Change a room's subject."""
        self.send(
            f"<message type='groupchat' to={quoteattr(room)}><subject>{escape(subject)}</subject></message>"
        )

    async def presence(self, **wanted: str | list[str] | None) -> Stanza:
        """Return the next stanza, which must be such a presence."""
        return await self.mailbox.next(Pattern("presence", **wanted))  # type: ignore[arg-type]

    async def message(self, **wanted: str | list[str] | None) -> Stanza:
        """Return the next stanza, which must be such a message."""
        return await self.mailbox.next(Pattern("message", **wanted))  # type: ignore[arg-type]

    async def notice(self, text: str) -> Stanza:
        """Return the first message of a server's or the gateway's own JID whose body contains `text`."""
        return await self.notices.find_where(
            lambda stanza: text in (stanza.findtext("body") or ""), f"a notice with {text!r}"
        )

    async def find_anywhere(self, pattern: Pattern) -> Stanza:
        """Return the first match in either mailbox, dropping what is before it."""
        boxes = (self.mailbox, self.notices)
        waits = [asyncio.ensure_future(box.find(pattern)) for box in boxes]
        done, left = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in left:
            wait.cancel()
        return done.pop().result()

    async def eventually(self, text: str) -> Stanza:
        """Return the first message of anybody whose body contains `text`."""
        return await self.find_anywhere(Pattern("message", has=f"body[contains(., {quoteattr(text)})]"))

    async def nothing_more(self, gateway: str) -> None:
        """Fail if anything waits, or comes before the gateway's answer to a ping."""
        await self.result(gateway, "<ping xmlns='urn:xmpp:ping'/>")
        assert not self.mailbox.waiting, [etree.tostring(one) for one in self.mailbox.waiting]

    # ---- commands

    async def command(self, to: str, node: str, form: Form | None = None) -> Stanza:
        """Run an ad-hoc command (XEP-0050): execute it, and submit `form` when it is given."""
        name = quoteattr(node)
        space = "xmlns='http://jabber.org/protocol/commands'"
        first = await self.result(to, f"<command {space} node={name} action='execute'/>", "set")
        if form is None:
            return first
        session = quoteattr(first[0].get("sessionid", ""))
        fields = "".join(_field(name, given) for name, given in form.items())
        data = f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>"
        return await self.iq(
            to, f"<command {space} node={name} sessionid={session} action='complete'>{data}</command>", "set"
        )


class Person(Talker):
    """A resource of an account on an XMPP server."""

    def __init__(
        self, jid: str, password: str, port: int, gateways: str | tuple[str, ...], host: str = HOST
    ) -> None:
        super().__init__(jid)
        self._password = password
        self._host, self._port = host, port
        self._gateways = gateways
        self._client: _Client | None = None
        self._available = asyncio.Event()

    @property
    def bare(self) -> str:
        """The bare JID."""
        return self.jid.partition("/")[0]

    async def log_in(self) -> None:
        """Connect, authenticate, bind and become available; the server knows when this returns."""
        self._available.clear()
        client = self._client = _Client(self.jid, self._password, self._keep)
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        client.add_event_handler("session_start", lambda _: ready.done() or ready.set_result(None))
        client.add_event_handler(
            "failed_all_auth", lambda _: ready.done() or ready.set_exception(PermissionError(self.jid))
        )
        client.connect(self._host, self._port)
        await asyncio.wait_for(ready, TIMEOUT)
        self.jid = str(client.boundjid)
        client.send_raw("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq><presence/>")
        # it is shown to the sender too (RFC 6121 §4.2.2); before, what comes for the bare JID may be dropped
        await asyncio.wait_for(self._available.wait(), TIMEOUT)

    def _keep(self, xml: bytes) -> bool:
        stanza = normalise(xml)
        if stanza.tag == "presence" and stanza.get("from") == self.jid:
            self._available.set()
        domain = stanza.get("from", "").partition("/")[0].rpartition("@")[2]
        if stanza.tag not in ("iq", "message", "presence") or not domain.endswith(self._gateways):
            return False
        self.received(stanza)
        return True

    def send(self, xml: str) -> None:
        """Send a stanza as written."""
        assert self._client is not None
        self._client.send_raw(xml)

    async def log_out(self) -> None:
        """End the session politely."""
        if self._client is not None:
            client, self._client = self._client, None
            await asyncio.wait_for(client.disconnect(wait=1.0), TIMEOUT)
            client.forget()

    def drop(self) -> None:
        """Let the connection die without a word."""
        if self._client is not None:
            client, self._client = self._client, None
            client.abort()
            client.forget()


def condition(stanza: Stanza) -> str:
    """Return the condition of a stanza error (RFC 6120 §8.3.3)."""
    error = stanza.find("error")
    assert error is not None, f"no error in {etree.tostring(stanza)!r}"
    names = [etree.QName(child) for child in error]
    return next(name.localname for name in names if name.namespace == STANZAS and name.localname != "text")


def _field(name: str, given: str | list[str]) -> str:
    texts = given if isinstance(given, list) else [given]
    inside = "".join(f"<value>{escape(text)}</value>" for text in texts)
    return f"<field var={quoteattr(name)}>{inside}</field>"
