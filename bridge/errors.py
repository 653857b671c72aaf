"""Everything that can go wrong, what the user may be told of it, and the one table to stanza errors.

A `BridgeError` is raised (or carried by an event) wherever something fails; only
`bridge.xmpp.stanza.error_reply` turns it into `<error/>`. Peers get the row's fixed text or the
text a network itself sent to its user, never ``str(exception)``.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Blame(Enum):
    """Whose fault a trouble is; it decides the log level."""

    OURS = "ours"
    PEER = "peer"
    NETWORK = "network"
    POLICY = "policy"


class Row(NamedTuple):
    """One trouble as XMPP words it (RFC 6120 §8.3.2, legacy code from XEP-0086)."""

    blame: Blame
    type: str
    condition: str
    code: int
    text: str


class Trouble(Enum):
    """The closed list of what can go wrong.

    The conditions are RFC 6120 §8.3.3's; the ones that end a MUC join are XEP-0045 §7.2's.
    """

    # our fault
    INTERNAL = Row(Blame.OURS, "cancel", "internal-server-error", 500, "The gateway met an internal error.")
    STORE_FULL = Row(Blame.OURS, "wait", "resource-constraint", 500, "The gateway cannot store this now.")
    OVERLOADED = Row(Blame.OURS, "wait", "resource-constraint", 500, "Too much is waiting; try again later.")
    SHUTTING_DOWN = Row(Blame.OURS, "wait", "recipient-unavailable", 404, "Gateway shutdown")
    # the XMPP peer's fault
    BAD_REQUEST = Row(Blame.PEER, "modify", "bad-request", 400, "The request is malformed.")
    JID_MALFORMED = Row(Blame.PEER, "modify", "jid-malformed", 400, "This address is malformed.")
    UNSUPPORTED = Row(
        Blame.PEER, "cancel", "feature-not-implemented", 501, "This feature is not implemented here."
    )
    NO_SERVICE = Row(
        Blame.PEER, "cancel", "service-unavailable", 503, "This address does not offer that service."
    )
    NOT_FOUND = Row(Blame.PEER, "cancel", "item-not-found", 404, "No such item.")
    NOT_ACCEPTABLE = Row(Blame.PEER, "modify", "not-acceptable", 406, "These values are not acceptable.")
    TOO_LONG = Row(Blame.PEER, "modify", "policy-violation", 406, "This is too long to be delivered.")
    NOT_IN_ROOM = Row(Blame.PEER, "modify", "not-acceptable", 406, "You are not a participant in this room.")
    NOT_JOINED = Row(Blame.PEER, "modify", "not-acceptable", 406, "You are not joined to this MUC.")
    OUT_OF_ORDER = Row(Blame.PEER, "wait", "unexpected-request", 400, "Nobody can ask for that now.")
    CONFLICT = Row(Blame.PEER, "cancel", "conflict", 409, "That would be in conflict with how things are.")
    NO_NICK = Row(Blame.PEER, "modify", "jid-malformed", 400, "A room is joined with a nickname as resource.")
    REDIRECTED = Row(Blame.PEER, "modify", "redirect", 302, "Use the other address.")
    MOVED = Row(Blame.PEER, "cancel", "gone", 302, "This room is at another address.")
    NOT_CONNECTED_HERE = Row(
        Blame.PEER, "wait", "service-unavailable", 503, "This service is not connected at the moment."
    )
    REMOTE_NOT_FOUND = Row(
        Blame.PEER, "cancel", "remote-server-not-found", 404, "There is no XMPP server for that domain."
    )
    REMOTE_TIMEOUT = Row(
        Blame.PEER, "wait", "remote-server-timeout", 504, "The XMPP server of that domain cannot be reached."
    )
    # the foreign network's fault or refusal
    UNREACHABLE = Row(Blame.NETWORK, "cancel", "item-not-found", 404, "The server cannot be reached.")
    NOT_CONNECTED = Row(
        Blame.NETWORK, "cancel", "remote-server-not-found", 404, "Not connected to the server."
    )
    TIMED_OUT = Row(Blame.NETWORK, "wait", "remote-server-timeout", 504, "The server did not answer in time.")
    LOST = Row(
        Blame.NETWORK, "wait", "remote-server-timeout", 504, "The link broke before delivery was confirmed."
    )
    NO_SUCH_ROOM = Row(Blame.NETWORK, "cancel", "item-not-found", 404, "There is no such room.")
    NO_SUCH_NICK = Row(Blame.NETWORK, "cancel", "item-not-found", 404, "There is nobody of that name.")
    NICK_IN_USE = Row(Blame.NETWORK, "cancel", "conflict", 409, "Nickname is already in use.")
    BAD_NICK = Row(Blame.NETWORK, "modify", "not-acceptable", 406, "This nickname is refused by the server.")
    BAD_PASSWORD = Row(Blame.NETWORK, "auth", "not-authorized", 401, "A correct key is needed to join.")
    INVITE_ONLY = Row(Blame.NETWORK, "auth", "registration-required", 407, "Only invited users may join.")
    BANNED = Row(Blame.NETWORK, "auth", "forbidden", 403, "You are banned from this room.")
    ROOM_FULL = Row(Blame.NETWORK, "wait", "service-unavailable", 503, "The room is full.")
    LOGIN_NEEDED = Row(Blame.NETWORK, "auth", "registration-required", 407, "Only registered users may join.")
    TOO_MANY_ROOMS = Row(Blame.NETWORK, "wait", "not-allowed", 405, "You have joined too many rooms.")
    LOGIN_FAILED = Row(Blame.NETWORK, "auth", "not-authorized", 401, "The server refused the login.")
    NO_PRIVILEGE = Row(
        Blame.NETWORK, "cancel", "not-allowed", 405, "You do not have the privilege to do that."
    )
    CANNOT_SPEAK = Row(Blame.NETWORK, "auth", "forbidden", 403, "You may not speak in this room.")
    UNAVAILABLE = Row(
        Blame.NETWORK, "wait", "recipient-unavailable", 404, "This person cannot be reached at the moment."
    )
    FAULTY = Row(Blame.NETWORK, "wait", "internal-server-error", 500, "The other side met an internal error.")
    BUSY = Row(Blame.NETWORK, "wait", "service-unavailable", 503, "The server is busy; try again later.")
    REFUSED = Row(Blame.NETWORK, "cancel", "not-allowed", 405, "The server refused this.")
    # the operator's policy
    FORBIDDEN = Row(Blame.POLICY, "auth", "forbidden", 403, "You are not allowed to do that.")
    NOT_SERVED = Row(Blame.POLICY, "auth", "forbidden", 403, "This gateway does not serve you.")
    NOT_ALLOWED = Row(Blame.POLICY, "cancel", "not-allowed", 405, "The operator does not allow this.")
    TOO_MANY = Row(
        Blame.POLICY, "wait", "resource-constraint", 500, "You have reached a limit of this gateway."
    )


class BridgeError(Exception):
    """Something failed in a way that its requester may be told.

    `text` replaces the row's own words; it must be fit for the user's eyes (a server's own
    message, or a sentence of ours). `uri` is where to go instead (RFC 6120 §8.3.3.5 and §8.3.3.14).
    """

    def __init__(self, trouble: Trouble, text: str = "", uri: str = "") -> None:
        super().__init__(trouble.name)
        self.uri = uri
        self.trouble = trouble
        self.text = text or trouble.value.text

    def __repr__(self) -> str:
        return f"BridgeError({self.trouble.name}, {self.text!r})"
