"""From a fresh connection to 001: WEBIRC, CAP 302, SASL, PASS, NICK, USER, and what can go wrong.

The capabilities are negotiated further while online (IRCv3 cap-notify), and a login is tried
again when the server offers SASL anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import ClassVar, Protocol

from bridge.errors import BridgeError, Trouble

from . import sasl
from .agenda import Appointment
from .core import Core, State
from .tables import LOGIN_REFUSALS, NICK_REFUSALS, REGISTRATION_REFUSALS, WANTED, Numeric
from .translate import sanitise
from .wire import Line

TIMEOUT = 60.0
"""Seconds in which the server must have let us in."""
REQUEST_BYTES = 400
"""Bytes of capability names in one CAP REQ."""
MAX_OFFERED = 500
"""Capabilities of a server that are kept."""
MAX_NICK_TRIES = 8
"""How often a nick is varied when ours is taken at a reconnection."""
REGAIN_EVERY = 60.0
"""Seconds between attempts to get our own nick back."""
ALWAYS_WANTED = WANTED | {"draft/message-redaction"}
NO_WAY = "The server offers no way to log in that fits your settings."
NOT_IN_CLEAR = "A password is not sent over a connection without TLS."


class Login(Enum):
    """How far the user is logged in with SASL."""

    NONE = "none"
    ASKING = "asking"
    DONE = "done"
    FAILED = "failed"


class Outcome(Protocol):
    """What the session does at the end of a registration."""

    def registered(self) -> None:
        """The server let us in."""

    def not_registered(self, error: BridgeError) -> None:
        """It did not, and trying again as we are is no use."""

    @property
    def is_return(self) -> bool:
        """True when the user is in rooms, and is to get back into them."""


class Registration:
    """See the module's docstring; `secure` tells that the link is encrypted."""

    __slots__ = (
        "_challenge", "_core", "_failed_mechanisms", "_login", "_login_error", "_mechanism", "_negotiating",
        "_nonce", "_offered", "_outcome", "_regain", "_requested", "_secure", "_timeout", "_tries",
        "wanted_nick",
    )  # fmt: skip

    def __init__(self, core: Core, outcome: Outcome, nonce: Callable[[], str]) -> None:
        self._core = core
        self._outcome = outcome
        self._nonce = nonce
        self._secure = False
        self._offered: dict[str, str] = {}
        self._requested = 0
        self._negotiating = False
        self._login = Login.NONE
        self._mechanism: sasl.Mechanism | None = None
        self._challenge = sasl.Challenge()
        self._failed_mechanisms: set[str] = set()
        self._login_error = ""
        self._tries = 0
        self._timeout: Appointment | None = None
        self._regain: Appointment | None = None
        self.wanted_nick = core.profile.nick

    # ---- the way in

    def begin(self, *, secure: bool) -> None:
        """The connection is up."""
        core, profile = self._core, self._core.profile
        self._secure = secure
        self._offered.clear()
        self._requested = 0
        self._negotiating = True
        self._login = Login.NONE
        self._mechanism = None
        self._failed_mechanisms.clear()
        self._login_error = ""
        self._tries = 0
        core.capabilities = frozenset()
        if profile.webirc is not None:
            webirc = profile.webirc
            options = ("secure",) if secure else ()
            core.send_now("WEBIRC", webirc.password, webirc.gateway, webirc.host, webirc.address, *options)
        core.send_now("CAP", "LS", "302")
        if profile.password:
            core.send_now("PASS", profile.password)
        self._introduce()
        self._timeout = core.agenda.after(TIMEOUT, self._expired)

    def end(self) -> None:
        """The connection is gone."""
        for appointment in (self._timeout, self._regain):
            if appointment is not None:
                appointment.cancel()
        self._timeout = self._regain = None
        self._mechanism = None

    def _introduce(self) -> None:
        core, profile = self._core, self._core.profile
        nick = sanitise(self.wanted_nick, core.isupport) or self.wanted_nick
        core.renamed(nick)
        core.send_now("NICK", nick)
        core.send_now(
            "USER", (profile.username or nick).replace(" ", "_"), "0", "*", profile.realname or nick
        )

    def _expired(self) -> None:
        self._timeout = None
        if self._core.state is State.REGISTERING:
            self._core.state = State.CLOSING
            self._core.reason = "the server does not answer"
            self._core.notice(f"Connection failed: {self._core.reason}")

    def _on_welcome(self, line: Line) -> bool:
        core = self._core
        if core.state is not State.REGISTERING:
            return True
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None
        if core.profile.require_sasl and self._login is not Login.DONE:
            self._refuse_login()
            return True
        self._negotiating = False
        if line.params and line.params[0] not in ("", "*"):
            core.renamed(line.params[0])
        core.state = State.ONLINE
        self._outcome.registered()
        if not core.is_me(self.wanted_nick):
            self._regain_later()
        return True

    # ---- capabilities (IRCv3 capability-negotiation)

    def _on_cap(self, line: Line) -> bool:
        if len(line.params) < 3:
            return True
        subcommand = line.params[1].upper()
        names = line.params[-1].split()
        if subcommand in ("LS", "NEW"):
            self._offer(names)
            if subcommand == "NEW" or line.params[2] != "*" or len(line.params) == 3:
                self._request(new=subcommand == "NEW")
        elif subcommand == "DEL":
            gone = {name.partition("=")[0] for name in names}
            self._core.capabilities -= gone
            for name in gone:
                self._offered.pop(name, None)
        elif subcommand in ("ACK", "NAK"):
            self._acknowledged(names, granted=subcommand == "ACK")
        return True

    def _offer(self, names: list[str]) -> None:
        for name in names:
            key, _, value = name.partition("=")
            if len(self._offered) < MAX_OFFERED:
                self._offered[key] = value

    def _request(self, *, new: bool) -> None:
        core = self._core
        wanted = sorted(name for name in self._offered if name in ALWAYS_WANTED - core.capabilities)
        if "labeled-response" in wanted and "batch" not in self._offered:
            wanted.remove("labeled-response")
        if "sasl" in wanted and self._choice() is None:
            wanted.remove("sasl")
        for request in _grouped(wanted):
            self._requested += 1
            core.send_now("CAP", "REQ", request)
        if not new and not self._requested:
            self._finish_negotiation()
        elif new and "sasl" in self._offered and "sasl" in core.capabilities:
            self._log_in()

    def _acknowledged(self, names: list[str], *, granted: bool) -> None:
        core = self._core
        self._requested = max(0, self._requested - 1)
        if granted:
            removed = {name[1:] for name in names if name[:1] == "-"}
            granted_names = {name.lstrip("~=") for name in names}
            core.capabilities = (core.capabilities | (granted_names & ALWAYS_WANTED)) - removed
            if "sasl" in names:
                self._log_in()
        elif len(names) > 1:  # one of them is refused: ask for each alone
            for name in names:
                self._requested += 1
                core.send_now("CAP", "REQ", name)
        if not self._requested and self._login is not Login.ASKING:
            self._finish_negotiation()

    def _finish_negotiation(self) -> None:
        if not self._negotiating:
            return
        if self._core.profile.require_sasl and self._login is not Login.DONE:
            self._refuse_login()
            return
        self._negotiating = False
        self._core.send_now("CAP", "END")

    def _on_unknown_command(self, line: Line) -> bool:
        """A server of old does not know CAP; it lets us in without."""
        return len(line.params) > 1 and line.params[1].upper() == "CAP"

    # ---- login (IRCv3 sasl-3.2)

    def _choice(self) -> sasl.Mechanism | None:
        profile = self._core.profile
        credentials = sasl.Credentials(
            account=profile.sasl_account or (profile.nick if profile.sasl_password else ""),
            password=profile.sasl_password,
            certificate=profile.sasl_external,
        )
        offered = [name for name in self._offered.get("sasl", "").split(",") if name]
        return sasl.choose(
            offered, credentials, secure=self._secure, nonce=self._nonce(), excluded=self._failed_mechanisms
        )

    def _log_in(self) -> None:
        self._mechanism = self._choice()
        self._challenge = sasl.Challenge()
        if self._mechanism is None:
            self._login = Login.FAILED
            return
        self._login = Login.ASKING
        self._core.send_now("AUTHENTICATE", self._mechanism.name)

    def _on_authenticate(self, line: Line) -> bool:
        if self._mechanism is None or not line.params:
            return True
        try:
            challenge = self._challenge.feed(line.params[0])
            if challenge is None:
                return True
            response = self._mechanism.respond(challenge)
        except sasl.SaslError:
            self._core.send_now("AUTHENTICATE", sasl.ABORT)
            return True
        for piece in sasl.pieces(response):
            self._core.send_now("AUTHENTICATE", piece)
        return True

    def _on_logged_in(self, line: Line) -> bool:
        if self._login is not Login.ASKING:
            return True
        if self._mechanism is not None and not self._mechanism.complete:
            self._login_ended(Login.FAILED, "The server did not prove who it is.")
            return True
        self._login_ended(Login.DONE, "")
        return True

    def _on_mechanisms(self, line: Line) -> bool:
        if len(line.params) > 2:
            self._offered["sasl"] = line.params[1]
        return True

    def _on_login_refused(self, line: Line) -> bool:
        if self._login is not Login.ASKING or self._mechanism is None:
            return True
        self._failed_mechanisms.add(self._mechanism.name)
        self._login_error = line.params[-1] if line.params else ""
        if line.command == Numeric.ERR_SASLALREADY:
            self._login_ended(Login.DONE, "")
        elif line.command == Numeric.ERR_SASLFAIL and self._choice() is not None:
            self._log_in()
        else:
            self._login_ended(Login.FAILED, self._login_error)
        return True

    def _login_ended(self, login: Login, text: str) -> None:
        self._login = login
        self._mechanism = None
        if text:
            self._core.notice(f"{self._core.server}: {text}")
            self._login_error = text
        if not self._requested:
            self._finish_negotiation()

    def _refuse_login(self) -> None:
        self._core.state = State.CLOSING
        self._core.send_now("QUIT")
        text = self._login_error or (NO_WAY if self._secure else NOT_IN_CLEAR)
        self._outcome.not_registered(BridgeError(Trouble.LOGIN_FAILED, text))

    # ---- trouble before 001

    def refused(self, line: Line) -> bool:
        """Look at an error that came before we are in; tell if it is dealt with."""
        command = line.command
        if command in NICK_REFUSALS and self._core.state is State.REGISTERING:
            return self._nick_refused(line, NICK_REFUSALS[command])
        if command in REGISTRATION_REFUSALS and self._core.state is State.REGISTERING:
            self._give_up(REGISTRATION_REFUSALS[command], line)
        return False

    def _nick_refused(self, line: Line, trouble: Trouble) -> bool:
        core = self._core
        if trouble is Trouble.NICK_IN_USE and self._outcome.is_return and self._tries < MAX_NICK_TRIES:
            self._tries += 1
            core.renamed(_variation(self.wanted_nick, self._tries, core.isupport.nick_length))
            core.send_now("NICK", core.nick)
            return True
        self._give_up(trouble, line)
        return False

    def _give_up(self, trouble: Trouble, line: Line) -> None:
        core = self._core
        core.state = State.CLOSING
        core.send_now("QUIT")
        self._outcome.not_registered(BridgeError(trouble, line.params[-1] if len(line.params) > 1 else ""))

    # ---- our nick, taken by somebody else while we were away

    def _regain_later(self) -> None:
        if self._regain is None:
            self._regain = self._core.agenda.after(REGAIN_EVERY, self._regain_now)

    def _regain_now(self) -> None:
        self._regain = None
        core = self._core
        if core.online and not core.is_me(self.wanted_nick) and self._tries:
            core.send("NICK", self.wanted_nick)
            core.release()
            self._regain_later()

    def somebody_left(self, folded: str) -> None:
        """A nick is free; if it is ours, take it."""
        if self._regain is not None and folded == self._core.fold[self.wanted_nick]:
            self._regain.cancel()
            self._regain_now()

    REPLIES: ClassVar[Mapping[str, Callable[..., bool]]] = {
        "CAP": _on_cap,
        "AUTHENTICATE": _on_authenticate,
        Numeric.RPL_WELCOME: _on_welcome,
        Numeric.RPL_SASLSUCCESS: _on_logged_in,
        Numeric.RPL_SASLMECHS: _on_mechanisms,
        Numeric.ERR_UNKNOWNCOMMAND: _on_unknown_command,
        **dict.fromkeys(LOGIN_REFUSALS, _on_login_refused),
    }


def _grouped(names: list[str]) -> list[str]:
    """Join capability names into requests of bounded length."""
    groups: list[str] = []
    for name in names:
        if groups and len(groups[-1]) + len(name) < REQUEST_BYTES:
            groups[-1] += " " + name
        else:
            groups.append(name)
    return groups


def _variation(nick: str, number: int, longest: int | None) -> str:
    """Return the nick with underscores, cut so that they show in a short one."""
    length = longest or 30
    return nick[: max(1, length - number)] + "_" * number
