"""What an administrator sees of somebody's calls: their SIP messages and their events, in order.

It is kept in memory only, for as long as he wants to see it, and within bounds. Passwords, keys, digests,
pressed keys and what people write to each other are not in it.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Callable
from time import gmtime, strftime

from bridge.calls import (
    CallAnswer,
    CallCandidates,
    CallDigits,
    CallEnd,
    CallEvent,
    CallHold,
    CallOffer,
    CallRefused,
    CallTransfer,
    CallUpdate,
    Content,
    SessionDescription,
)
from bridge.events import ContactId, UserId
from transports.sip.address import SEPARATORS, is_number
from transports.sip.agent.routing import Hop
from transports.sip.wire.message import Request, Response, UnsafeMessage, write

TRACES = 10
"""People traced at a time; the trace begun first gives way."""
ENTRIES = 500
"""Messages and events kept of each, the last ones."""
MAX_ENTRY = 4_000
"""Characters kept of one."""
MAX_SHOWN = 60_000
"""Characters shown at a time, the last ones."""
FOLLOWED = 1_000
"""Call-IDs known to be of a traced call, the last ones."""
LIFETIME = 3600.0
"""Seconds after which a trace records no more."""

_AUTH = re.compile(r"(?i)(?:(?:Proxy-)?Authorization|(?:WWW|Proxy)-Authenticate|Authentication-Info):.*")
_PROOF = re.compile(r"(?i)\b(response|c?nonce|nextnonce|opaque|rspauth)=(\"[^\"]*\"|[^,\s]+)")
_PASSWORD = re.compile(r"(?i)(sips?:[^\s@:;<>]*):[^\s@<>]*@")
_SDP_KEY = re.compile(r"(?im)^(a=crypto:|a=ice-pwd:|a=key-mgmt:|k=).*$")
_SHOWN_BODIES = ("application/sdp", "message/sipfrag")
MASK = "…"


class Trace:
    """One person's: a user's bare JID, a number, or an address of SIP; `until` is a time of the clock."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.entries: deque[str] = deque(maxlen=ENTRIES)
        self.count = 0

    def text(self) -> str:
        """Return the last entries, and how many are missing before them."""
        shown: list[str] = []
        size = 0
        for entry in reversed(self.entries):
            size += len(entry) + 2
            if size > MAX_SHOWN:
                break
            shown.append(entry)
        missing = self.count - len(shown)
        head = [f"({missing} earlier ones are not shown)"] if missing else []
        return "\n\n".join([*head, *reversed(shown)])


class Traces:
    """All traces. `seconds` is a clock, `wall` the time of day in seconds since the epoch."""

    def __init__(self, seconds: Callable[[], float], wall: Callable[[], float]) -> None:
        self._seconds, self._wall = seconds, wall
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        self._followed: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._latest: tuple[Request | Response, Hop] | None = None

    # ---- what the administrator does

    @property
    def names(self) -> list[str]:
        """Whom there are traces of, the oldest first."""
        return list(self._traces)

    def start(self, who: str) -> None:
        """Begin to trace somebody, anew if he is traced already."""
        self._traces.pop(who, None)
        if len(self._traces) >= TRACES:
            self._traces.popitem(last=False)
        self._traces[who] = Trace(self._seconds() + LIFETIME)

    def stop(self, who: str) -> bool:
        """Forget somebody's trace; False if there is none."""
        found = self._traces.pop(who, None)
        if not self._traces:
            self._followed.clear()
            self._latest = None
        return found is not None

    def show(self, who: str) -> str | None:
        """Return what was recorded; None if he is not traced."""
        trace = self._traces.get(who)
        return None if trace is None else trace.text()

    # ---- what is recorded

    def follow(self, user: UserId, contact: ContactId, call_id: str) -> None:
        """Note whose call it is that SIP knows by this Call-ID; its INVITE, if it came just now, is kept."""
        if not self._traces:
            return
        known = self._followed.get(call_id, ())
        before = self._of(known)
        self._remember(call_id, (*known, user, contact))
        if self._latest is not None and self._latest[0].call_id == call_id:
            late = [trace for trace in self._of((user, contact)) if trace not in before]
            self._record(late, lambda: _message(*self._latest, is_ours=False) if self._latest else "")

    def message(self, message: Request | Response, hop: Hop, is_ours: bool) -> None:
        """Record a message if it is of a call that is traced."""
        if not self._traces:
            return
        whose: tuple[str, ...] = self._followed.get(message.call_id, ())
        if not whose and message.cseq.method == "INVITE":
            named = _named(message)
            whose = tuple(who for who in self._traces if who in named)
            if whose:
                self._remember(message.call_id, whose)
        if not is_ours:
            self._latest = (message, hop)
        self._record(self._of(whose), lambda: _message(message, hop, is_ours))

    def event(
        self, user: UserId, contact: ContactId, event: CallEvent | CallTransfer, is_users: bool
    ) -> None:
        """Record what a user did in a call with a contact, or was told of it."""
        if self._traces:
            self._record(self._of((user, contact)), lambda: _event(user, event, is_users))

    def _remember(self, call_id: str, whose: tuple[str, ...]) -> None:
        self._followed[call_id] = tuple(dict.fromkeys(whose))
        self._followed.move_to_end(call_id)
        if len(self._followed) > FOLLOWED:
            self._followed.popitem(last=False)

    def _of(self, whose: tuple[str, ...]) -> list[Trace]:
        now = self._seconds()
        found = [self._traces[who] for who in dict.fromkeys(whose) if who in self._traces]
        return [trace for trace in found if now < trace.until]

    def _record(self, traces: list[Trace], write_entry: Callable[[], str]) -> None:
        if not traces:
            return
        wall = self._wall()
        when = f"{strftime('%H:%M:%S', gmtime(wall))}.{int(wall % 1 * 1000):03}"
        entry = f"{when} {write_entry()}"
        if len(entry) > MAX_ENTRY:
            entry = f"{entry[:MAX_ENTRY]}{MASK}"
        for trace in traces:
            trace.count += 1
            trace.entries.append(entry)


