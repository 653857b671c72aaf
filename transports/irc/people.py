"""The people that the sessions of one server see, and the occupants they are in rooms.

What is known of a person (host, account, absence) is kept once for all sessions; a channel's
members refer to it, so that two sessions that learnt it in different ways still agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from weakref import ReferenceType, ref

from msgspec import Struct

from bridge.events import Affiliation, Occupant, Role

SWEEP_AT = 1024
"""How many names are kept at least before those of people who are gone are swept out."""

Rank = tuple[Affiliation, Role]


class Facts(Struct, frozen=True):
    """What is known of a person; `away` is None while present, else the reason given ("" is one)."""

    user: str = ""
    host: str = ""
    account: str = ""
    away: str | None = None


NOTHING = Facts()


class Person(Struct, eq=False, weakref=True):
    """Whoever has a nick, spelt so. `occupants` are made of `facts`, by prefix modes."""

    nick: str
    folded: str
    facts: Facts = NOTHING
    occupants: dict[str, Occupant] | None = None


class People:
    """The persons seen by the sessions of one server, by folded nick, while any session sees them.

    `suffix` follows the nick in addresses: ``%irc.example.org``, or "" with a fixed server.
    `knowledge` grows with everything that is learnt, `revision` only when something known of a
    person turns into something else, which makes events that tell the old out of date; `generation`
    when a nick is spelt anew, by which it belongs to another `Person`.
    """

    __slots__ = ("_refs", "_suffix", "_sweep_at", "generation", "knowledge", "revision")

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._refs: dict[str, ReferenceType[Person]] = {}
        self._sweep_at = SWEEP_AT
        self.knowledge = 0
        self.revision = 0
        self.generation = 0

    def find(self, folded: str) -> Person | None:
        """Return who has this nick, None if nobody that is seen."""
        found = self._refs.get(folded)
        return found() if found is not None else None

    def get(self, nick: str, folded: str) -> Person:
        """Return who has this nick, spelt so."""
        found = self._refs.get(folded)
        person = found() if found is not None else None
        if person is not None and person.nick == nick:
            return person
        if person is None:
            person = Person(nick, folded)
        else:
            person = Person(nick, folded, person.facts)
            self.generation += 1
        self._refs[folded] = ref(person)
        if len(self._refs) > self._sweep_at:
            self._sweep()
        return person

    def get_all(self, names: Iterable[tuple[str, str]]) -> list[Person]:
        """Return who have these nicks, each given as it is spelt and folded."""
        refs, get = self._refs, self.get
        persons = []
        for nick, folded in names:
            if folded in refs:
                person = get(nick, folded)
            else:
                person = Person(nick, folded)
                refs[folded] = ref(person)
            persons.append(person)
        if len(refs) > self._sweep_at:
            self._sweep()
        return persons

    def at(self, nick: str, folded: str, user: str, host: str) -> Person:
        """Return who has this nick, having been seen there; at a new host it is somebody new."""
        person = self.get(nick, folded)
        facts = person.facts
        if host and (facts.user != user or facts.host != host):
            kept = NOTHING if facts.host else facts
            self._learn(person, Facts(user, host, kept.account, kept.away))
        return person

    def renamed(self, old: Person, nick: str, folded: str) -> Person:
        """Return the person that `old` is under a new nick."""
        person = self.get(nick, folded)
        if person.facts != old.facts:
            self._learn(person, old.facts)
        return person

    def learn_account(self, person: Person, account: str) -> None:
        """Learn whether a person is logged in ("" or "*" is not)."""
        facts = person.facts
        self._relearn(person, Facts(facts.user, facts.host, "" if account == "*" else account, facts.away))

    def learn_away(self, person: Person, away: str | None) -> None:
        """Learn that a person went away, or came back."""
        facts = person.facts
        self._relearn(person, Facts(facts.user, facts.host, facts.account, away))

    def learn_host(self, person: Person, user: str, host: str) -> None:
        """Learn that a person has another address now."""
        facts = person.facts
        self._relearn(person, Facts(user, host, facts.account, facts.away))

    def _relearn(self, person: Person, facts: Facts) -> None:
        if person.facts != facts:
            self.revision += 1
            self._learn(person, facts)

    def _learn(self, person: Person, facts: Facts) -> None:
        person.facts = facts
        person.occupants = None
        self.knowledge += 1

    def occupant(self, person: Person, modes: str, rank: Rank) -> Occupant:
        """Return the occupant that a person with these prefix modes is."""
        occupants = person.occupants
        if occupants is None:
            occupants = person.occupants = {}
        occupant = occupants.get(modes)
        if occupant is None:
            facts, address = person.facts, person.nick.lower() + self._suffix
            account = facts.account
            occupant = occupants[modes] = Occupant(
                nick=person.nick,
                affiliation=rank[0],
                role=rank[1],
                address=f"{address}/{facts.user}@{facts.host}" if facts.host else address,
                account=account,
                identity="a:" + account if account else "n:" + person.folded,
                away=facts.away,
            )
        return occupant

    def identity(self, folded: str) -> str:
        """Return what is stable of whoever has this nick; see `Occupant.identity`."""
        person = self.find(folded)
        account = person.facts.account if person is not None else ""
        return "a:" + account if account else "n:" + folded

    def _sweep(self) -> None:
        self._refs = {folded: found for folded, found in self._refs.items() if found() is not None}
        self._sweep_at = max(SWEEP_AT, 2 * len(self._refs))
