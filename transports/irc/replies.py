"""Numerics and other words of the server: what they end, and what the user reads of them.

The texts are those of Biboumi, which people and their scripts know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from bridge.errors import BridgeError, Trouble

from .core import Core
from .isupport import DEFAULT
from .tables import MESSAGE_REFUSALS, TROUBLES, Numeric, Tag
from .translate import from_irc
from .wire import Line

BANISHED = ("k-line", "kline", "g-line", "gline", "z-line", "banned", "killed", "throttl", "too fast")
"""Words of an ERROR after which coming back at once makes it worse."""
RETRY_AFTER_BAN = 300.0
"""Seconds to stay away then."""
MAX_MOTD = 500
"""Lines of a message of the day that are shown."""
SILENT = frozenset(
    {Numeric.RPL_MYINFO, Numeric.RPL_ENDOFMOTD, Numeric.RPL_MOTDSTART, Numeric.RPL_CREATIONTIME,
     Numeric.RPL_UNAWAY, Numeric.RPL_NOWAWAY}
)  # fmt: skip
"""Numerics that would tell the user nothing."""
SPACED = frozenset({Numeric.RPL_YOURHOST, Numeric.RPL_CREATED, Numeric.RPL_NAMREPLY, Numeric.RPL_ENDOFNAMES})
"""Numerics that Biboumi ends with a space, which scripts may match."""
SHOWN_WORDS = frozenset({"WALLOPS", "GLOBOPS"})
"""Commands other than numerics whose words are for the user."""

Reply = Callable[[Line], bool]
"""Deals with a reply; False has it shown to the user as well."""


class Replies:
    """See the module's docstring."""

    __slots__ = ("_core", "_isupport", "_motd")

    def __init__(self, core: Core) -> None:
        self._core = core
        self._motd: list[str] = []
        self._isupport = DEFAULT

    def begin(self) -> None:
        """A connection is made: what the server said of itself before holds until it says it anew."""
        self._isupport = DEFAULT
        self._motd = []

    # ---- what the server says of itself

    def _on_isupport(self, line: Line) -> bool:
        self._isupport = self._isupport.updated(line.params)
        self._core.supports(self._isupport)
        return True

    def _on_error(self, line: Line) -> bool:
        """The server ends the link, and says why."""
        core = self._core
        text = line.params[-1] if line.params else ""
        core.reason = core.reason or text
        core.notice(f"ERROR: {text}")
        words = text.lower()
        if "flood" in words:
            core.pace.slow_down()
        if any(word in words for word in BANISHED):
            core.retry_after = RETRY_AFTER_BAN
        return True

    def _on_visible_host(self, line: Line) -> bool:
        if len(line.params) > 1:
            user, _, host = line.params[1].rpartition("@")
            self._core.user, self._core.host = user or self._core.user, host
        return False

    def _on_motd_start(self, line: Line) -> bool:
        self._motd = []
        return True

    def _on_motd(self, line: Line) -> bool:
        if len(self._motd) < MAX_MOTD and line.params:
            self._motd.append(from_irc(line.params[-1]).plain)
        return True

    def _on_end_of_motd(self, line: Line) -> bool:
        if self._motd:
            self._core.notice("\n".join(self._motd))
        self._motd = []
        return True

    def _on_ack(self, line: Line) -> bool:
        """IRCv3 labeled-response: there is nothing else to say."""
        return True

    # ---- errors

    def failed(self, line: Line) -> None:
        """An error numeric: fail the request that it answers."""
        core = self._core
        names = [core.fold[name] for name in line.params[1:-1]]
        ticket = core.tickets.blamed(names, message=line.command in MESSAGE_REFUSALS)
        if ticket is not None:
            core.tickets.fail(ticket, self.error(line))

    def error(self, line: Line) -> BridgeError:
        """Return what an error reply means, in the server's own words."""
        trouble = TROUBLES.get(line.command, Trouble.REFUSED)
        return BridgeError(trouble, from_irc(line.params[-1]).plain if len(line.params) > 1 else "")

    def _on_standard(self, line: Line) -> bool:
        """IRCv3 standard-replies: ``FAIL command code context :text``."""
        core = self._core
        if len(line.params) < 3:
            return False
        text = from_irc(line.params[-1]).plain
        if line.command == "FAIL" and not line.tags.get(Tag.LABEL):
            names = [core.fold[name] for name in line.params[2:-1]]
            ticket = core.tickets.blamed(names, message=True, command=line.params[0].upper())
            if ticket is not None:
                core.tickets.fail(ticket, BridgeError(Trouble.REFUSED, text))
        core.notice(f"{line.source}: {text}" if line.source else text)
        return True

    # ---- words for the user

    def show(self, line: Line) -> None:
        """Have the user read a reply that nothing else came of."""
        command = line.command
        if command in SHOWN_WORDS and line.params:
            self._core.notice(f"{command} from {line.nick}: {from_irc(line.params[-1]).plain}")
            return
        if command in SILENT or len(line.params) < 2 or not command.isdigit():
            return
        plain = from_irc(_words(line)).plain
        is_whole = command == Numeric.ERR_USERONCHANNEL or not line.source
        self._core.notice(plain if is_whole else f"{line.source}: {plain}")

    REPLIES: ClassVar[Mapping[str, Callable[..., bool]]] = {
        Numeric.RPL_ISUPPORT: _on_isupport,
        Numeric.RPL_MOTDSTART: _on_motd_start,
        Numeric.RPL_MOTD: _on_motd,
        Numeric.RPL_ENDOFMOTD: _on_end_of_motd,
        Numeric.RPL_VISIBLEHOST: _on_visible_host,
        "FAIL": _on_standard,
        "WARN": _on_standard,
        "NOTE": _on_standard,
        "ACK": _on_ack,
        "ERROR": _on_error,
    }


def _words(line: Line) -> str:
    """Return what a numeric says, in the order that Biboumi gives it."""
    command, params = line.command, line.params[1:]
    if command == Numeric.ERR_USERONCHANNEL and len(params) > 2:
        return f"{params[0]} {params[2]} {params[1]}"
    if command == Numeric.RPL_LOGGEDIN:
        return params[-1]
    if command in TROUBLES or command[0] in "45":
        return f"{params[0]}: {params[1] if len(params) > 1 else 'Unspecified error'}"
    if command == Numeric.RPL_NAMREPLY:
        params = (*params[:-1], *(name.partition("!")[0] for name in params[-1].split()))
    return " ".join(params) + " " * (command in SPACED)