def normal(who: str) -> str:
    """Return whom an administrator means: a number may have separators, an address its scheme."""
    who = who.strip().lower().removeprefix("sip:").removeprefix("tel:").removeprefix("xmpp:")
    plain = who.translate(SEPARATORS)
    return plain if is_number(plain) else who


def _named(message: Request | Response) -> set[str]:
    """Return how those are called whom a message is from and to."""
    uris = [message.from_.uri, message.to.uri, *([message.uri] if isinstance(message, Request) else ())]
    names = {uri.user for uri in uris} | {f"{uri.user}@{uri.host}" for uri in uris}
    return {normal(name) for name in names}


def _message(message: Request | Response, hop: Hop, is_ours: bool) -> str:
    way = "to" if is_ours else "from"
    return f"SIP {way} {hop.host}:{hop.port} {hop.transport}\n{_masked(message)}"


def _masked(message: Request | Response) -> str:
    """Write a message without what nobody is to learn from it."""
    try:
        head, _, body = write(message).partition(b"\r\n\r\n")
    except UnsafeMessage:
        return "(a message that cannot be written)"
    lines = [_line(line) for line in head.decode("utf-8", "replace").split("\r\n")]
    kind = (message.get("Content-Type") or "").partition(";")[0].strip().lower()
    if kind in _SHOWN_BODIES:
        text = body.decode("utf-8", "replace").replace("\r\n", "\n").strip()
        lines += ["", _SDP_KEY.sub(rf"\1{MASK}", text)]
    elif body:
        lines += ["", f"({len(body)} bytes that are not shown)"]
    return "".join(one for one in "\n".join(lines) if one.isprintable() or one == "\n")


def _line(line: str) -> str:
    if _AUTH.fullmatch(line):
        name, _, value = line.partition(":")
        scheme = value.split(None, 1)[0] if value.strip() else ""
        is_digest = scheme.lower() == "digest" or name.lower() == "authentication-info"
        line = _PROOF.sub(rf"\1={MASK}", line) if is_digest else f"{name}: {scheme} {MASK}"
    return _PASSWORD.sub(rf"\1:{MASK}@", line)


def _event(user: UserId, event: CallEvent | CallTransfer, is_users: bool) -> str:
    what = f"{type(event).__name__} {_said(event)}".strip()
    return f"XMPP {'from' if is_users else 'to'} {user}: {what}"


def _said(event: CallEvent | CallTransfer) -> str:
    match event:
        case CallOffer() | CallAnswer() | CallUpdate():
            return _description(event.description)
        case CallCandidates(content=content, endpoint=endpoint):
            end = ", complete" if endpoint.complete else ""
            return f"{content}: {len(endpoint.candidates)} candidates{end}"
        case CallHold(held=held):
            return "on" if held else "off"
        case CallDigits(digits=digits):
            return f"{len(digits)} keys"
        case CallRefused(crossed=crossed):
            return "crossed" if crossed else ""
        case CallTransfer(contact=contact, replaces=replaces):
            return f"to {contact}{' in place of another call' if replaces else ''}"
        case CallEnd(ending=ending, text=text):
            return f"{ending.value} {text}".strip()
    return ""


def _description(description: SessionDescription) -> str:
    return "; ".join(_content(one) for one in description.contents)


def _content(content: Content) -> str:
    end = content.endpoint
    codecs = ", ".join(f"{one.name}/{one.clock}" for one in content.codecs)
    ways = [
        "ICE" if end.ufrag else "no ICE",
        f"DTLS {end.fingerprint.setup.value}"
        if end.fingerprint
        else "SDES"
        if end.crypto
        else "not encrypted",
        f"{len(end.candidates)} candidates",
    ]
    return f"{content.name} ({content.kind.value}, {content.flow.value}): {codecs}; {', '.join(ways)}"
