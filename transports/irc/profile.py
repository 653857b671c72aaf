"""Who a user is towards one IRC server: everything an `IrcSession` is told at its start."""

from __future__ import annotations

from msgspec import Struct


class WebIrc(Struct, frozen=True, kw_only=True):
    """The parts of the WEBIRC line that names the user's own address (IRCv3 webirc)."""

    password: str
    gateway: str
    host: str
    address: str


class Profile(Struct, frozen=True, kw_only=True):
    """A user's particulars and wishes for one server; empty strings mean "none".

    `encoding_in` is tried where a line is no UTF-8; `encoding_out` is the charset of what is sent
    ("" is UTF-8). `burst` is how many lines may leave at once before the pace of `rate` lines per
    second sets in: 0 makes each line wait, a negative number switches pacing off.
    `require_sasl` refuses to come online without a login. `after_connect_commands` are raw lines
    sent before the first JOIN. `patience` is how many seconds a wish to enter a room outlives a
    lost link.
    """

    nick: str
    username: str = ""
    realname: str = ""
    password: str = ""
    sasl_account: str = ""
    sasl_password: str = ""
    sasl_external: bool = False
    require_sasl: bool = False
    encoding_in: str = ""
    encoding_out: str = ""
    burst: int = 10
    rate: float = 1.0
    after_connect_commands: tuple[str, ...] = ()
    webirc: WebIrc | None = None
    patience: float = 120.0
