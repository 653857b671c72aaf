"""Server dialback: keys, the elements, and which answers were asked for (XEP-0220, XEP-0185).

Everything here is about domain pairs. An answer counts once, on the stream on which it was asked
for, and only for exactly what was asked (XEP-0220 §3.1, "Unsolicited Dialback").
"""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest

from msgspec import Struct

from bridge.xmpp.element import Element, escape, quote
from bridge.xmpp.stanza import NS_SERVER, NS_STANZA_ERRORS

NS_DIALBACK = "jabber:server:dialback"
NS_DIALBACK_FEATURE = "urn:xmpp:features:dialback"

PENDING_LIMIT = 200
"""Requests of one kind that may wait for their answers on one stream."""


class Pair(Struct, frozen=True):
    """A domain pair (XEP-0220 §1.2): `sender` wants to send to `target`; both prepared."""

    sender: str
    target: str

    @property
    def inverse(self) -> Pair:
        """The other direction, which a bidirectional stream gives as well (XEP-0288 §2.2)."""
        return Pair(self.target, self.sender)


class Verdict(Struct, frozen=True):
    """What became of a request: accepted, or why not.

    `condition` is a stanza error's (XEP-0220 §2.5), ``invalid`` for a key that its domain does not know.
    """

    accepted: bool
    condition: str = ""


VALID = Verdict(True)
INVALID = Verdict(False, "invalid")


class Keys:
    """Makes the keys of our own domains, and recognises them again, without keeping any."""

    def __init__(self, secret: bytes) -> None:
        """`secret` is shared by all servers that answer for the same domains."""
        self._secret = sha256(secret).hexdigest().encode()

    def make(self, pair: Pair, stream_id: str) -> str:
        """Return the key for a request on the stream that the target calls `stream_id` (XEP-0185 §2)."""
        about = f"{pair.target} {pair.sender} {stream_id}"
        return hmac_digest(self._secret, about.encode(), "sha256").hex()

    def knows(self, pair: Pair, stream_id: str, key: str) -> bool:
        """Tell whether `key` is one that we made for this."""
        return compare_digest(self.make(pair, stream_id).encode(), key.encode())


def request(pair: Pair, key: str) -> bytes:
    """Ask the target to accept the pair (XEP-0220 §2.1.1)."""
    return _element("result", pair.sender, pair.target, escape(key))


def answer(pair: Pair, verdict: Verdict) -> bytes:
    """Tell the sender what became of its request (XEP-0220 §2.2.1)."""
    return _answer("result", pair.target, pair.sender, verdict)


def verify(pair: Pair, stream_id: str, key: str) -> bytes:
    """Ask the sender's authoritative server whether the key is its own (XEP-0220 §2.1.2)."""
    return _element("verify", pair.target, pair.sender, escape(key), f" id='{quote(stream_id)}'")


def verified(pair: Pair, stream_id: str, verdict: Verdict) -> bytes:
    """Answer such a question about a pair whose sender we are (XEP-0220 §2.2.2)."""
    return _answer("verify", pair.sender, pair.target, verdict, f" id='{quote(stream_id)}'")


def _answer(name: str, origin: str, to: str, verdict: Verdict, more: str = "") -> bytes:
    kind = "valid" if verdict.accepted else "invalid" if verdict == INVALID else "error"
    content = ""
    if kind == "error":
        content = f"<error type='cancel'><{verdict.condition} xmlns='{NS_STANZA_ERRORS}'/></error>"
    return _element(name, origin, to, content, f"{more} type='{kind}'")


def _element(name: str, origin: str, to: str, content: str, more: str = "") -> bytes:
    """COMPAT: some servers know the elements by their usual prefix only, which our headers declare."""
    about = f"from='{quote(origin)}' to='{quote(to)}'{more}"
    return f"<db:{name} {about}>{content}</db:{name}>".encode()


def read_verdict(element: Element) -> Verdict:
    """Read an answer of either kind; what is neither valid nor well-formed refuses."""
    kind = element.get("type")
    if kind == "valid":
        return VALID
    if kind == "invalid":
        return INVALID
    error = element.child("error", NS_SERVER)
    conditions = () if error is None else error.elements()
    named = (child.name for child in conditions if child.namespace == NS_STANZA_ERRORS)
    return Verdict(False, next((name for name in named if name != "text"), "undefined-condition"))


class Asked:
    """What was asked on one stream and is not answered yet; bounded by `PENDING_LIMIT`."""

    def __init__(self) -> None:
        self.results: set[Pair] = set()
        """Pairs that the peer is to take."""
        self._verifications: set[tuple[Pair, str]] = set()

    def result(self, pair: Pair) -> bool:
        """Note a request; False if the same one, or too many, wait already."""
        if pair in self.results or len(self.results) >= PENDING_LIMIT:
            return False
        self.results.add(pair)
        return True

    def verification(self, pair: Pair, stream_id: str) -> bool:
        """Note a question; False if the same one, or too many, wait already."""
        question = (pair, stream_id)
        if question in self._verifications or len(self._verifications) >= PENDING_LIMIT:
            return False
        self._verifications.add(question)
        return True

    def result_answered(self, pair: Pair) -> bool:
        """Tell whether this answer was awaited; it is not any more."""
        awaited = pair in self.results
        self.results.discard(pair)
        return awaited

    def verification_answered(self, pair: Pair, stream_id: str) -> bool:
        """Tell whether this answer was awaited; it is not any more."""
        question = (pair, stream_id)
        awaited = question in self._verifications
        self._verifications.discard(question)
        return awaited
