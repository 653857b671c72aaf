"""The people that the sessions of one server see, and the occupants they are in rooms.

What is known of a person (host, account, absence) is kept once for all sessions; a channel's
members refer to it, so that two sessions that learnt it in different ways still agree.
"""

from __future__ import annotations

from weakref import ReferenceType, ref

from bridge.events import Affiliation, Occupant, Role

SWEEP_AT = 1024
"""How many names are kept at least before those of people who are gone are swept out."""

Rank = tuple[Affiliation, Role]


class Person:
    """Whoever has a nick now; `away` is None while present, else the reason given ("" is one)."""

    __slots__ = ("__weakref__", "account", "away", "folded", "host", "nick", "occupants", "user", "version")

    def __init__(self, nick: str, folded: str) -> None:
        self.nick = nick
        self.folded = folded
        self.user = ""
        self.host = ""
        self.account = ""
        self.away: str | None = None
        self.version = 0
        self.occupants: dict[str, Occupant] = {}


class People:
    """The persons seen by the sessions of one server, by folded nick, while any session sees them.

    `suffix` follows the nick in addresses: ``%irc.example.org``, or "" with a fixed server.
    `knowledge` grows whenever something new is learnt of anybody.
    """

    __slots__ = ("_refs", "_suffix", "_sweep_at", "knowledge")

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._refs: dict[str, ReferenceType[Person]] = {}
        self._sweep_at = SWEEP_AT
        self.knowledge = 0

    def find(self, folded: str) -> Person | None:
        """Return who has this nick, None if nobody that is seen."""
        found = self._refs.get(folded)
        return found() if found is not None else None

    def get(self, nick: str, folded: str) -> Person:
        """Return who has this nick, spelt so."""
        found = self._refs.get(folded)
        person = found() if found is not None else None
        if person is None:
            person = Person(nick, folded)
            self._refs[folded] = ref(person)
            if len(self._refs) > self._sweep_at:
                self._sweep()
        elif person.nick != nick:
            person.nick = nick
            self.changed(person)
        return person

    def at(self, nick: str, folded: str, user: str, host: str) -> Person:
        """Return who has this nick, having been seen there; at a new host it is somebody new."""
        person = self.get(nick, folded)
        if host and (person.user, person.host) != (user, host):
            if person.host:
                person.account, person.away = "", None
            person.user, person.host = user, host
            self.changed(person)
        return person

    def renamed(self, old: Person, nick: str, folded: str) -> Person:
        """Return the person that `old` is under a new nick."""
        person = self.get(nick, folded)
        if person is not old:
            person.user, person.host, person.account, person.away = old.user, old.host, old.account, old.away
            self.changed(person)
        return person

    def learn_account(self, person: Person, account: str) -> bool:
        """Learn whether a person is logged in ("" or "*" is not); tell if that was new."""
        account = "" if account == "*" else account
        is_new = person.account != account
        if is_new:
            person.account = account
            self.changed(person)
        return is_new

    def learn_away(self, person: Person, away: str | None) -> bool:
        """Learn that a person went away, or came back; tell if that was new."""
        is_new = person.away != away
        if is_new:
            person.away = away
            self.changed(person)
        return is_new

    def learn_host(self, person: Person, user: str, host: str) -> bool:
        """Learn that a person has another address now; tell if that was new."""
        is_new = (person.user, person.host) != (user, host)
        if is_new:
            person.user, person.host = user, host
            self.changed(person)
        return is_new

    def changed(self, person: Person) -> None:
        """Forget the occupants made of what was known of a person."""
        person.version += 1
        person.occupants.clear()
        self.knowledge += 1

    def occupant(self, person: Person, modes: str, rank: Rank) -> Occupant:
        """Return the occupant that a person with these prefix modes is."""
        occupant = person.occupants.get(modes)
        if occupant is None:
            occupant = person.occupants[modes] = Occupant(
                nick=person.nick,
                affiliation=rank[0],
                role=rank[1],
                address=self.address(person),
                account=person.account,
                identity="a:" + person.account if person.account else "n:" + person.folded,
                away=person.away,
            )
        return occupant

    def address(self, person: Person) -> str:
        """Return the person's address as a JID's local part and resource."""
        local = person.nick.lower() + self._suffix
        return f"{local}/{person.user}@{person.host}" if person.host else local

    def _sweep(self) -> None:
        self._refs = {folded: found for folded, found in self._refs.items() if found() is not None}
        self._sweep_at = max(SWEEP_AT, 2 * len(self._refs))
