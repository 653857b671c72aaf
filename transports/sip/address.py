"""Addresses of both sides: contacts and SIP URIs, XMPP users and SIP URIs (RFC 7247 §5, in an open form).

``user\\40host@gw`` is ``sip:user@host``, ``+15551234@gw`` a number; the XMPP user ``a@b`` is
``sip:a%40b@DOMAIN``. Ports belong to addresses, transports do not.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable

from bridge.errors import BridgeError, Trouble
from bridge.events import ContactId, UserId
from bridge.xmpp.jid import Jid, JidError, escape, unescape
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.uri import Malformed, Uri, parse_host, parse_port, parse_uri, write_host_port

SPELLINGS = 10_000
"""People whose names and spellings are remembered, those heard last."""
MAX_NAME = 128
"""Characters of a name that is shown."""

_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_EXTENSION = re.compile(r"[1-9][0-9]{0,5}")
SEPARATORS = str.maketrans("", "", "-.() ")
"""What people write between the digits of a number."""
_HOST_PORT = re.compile(r"(\[[^\]]*\]|[^:]+)(?::([0-9]+))?")


def is_number(text: str) -> bool:
    """Tell whether this is a telephone number without separators."""
    return _NUMBER.fullmatch(text) is not None


def digits_of(contact: ContactId) -> str:
    """Return the telephone number that a contact's address names, be it at a domain; "" if it names none.

    A user part may have parameters after its number (RFC 3261 §19.1.6).
    """
    user, _, rest = contact.rpartition("@")
    number = (user or rest).partition(";")[0].translate(SEPARATORS)
    return number if is_number(number) else ""


def is_extension(number: str) -> bool:
    """Tell whether a PBX may call a phone of its own so; others lead out of it, or switch its features."""
    return _EXTENSION.fullmatch(number) is not None


def contact_uri(contact: ContactId) -> Uri:
    """Return the URI of a contact that is no number. Raises BridgeError JID_MALFORMED."""
    user, at, host = contact.rpartition("@")
    found = _HOST_PORT.fullmatch(host)
    try:
        if not (at and user and found):
            raise Malformed("no user or no host")
        return Uri(
            scheme="sip", user=user, host=parse_host(found[1]), port=parse_port(found[2]) if found[2] else 0
        )
    except Malformed:
        raise BridgeError(Trouble.JID_MALFORMED) from None


def parse_contact(local: str) -> ContactId:
    """Read a JID's unescaped local part. Raises BridgeError JID_MALFORMED."""
    if "@" not in local:
        number = local.translate(SEPARATORS)
        if not is_number(number):
            raise BridgeError(Trouble.JID_MALFORMED)
        return ContactId(number)
    uri = contact_uri(ContactId(local))
    return ContactId(f"{uri.user}@{write_host_port(uri.host, uri.port)}")


def meant(text: str, has_number: Callable[[Uri, str], bool]) -> ContactId:
    """Return who is meant by what people write or copy: a number, an address, or a URI.

    `has_number` tells whether digits in a URI are a number. Raises BridgeError JID_MALFORMED.
    """
    if not text.lower().startswith(("sip:", "sips:", "tel:")):
        return parse_contact(text)
    try:
        uri = parse_uri(text)
        if uri.scheme == "sips":
            raise Malformed("nothing is secure all the way to XMPP")
        return contact_of(uri, lambda number: has_number(uri, number))
    except Malformed:
        raise BridgeError(Trouble.JID_MALFORMED) from None


def contact_of(uri: Uri, has_number: Callable[[str], bool]) -> ContactId:
    """Return who a URI is; `has_number` tells whether digits are a number. Raises Malformed."""
    if uri.scheme == "tel":
        text = uri.opaque.partition(";")[0].translate(SEPARATORS)
        if not is_number(text):
            raise Malformed("a tel URI has no number")
    elif not uri.is_sip or not uri.user:
        raise Malformed("this address has no user")
    elif is_number(number := uri.user.translate(SEPARATORS)) and has_number(number):
        text = number
    else:
        text = f"{uri.user}@{write_host_port(uri.host, uri.port)}"
    try:
        prepared = unescape(Jid.parse(f"{escape(text)}@gateway.invalid").local)
        return parse_contact(prepared)
    except (JidError, BridgeError, UnicodeError):
        raise Malformed("this address has no form on XMPP") from None


def user_uri(user: UserId, domain: str) -> Uri:
    """Return the URI of an XMPP user."""
    return Uri(scheme="sip", user=user, host=domain)


def user_of(uri: Uri) -> UserId:
    """Return which XMPP user a URI of our domain is. Raises Malformed."""
    try:
        jid = Jid.parse(uri.user)
    except (JidError, UnicodeError):
        raise Malformed("the user is no XMPP address") from None
    if not jid.local or jid.resource:
        raise Malformed("the user is no bare XMPP address")
    return UserId(jid.bare)


class Spellings:
    """What people call themselves, and how they spell the user part of their address: case matters there."""

    def __init__(self) -> None:
        self._known: OrderedDict[ContactId, tuple[str, str]] = OrderedDict()

    def learn(self, contact: ContactId, source: NameAddr) -> None:
        """Remember the From of somebody."""
        self._known[contact] = (source.uri.user, source.display[:MAX_NAME])
        self._known.move_to_end(contact)
        if len(self._known) > SPELLINGS:
            self._known.popitem(last=False)

    def name(self, contact: ContactId) -> str:
        """Return what somebody calls himself, "" if that is not known."""
        return self._known.get(contact, ("", ""))[1]

    def spelt(self, contact: ContactId, uri: Uri) -> Uri:
        """Return a contact's URI in his own spelling."""
        user = self._known.get(contact, ("", ""))[0]
        if user.lower() != uri.user.lower():
            return uri
        return Uri(scheme=uri.scheme, user=user, host=uri.host, port=uri.port, params=uri.params)
