"""The state of a conference as a document: who is in, and what about (RFC 4575 §5).

Of its many elements those are read and written that RFC 7702 §5.4 maps.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from bridge.xmpp.document import parse_document, write_document
from bridge.xmpp.element import Element
from bridge.xmpp.xml import Limits
from transports.sip.presence.package import Package
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.uri import Malformed, Uri, parse_uri

PACKAGE, TYPE = "conference", "application/conference-info+xml"
NS_INFO = "urn:ietf:params:xml:ns:conference-info"
MAX_USERS = 1000
"""People of a conference that are looked at."""
MAX_TOLD = 200
"""People of a room that SIP is told of by name: a document has to fit into a message."""
MAX_SUBJECT = 1024
"""Characters of a subject."""

_LIMITS = Limits(stanza_bytes=1_048_576, depth=20, elements=30_000, attributes=20)
_GONE = frozenset({"disconnected", "disconnecting"})


class User(Struct, frozen=True):
    """Somebody in a conference: his URI, and what he is called, "" if that is not said."""

    entity: str
    name: str = ""


class Info(Struct, frozen=True, kw_only=True):
    """What a document tells. `subject` None is not told of; `users` are all if `is_full`, else changes.

    `gone` are the entities of those who are not in any more; `is_over` tells so of the conference itself.
    """

    version: int
    is_full: bool
    subject: str | None = None
    users: tuple[User, ...] = ()
    gone: tuple[str, ...] = ()
    is_over: bool = False


def parse_info(data: bytes) -> Info:
    """Read a document. Raises Malformed."""
    try:
        root = parse_document(data, _LIMITS)
    except ValueError as error:
        raise Malformed(str(error)) from None
    if (root.name, root.namespace) != ("conference-info", NS_INFO):
        raise Malformed("this is no state of a conference")
    version = root.get("version") or "0"
    if not (version.isascii() and version.isdecimal() and len(version) < 11):
        raise Malformed("the version of a conference's state is malformed")
    users = root.child("users")
    read = [] if users is None else list(_users(users))
    state = _state(root)
    return Info(
        version=int(version),
        is_full=state == "full",
        subject=_subject(root),
        users=tuple(user for user, is_there in read if is_there),
        gone=tuple(user.entity for user, is_there in read if not is_there),
        is_over=state == "deleted",
    )


CONFERENCE = Package(PACKAGE, TYPE, parse_info)
"""The package by which it is subscribed to (RFC 4575 §3)."""


def _state(element: Element) -> str:
    """RFC 4575 §5.1: without the attribute, it is all of it."""
    return (element.get("state") or "full").lower()


def _subject(root: Element) -> str | None:
    description = root.child("conference-description")
    text = None if description is None else description.child_text("subject")
    if text is None:
        # a full state without a subject has none
        return "" if _state(root) == "full" else None
    return text.strip()[:MAX_SUBJECT]


def _users(users: Element) -> Iterator[tuple[User, bool]]:
    """Read who there is, and whether he still is; those without a name by which to find them are left out."""
    for _, user in zip(range(MAX_USERS), users.all("user"), strict=False):
        entity = (user.get("entity") or "").strip()
        if entity:
            name = " ".join((user.child_text("display-text") or "").split())
            yield User(entity, name), _state(user) != "deleted" and _is_there(user)


def _is_there(user: Element) -> bool:
    """Somebody is in as long as one of his endpoints is (RFC 4575 §5.7.3)."""
    endpoints = list(user.all("endpoint"))
    statuses = [(one.child_text("status") or "connected").strip().lower() for one in endpoints]
    gone = [
        status in _GONE or _state(one) == "deleted" for one, status in zip(endpoints, statuses, strict=True)
    ]
    return not (gone and all(gone))


def key_of(uri: Uri, parameters: NameAddr | None = None) -> str:
    """Return what tells people of a conference apart: user, host and the GRUU's end, be it beside the URI."""
    gr = uri.params.get("gr") or (parameters.params.get("gr", "") if parameters is not None else "")
    return f"{uri.user}@{uri.host};{gr}" if uri.is_sip else str(uri)


def key_of_entity(entity: str) -> str:
    """Return the same for a URI as a document has it; for what is none, its text."""
    try:
        return key_of(parse_uri(entity if ":" in entity.partition("@")[0] else f"sip:{entity}"))
    except Malformed:
        return entity


# ---- what we tell


class Conference(Struct, frozen=True):
    """A room as SIP is told of it: its subject, who is in (by what names him), and how many they are."""

    subject: str
    people: tuple[tuple[str, str], ...]
    """URI and name of each, at most `MAX_TOLD`."""
    count: int


class ConferenceWriter:
    """A room's state as one subscriber is told of it: first all, then what has changed (RFC 4575 §4.4)."""

    package, type = PACKAGE, TYPE

    def __init__(self, entity: str) -> None:
        self._entity = entity
        self._version = -1
        self._told: Conference | None = None

    def write(self, state: Conference, *, is_full: bool) -> bytes:
        """Write a state, or what has changed; b"" if that is nothing."""
        before, self._told = self._told, state
        if not is_full and before == state:
            return b""
        self._version += 1
        if is_full or before is None:
            return self._document("full", state.subject, state, [_user(*one) for one in state.people])
        now, known = dict(state.people), dict(before.people)
        changed = [_user(uri, name) for uri, name in now.items() if known.get(uri) != name]
        changed += [
            Element("user", NS_INFO, {"entity": uri, "state": "deleted"}) for uri in known if uri not in now
        ]
        subject = state.subject if state.subject != before.subject else None
        return self._document("partial", subject, state, changed)

    def last(self, state: Conference | None) -> Conference | None:
        """Who is told no more is told nothing new."""
        return state

    def _document(
        self, state: str, subject: str | None, conference: Conference, users: list[Element]
    ) -> bytes:
        attributes = {"entity": self._entity, "state": state, "version": str(self._version)}
        root = Element("conference-info", NS_INFO, attributes)
        if subject is not None:
            root.add(Element("conference-description", NS_INFO, None, _text("subject", subject)))
        root.add(Element("conference-state", NS_INFO, None, _text("user-count", str(conference.count))))
        root.add(Element("users", NS_INFO, {"state": state}, *users))
        return write_document(root)


def _user(uri: str, name: str) -> Element:
    """State full is what is meant where there is none (RFC 4575 §5.6); documents had better be small."""
    return Element(
        "user",
        NS_INFO,
        {"entity": uri},
        _text("display-text", name),
        Element("roles", NS_INFO, None, _text("entry", "participant")),
        Element("endpoint", NS_INFO, {"entity": uri}, _text("status", "connected")),
    )


def _text(name: str, text: str) -> Element:
    return Element(name, NS_INFO, None, text)
