"""Who is in a conference of SIP, as one user is told, and by which nicks (RFC 7702 §5.4, §7)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from bridge.events import Join, Leave, NickChange, Occupant, RoomId, Topic
from bridge.xmpp.jid import Jid, JidError
from transports.sip.address import MAX_NAME, contact_of, user_of
from transports.sip.conferences.info import Info, User, key_of, key_of_entity
from transports.sip.wire.headers import NameAddr
from transports.sip.wire.uri import Malformed, Uri, parse_uri

NOBODY = "somebody"
"""Who has neither a name nor a URI that can be read."""

Change = Join | Leave | NickChange | Topic


class Seen(Struct, frozen=True):
    """Somebody in the conference: his URI as the document has it, and the occupant that he is."""

    user: User
    occupant: Occupant


class Roster:
    """See the module's docstring.

    `own` is the user's own URI; he is among nobody here. `domain` is that of the XMPP users of the gateway.
    """

    def __init__(self, room: RoomId, own: Uri, domain: str) -> None:
        self._room, self._own, self._domain = room, own, domain
        self._seen: dict[str, Seen] = {}
        self._version: int | None = None
        self._snapshot: Mapping[str, Occupant] | None = None
        self.subject = ""
        self.nick = ""
        """The user's own nick, which nobody else here has."""
        self._is_unique = False

    @property
    def occupants(self) -> Mapping[str, Occupant]:
        """Who else is in, by nick; it does not change any more."""
        if self._snapshot is None:
            self._snapshot = {one.occupant.nick: one.occupant for one in self._seen.values()}
        return self._snapshot

    def apply(self, info: Info) -> list[Change] | None:
        """Take a document in; return what has changed, None if something was missed (RFC 4575 §4.4)."""
        if not info.is_full:
            if self._version is None or info.version > self._version + 1:
                return None
            if info.version <= self._version:
                return []
        self._version = info.version
        there = {key_of_entity(one.entity): one for one in info.users}
        gone = {key_of_entity(entity) for entity in info.gone}
        if info.is_full:
            gone |= self._seen.keys() - there.keys()
        changes: list[Change] = [self._leave(key) for key in gone if key in self._seen]
        for key, user in there.items():
            if not self._is_own(key, user):
                changes += self._there(key, user)
        if info.subject is not None and info.subject != self.subject:
            self.subject = info.subject
            changes.append(Topic(room=self._room, text=info.subject))
        return changes

    def _is_own(self, key: str, user: User) -> bool:
        """The focus tells of the user himself by his address, or by a name of its own for him."""
        is_named = self._is_unique and bool(user.name) and user.name == self.nick
        return is_named or key.startswith(f"{self._own.user}@{self._own.host};")

    def _leave(self, key: str) -> Leave:
        self._snapshot = None
        return Leave(room=self._room, nick=self._seen.pop(key).occupant.nick)

    def _there(self, key: str, user: User) -> list[Change]:
        known = self._seen.get(key)
        if known is not None and known.user == user:
            return []
        self._snapshot = None
        occupant = self._occupant(key, user)
        self._seen[key] = Seen(user, occupant)
        if known is None:
            return [Join(room=self._room, occupant=occupant)]
        if known.occupant.nick == occupant.nick:
            return []
        return [NickChange(room=self._room, old=known.occupant.nick, occupant=occupant)]

    def _occupant(self, key: str, user: User) -> Occupant:
        uri = uri_of(user.entity)
        address, who = "", None
        if uri is not None and not uri.params.get("gr"):
            try:
                who = user_of(uri) if uri.host == self._domain else None
                address = "" if who is not None else contact_of(uri, lambda number: False)
            except Malformed:
                address = ""
        return Occupant(
            nick=self._free(key, _name(user, uri)),
            address=address,
            identity=key,
            user=who,
        )

    def _free(self, key: str, name: str) -> str:
        """Return a nick that nobody else has (RFC 7702 §7)."""
        taken = {one.occupant.nick for other, one in self._seen.items() if other != key} | {self.nick}
        number, nick = 1, name
        while nick in taken:
            number += 1
            nick = f"{name} ({number})"
        return nick

    def called(self, nick: str, *, is_unique: bool) -> list[Change]:
        """The user has this nick from now on; whoever had it here has another.

        `is_unique` tells that the switch lets nobody else have it: who is told of by it is the user.
        """
        self.nick, self._is_unique = nick, is_unique
        found = next((key for key, one in self._seen.items() if one.occupant.nick == nick), None)
        if found is None:
            return []
        self._snapshot = None
        user = self._seen.pop(found).user
        if self._is_own(found, user):
            return [Leave(room=self._room, nick=nick)]
        occupant = self._occupant(found, user)
        self._seen[found] = Seen(user, occupant)
        return [NickChange(room=self._room, old=nick, occupant=occupant)]

    # ---- who speaks, and who is spoken to

    def author(self, sender: NameAddr | None) -> str:
        """Return the nick of who wrote a message, "" if it is the conference itself."""
        if sender is None:
            return ""
        key = key_of(sender.uri, sender)
        if key in self._seen:
            return self._seen[key].occupant.nick
        name = clean(sender.display)
        if name in self.occupants:
            return name
        named = next((one for one in self._seen.values() if one.user.name == name and name), None)
        if named is not None:
            return named.occupant.nick
        return name or clean(sender.uri.params.get("gr", "")) or clean(sender.uri.user) or NOBODY

    def is_own(self, sender: NameAddr | None) -> bool:
        """Tell whether it is the user himself who wrote."""
        return sender is not None and (sender.uri.user, sender.uri.host) == (self._own.user, self._own.host)

    def uri(self, nick: str) -> Uri | None:
        """Return who a nick is, None if nobody is called so."""
        found = next((one for one in self._seen.values() if one.occupant.nick == nick), None)
        return None if found is None else uri_of(found.user.entity)


def uri_of(entity: str) -> Uri | None:
    """Read the URI of somebody; None if it is none that can be written to."""
    try:
        uri = parse_uri(entity if ":" in entity.partition("@")[0] else f"sip:{entity}")
    except Malformed:
        return None
    return uri if uri.is_sip else None


def _name(user: User, uri: Uri | None) -> str:
    name = clean(user.name)
    if not name and uri is not None:
        name = clean(uri.params.get("gr", "")) or clean(uri.user)
    return name or NOBODY


def clean(text: str) -> str:
    """Return a text as a nick, "" if it cannot be one."""
    try:
        return Jid.parse(f"a@gateway.invalid/{text.strip()[:MAX_NAME]}").resource if text else ""
    except (JidError, UnicodeError):
        return ""
