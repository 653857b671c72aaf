"""Questions of the bridge to a server: LIST, WHOIS, ban lists, and CTCP to a contact.

Every question ends in an `Answer`: a result, or a BridgeError after its time-out at the latest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from bridge.errors import BridgeError, Trouble
from bridge.events import Affiliation, ContactId
from bridge.queries import (
    AffiliationList,
    ClientVersion,
    ContactInfo,
    ContactPing,
    ContactQuery,
    ContactTime,
    ContactVersion,
    ListedUser,
    RoomInfo,
    RoomList,
    RoomQuery,
)

from .agenda import Appointment
from .core import Core
from .listing import Listing, page
from .questions import Questions
from .rooms import Rooms
from .tables import TROUBLES, Numeric
from .translate import from_irc
from .wire import Line

TIMEOUT = 25.0
"""Seconds that a server has for an answer; the bridge waits 30."""
MAX_WAITING = 200
"""Questions that can wait for answers."""
MAX_BANS = 5000
"""Entries of a ban list that are read."""
MAX_CHANNELS = 200
"""Channels of a person that are read from a WHOIS."""


_NOBODY = frozenset({Numeric.ERR_NOSUCHNICK, Numeric.ERR_NOSUCHSERVER, Numeric.ERR_WASNOSUCHNICK})
_WHOIS_EXTRAS = frozenset(
    {Numeric.RPL_WHOISCERTFP, Numeric.RPL_WHOISREGNICK, Numeric.RPL_WHOISADMIN, Numeric.RPL_WHOISHELPOP,
     Numeric.RPL_WHOISOPERATOR, Numeric.RPL_WHOISSPECIAL, Numeric.RPL_WHOISBOT, Numeric.RPL_WHOISACTUALLY,
     Numeric.RPL_WHOISGATEWAY, Numeric.RPL_WHOISHOST, Numeric.RPL_WHOISMODES, Numeric.RPL_WHOISSECURE,
     Numeric.RPL_WHOISKEYVALUE}
)  # fmt: skip
"""Lines of a WHOIS that no field is for."""


class _Whois:
    """What is known so far of a person who was asked about."""

    __slots__ = ("fields", "rooms", "timeout", "tokens")

    def __init__(self, token: int, timeout: Appointment) -> None:
        self.tokens = [token]
        self.timeout = timeout
        self.fields: dict[str, Any] = {}
        self.rooms: list[str] = []


class _Bans:
    """A ban list as far as it has come in."""

    __slots__ = ("bans", "timeout", "tokens")

    def __init__(self, token: int, timeout: Appointment) -> None:
        self.tokens = [token]
        self.timeout = timeout
        self.bans: list[ListedUser] = []


class Queries:
    """See the module's docstring."""

    __slots__ = ("_bans", "_core", "_ctcp_waiting", "_listing", "_questions", "_rooms", "_whois")

    def __init__(self, core: Core, rooms: Rooms, questions: Questions, listing: Listing) -> None:
        self._core = core
        self._rooms = rooms
        self._questions = questions
        self._whois: dict[str, _Whois] = {}
        self._bans: dict[str, _Bans] = {}
        self._ctcp_waiting = 0
        self._listing = listing

    @property
    def waiting(self) -> bool:
        """True while a question has no answer."""
        return self._count() > 0

    def _count(self) -> int:
        return len(self._whois) + len(self._bans) + self._listing.waiting + self._ctcp_waiting

    def ask(self, query: object, token: int) -> None:
        """Ask the server."""
        method = self._QUERIES.get(type(query))
        if method is None:
            self._core.answer(token, BridgeError(Trouble.UNSUPPORTED))
        elif not self._core.online:
            self._core.answer(token, BridgeError(Trouble.NOT_CONNECTED))
        elif self._count() >= MAX_WAITING:
            self._core.answer(token, BridgeError(Trouble.TOO_MANY))
        else:
            method(self, query, token)

    def link_lost(self) -> None:
        """No answer can come."""
        error = BridgeError(Trouble.LOST)
        for whois in self._whois.values():
            self._end(whois, error)
        for bans in self._bans.values():
            self._end(bans, error)
        self._whois.clear()
        self._bans.clear()
        self._listing.fail(error)

    def _end(self, waiting: _Whois | _Bans, result: object) -> None:
        waiting.timeout.cancel()
        for token in waiting.tokens:
            self._core.answer(token, result)

    # ---- rooms

    def _ask_room(self, query: RoomQuery, token: int) -> None:
        """What is known of a channel: our own view, or the list."""
        here = self._rooms.find(query.room)
        name = self._core.shared.name_of(query.room)
        if here is not None:
            topic = here.channel.topic
            description = topic.text if topic is not None else ""
            info = RoomInfo(
                room=query.room, name=here.channel.name, description=description, occupants=len(here.members)
            )
            self._core.answer(token, info)
        elif not self._core.isupport.is_legal_channel(name):
            self._core.answer(token, BridgeError(Trouble.NO_SUCH_ROOM))
        else:
            known = self._listing.known(query.room)
            self._core.answer(token, known or RoomInfo(room=query.room, name=name))

    def _ask_list(self, query: RoomList, token: int) -> None:
        self._listing.ask(token, lambda rooms, complete: page(query, rooms, complete))

    def _ask_affiliations(self, query: AffiliationList, token: int) -> None:
        here = self._rooms.find(query.room)
        core = self._core
        if here is None:
            core.answer(token, BridgeError(Trouble.NOT_IN_ROOM))
        elif query.affiliation is Affiliation.OUTCAST:
            self._ask_bans(here.channel.folded, here.channel.name, token)
        else:
            occupants = here.channel.occupants(here.members).values()
            core.answer(
                token,
                [
                    ListedUser(
                        address=core.shared.contact_id(each.nick),
                        affiliation=query.affiliation,
                        nick=each.nick,
                    )
                    for each in occupants
                    if each.affiliation is query.affiliation
                ],
            )

    def _ask_bans(self, folded: str, name: str, token: int) -> None:
        waiting = self._bans.get(folded)
        if waiting is not None:
            waiting.tokens.append(token)
            return
        timeout = self._core.agenda.after(
            TIMEOUT, lambda: self._fail_bans(folded, BridgeError(Trouble.TIMED_OUT))
        )
        self._bans[folded] = _Bans(token, timeout)
        self._core.send("MODE", name, "b")

    def _fail_bans(self, folded: str, error: BridgeError) -> bool:
        waiting = self._bans.pop(folded, None)
        if waiting is None:
            return False
        self._end(waiting, error)
        return True

    def _on_ban(self, line: Line) -> bool:
        """RPL_BANLIST: ``me #chan mask [setter [time]]``."""
        if len(line.params) < 3:
            return False
        waiting = self._bans.get(self._core.fold[line.params[1]])
        if waiting is None:
            return False
        if len(waiting.bans) < MAX_BANS:
            waiting.bans.append(ListedUser(address=line.params[2], affiliation=Affiliation.OUTCAST))
        return True

    def _on_end_of_bans(self, line: Line) -> bool:
        waiting = self._bans.pop(self._core.fold[line.params[1]], None) if len(line.params) > 1 else None
        if waiting is None:
            return False
        self._end(waiting, waiting.bans)
        return True

    # ---- people

    def _nick(self, contact: ContactId) -> str:
        return self._core.shared.name_of(contact)

    def _ask_contact(self, query: ContactQuery, token: int) -> None:
        core = self._core
        nick = self._nick(query.contact)
        folded = core.fold[nick]
        waiting = self._whois.get(folded)
        if waiting is not None:
            waiting.tokens.append(token)
        elif not core.send("WHOIS", nick):
            core.answer(token, BridgeError(Trouble.NO_SUCH_NICK))
        else:
            timeout = core.agenda.after(
                TIMEOUT, lambda: self._fail_whois(folded, BridgeError(Trouble.TIMED_OUT))
            )
            self._whois[folded] = _Whois(token, timeout)

    def _fail_whois(self, folded: str, error: BridgeError) -> bool:
        waiting = self._whois.pop(folded, None)
        if waiting is None:
            return False
        self._end(waiting, error)
        return True

    def _of(self, line: Line) -> _Whois | None:
        return self._whois.get(self._core.fold[line.params[1]]) if len(line.params) > 2 else None

    def _on_whois_user(self, line: Line) -> bool:
        """RPL_WHOISUSER: ``me nick user host * :real name``."""
        whois = self._of(line)
        if whois is None or len(line.params) < 4:
            return False
        whois.fields["nick"] = line.params[1]
        whois.fields["address"] = f"{line.params[2]}@{line.params[3]}"
        whois.fields["name"] = from_irc(line.params[-1]).plain if len(line.params) > 4 else ""
        return True

    def _on_whois_server(self, line: Line) -> bool:
        whois = self._of(line)
        if whois is not None:
            whois.fields["server"] = line.params[2]
        return whois is not None

    def _on_whois_idle(self, line: Line) -> bool:
        whois = self._of(line)
        idle = line.params[2] if whois is not None else ""
        if whois is not None and idle.isascii() and idle.isdigit() and len(idle) < 12:
            whois.fields["idle"] = float(idle)
        return whois is not None

    def _on_whois_account(self, line: Line) -> bool:
        whois = self._of(line)
        if whois is not None:
            whois.fields["account"] = line.params[2]
        return whois is not None

    def _on_whois_channels(self, line: Line) -> bool:
        whois = self._of(line)
        if whois is not None:
            room = MAX_CHANNELS - len(whois.rooms)
            isupport = self._core.isupport
            whois.rooms.extend(isupport.split_prefix(name)[1] for name in line.params[2].split()[:room])
        return whois is not None

    def _on_whois_away(self, line: Line) -> bool:
        """RPL_AWAY, in a WHOIS or after a message to somebody who is away."""
        whois = self._of(line)
        if whois is not None:
            whois.fields["away"] = from_irc(line.params[2]).plain
        return whois is not None

    def _on_whois_extra(self, line: Line) -> bool:
        return self._of(line) is not None

    def _on_end_of_whois(self, line: Line) -> bool:
        waiting = self._whois.pop(self._core.fold[line.params[1]], None) if len(line.params) > 1 else None
        if waiting is None:
            return False
        if "nick" in waiting.fields:
            self._end(waiting, ContactInfo(rooms=tuple(waiting.rooms), **waiting.fields))
        else:
            self._end(waiting, BridgeError(Trouble.NO_SUCH_NICK))
        return True

    # ---- clients (CTCP)

    def _ask_client(
        self, contact: ContactId, command: str, argument: str, token: int, read: Callable[[str], object]
    ) -> None:
        self._ctcp_waiting += 1

        def ended(result: str | BridgeError) -> None:
            self._ctcp_waiting -= 1
            self._core.answer(token, result if isinstance(result, BridgeError) else read(result))

        self._questions.ask(self._nick(contact), command, argument, ended)

    def _ask_ping(self, query: ContactPing, token: int) -> None:
        self._ask_client(query.contact, "PING", f"{self._core.wall():.0f}", token, lambda text: None)

    def _ask_version(self, query: ContactVersion, token: int) -> None:
        self._ask_client(query.contact, "VERSION", "", token, lambda text: ClientVersion(name=text))

    def _ask_time(self, query: ContactTime, token: int) -> None:
        self._ask_client(query.contact, "TIME", "", token, lambda text: text)

    # ---- refusals

    def refused(self, line: Line) -> bool:
        """An error reply: fail the question it answers; tell if there was one."""
        core = self._core
        error = BridgeError(
            TROUBLES.get(line.command, Trouble.REFUSED), line.params[-1] if len(line.params) > 1 else ""
        )
        if line.command == Numeric.RPL_TRYAGAIN:
            return len(line.params) > 1 and line.params[1].upper() == "LIST" and self._listing.fail(error)
        if len(line.params) < 3:
            return False
        folded = core.fold[line.params[1]]
        if line.command in _NOBODY:
            nobody = BridgeError(Trouble.NO_SUCH_NICK, error.text)
            asked = folded in self._whois
            return self._fail_whois(folded, nobody) if asked else self._questions.no_such_nick(folded, nobody)
        return self._fail_bans(folded, error)

    _QUERIES: ClassVar[Mapping[type, Callable[..., None]]] = {
        RoomQuery: _ask_room,
        RoomList: _ask_list,
        AffiliationList: _ask_affiliations,
        ContactQuery: _ask_contact,
        ContactPing: _ask_ping,
        ContactVersion: _ask_version,
        ContactTime: _ask_time,
    }
    REPLIES: ClassVar[Mapping[str, Callable[..., bool]]] = {
        Numeric.RPL_BANLIST: _on_ban,
        Numeric.RPL_ENDOFBANLIST: _on_end_of_bans,
        Numeric.RPL_WHOISUSER: _on_whois_user,
        Numeric.RPL_WHOISSERVER: _on_whois_server,
        Numeric.RPL_WHOISIDLE: _on_whois_idle,
        Numeric.RPL_WHOISACCOUNT: _on_whois_account,
        Numeric.RPL_WHOISCHANNELS: _on_whois_channels,
        Numeric.RPL_AWAY: _on_whois_away,
        Numeric.RPL_ENDOFWHOIS: _on_end_of_whois,
        **dict.fromkeys(_WHOIS_EXTRAS, _on_whois_extra),
    }
