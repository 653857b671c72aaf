"""Counting and keeping stanzas until the peer has them (XEP-0198)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from bridge.xmpp.dialback import Pair
from bridge.xmpp.element import Element
from bridge.xmpp.stanza import NS_STANZA_ERRORS

NS_SM = "urn:xmpp:sm:3"
MODULUS = 2**32
"""Counters wrap to zero (XEP-0198 §4)."""


class Outbox:
    """Stanzas that were sent and are not acknowledged yet, each with the sender's note on it."""

    def __init__(self) -> None:
        self.bytes = 0
        """The size of what is kept."""
        self.acknowledged = 0
        """The peer's count, as far as it is known."""
        self._sent: deque[tuple[object, bytes]] = deque()

    def add(self, note: object, stanza: bytes) -> None:
        """Keep a stanza that is being sent."""
        self._sent.append((note, stanza))
        self.bytes += len(stanza)

    def acknowledge(self, handled: int) -> bool:
        """Forget what the peer has handled by its own count; False if it claims more than was sent."""
        newly = (handled - self.acknowledged) % MODULUS
        if newly > len(self._sent):
            return False
        for _ in range(newly):
            self.bytes -= len(self._sent.popleft()[1])
        self.acknowledged = handled
        return True

    def take(self) -> Sequence[tuple[object, bytes]]:
        """Return what is kept, the oldest first, and keep it no more: it goes another way."""
        taken = tuple(self._sent)
        self._sent.clear()
        self.bytes = 0
        return taken

    def pending(self) -> Sequence[tuple[object, bytes]]:
        """Return what is kept, the oldest first."""
        return tuple(self._sent)

    def __len__(self) -> int:
        return len(self._sent)


class Session:
    """What outlives a stream that is resumable; the two counters are separate (XEP-0198 §5).

    The pairs belong to it as well: stanzas of all of them may have to be sent again.
    """

    def __init__(self) -> None:
        self.id = ""
        """The peer's, or our own, name for it; "" if it cannot be resumed."""
        self.handled = 0
        """Stanzas of the peer that we have taken."""
        self.outbox = Outbox()
        self.is_secure = False
        """Whether its stanzas went under TLS; they do not go without it then."""
        self.opened: set[Pair] = set()
        """Pairs that the peer takes."""
        self.asked: set[Pair] = set()
        """Pairs that it may take by now: its answer may be lost."""
        self.admitted: set[Pair] = set()
        """Pairs of the peer's that we take."""
        self.certified: set[str] = set()
        """Domains that the peer's certificate has proven."""

    def take(self) -> None:
        """Count a stanza of the peer."""
        self.handled = (self.handled + 1) % MODULUS


def enable() -> bytes:
    """Ask for stream management that survives the stream."""
    return f"<enable xmlns='{NS_SM}' resume='true'/>".encode()


def enabled(ident: str, maximum: float) -> bytes:
    """Grant it; `maximum` is how many seconds a session is kept, "" as its name means it is not."""
    resumable = f" id='{ident}' resume='true' max='{maximum:.0f}'" if ident else ""
    return f"<enabled xmlns='{NS_SM}'{resumable}/>".encode()


def resume(session: Session) -> bytes:
    """Ask to go on with a session."""
    element = Element("resume", NS_SM, {"previd": session.id, "h": str(session.handled)})
    return element.to_xml().encode()


def resumed(session: Session) -> bytes:
    """Go on with it."""
    return f"<resumed xmlns='{NS_SM}' previd='{session.id}' h='{session.handled}'/>".encode()


def failed(condition: str, handled: int | None = None) -> bytes:
    """Refuse to enable or to resume; `handled` tells what of a session that is over had arrived."""
    count = "" if handled is None else f" h='{handled}'"
    reason = f"<{condition} xmlns='{NS_STANZA_ERRORS}'/>"
    return f"<failed xmlns='{NS_SM}'{count}>{reason}</failed>".encode()


def acknowledgement(handled: int) -> bytes:
    """Tell how many stanzas were handled."""
    return f"<a xmlns='{NS_SM}' h='{handled}'/>".encode()


REQUEST = f"<r xmlns='{NS_SM}'/>".encode()
"""Asks for an acknowledgement."""


def read_handled(element: Element) -> int | None:
    """Read the peer's count; None if there is none that makes sense."""
    written = element.get("h") or ""
    if not written.isascii() or not written.isdigit() or len(written) > 10:
        return None
    return int(written) % MODULUS


def is_true(value: str | None) -> bool:
    """Read an xs:boolean; absent is false."""
    return value in ("true", "1")
