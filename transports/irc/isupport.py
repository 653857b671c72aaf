"""What a server says of itself in RPL_ISUPPORT (005), as one immutable value.

`irc.features` reads the structured values that it reads soundly; it is given one known token at a
time, since it would let a server set any of its attributes. Flags, escapes and the rest are ours.
Sessions that were told the same hold the same object.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from irc.features import FeatureSet
from msgspec import Struct

MAX_TOKENS = 256
MAX_TOKEN_LENGTH = 512
MAX_LINE_LENGTH = 8192
"""Bytes of LINELEN that are believed."""
MAX_SHARED = 512
"""Values kept so that sessions can share them; beyond it they only take more memory."""
MAX_MODE_CHANGES = 128
"""Changes read from one MODE line."""

_TOKEN = re.compile(r"(-?)([A-Za-z0-9/._]{1,64})(?:=(.*))?", re.DOTALL)
_ESCAPES = re.compile(r"(?:\\x[0-9A-Fa-f]{2})+")
_UPPER = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ASCII = bytes.maketrans(_UPPER, _UPPER.lower())
_STRICT = bytes.maketrans(_UPPER + b"[]\\", _UPPER.lower() + b"{}|")
_FOLDS: Mapping[str, bytes | None] = {
    "ascii": _ASCII,
    "rfc1459": bytes.maketrans(_UPPER + b"[]\\^", _UPPER.lower() + b"{}|~"),
    "rfc1459-strict": _STRICT,
    "strict-rfc1459": _STRICT,
    "rfc3454": None,
    "rfc7613": None,
    "rfc7700": None,
    "rfc8265": None,
    "precis": None,
}
"""CASEMAPPING to its fold; None is Unicode's, which is what the PRECIS ones come to for equality."""
_PREFIX = re.compile(r"\(([A-Za-z]*)\)([^A-Za-z0-9\s]*)")

_NOT_IN_CHANNEL = re.compile("[ ,\x07\0\r\n]")
_NOT_IN_VALUE = re.compile("[\0\r\n]")

ModeChange = tuple[str, str, str | None]
"""Sign, letter, argument."""


class ISupport(Struct, frozen=True, kw_only=True, eq=False):
    """The limits and habits of a server; the defaults are RFC 1459's. None means no limit is known.

    `prefixes` are (mode, symbol) from the highest down. `channel_modes` are the four classes of
    CHANMODES: lists, always an argument, an argument when set, none. `target_max` is by command.
    """

    tokens: Mapping[str, str] = MappingProxyType({})
    casemapping: str = "rfc1459"
    channel_types: str = "#&"
    prefixes: tuple[tuple[str, str], ...] = (("o", "@"), ("v", "+"))
    channel_modes: tuple[str, str, str, str] = ("beI", "k", "l", "imnpst")
    status_message: str = ""
    network: str = ""
    line_length: int = 512
    nick_length: int | None = None
    user_length: int | None = None
    host_length: int | None = None
    channel_length: int | None = None
    topic_length: int | None = None
    kick_length: int | None = None
    away_length: int | None = None
    key_length: int | None = None
    modes_max: int | None = 3
    monitor_max: int | None = None
    target_max: Mapping[str, int | None] = MappingProxyType({})
    list_max: Mapping[str, int | None] = MappingProxyType({})
    prefix_modes: str = "ov"
    prefix_symbols: str = "@+"

    @property
    def flags(self) -> frozenset[str]:
        """The tokens that have no value."""
        return frozenset(name for name, value in self.tokens.items() if not value)

    @property
    def utf8_only(self) -> bool:
        """IRCv3 utf8-only."""
        return "UTF8ONLY" in self.tokens

    @property
    def ban_exception_mode(self) -> str:
        """The list mode of ban exceptions, "" if there is none."""
        return self.tokens["EXCEPTS"] or "e" if "EXCEPTS" in self.tokens else ""

    @property
    def invite_exception_mode(self) -> str:
        """The list mode of invitation exceptions, "" if there is none."""
        return self.tokens["INVEX"] or "I" if "INVEX" in self.tokens else ""

    def updated(self, params: Sequence[str]) -> ISupport:
        """Take in the parameters of one 005 line, from the nick to the closing words."""
        tokens = tuple(param for param in params[1:] if " " not in param and len(param) <= MAX_TOKEN_LENGTH)
        return _updated(self, tokens)

    def fold(self, text: str) -> str:
        """Return the form of a nick or channel that equal names share."""
        fold = _FOLDS.get(self.casemapping, _ASCII)
        if fold is None:
            return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
        return text.encode("utf-8", "surrogatepass").translate(fold).decode("utf-8", "surrogatepass")

    def is_channel(self, name: str) -> bool:
        """Tell whether a target is a channel."""
        return name[:1] in self.channel_types and name != ""

    def is_legal_channel(self, name: str) -> bool:
        """Tell whether a name may be sent as one channel (RFC 2812 §1.3)."""
        length = self.channel_length
        return (
            self.is_channel(name)
            and not _NOT_IN_CHANNEL.search(name)
            and (length is None or len(name.encode("utf-8", "replace")) <= length)
        )

    def strip_status(self, target: str) -> tuple[str, str]:
        """Take STATUSMSG symbols off: ``@#chan`` is ("@", "#chan")."""
        channel = target.lstrip(self.status_message) if self.status_message else target
        if channel is target or not self.is_channel(channel):
            return "", target
        return target[: len(target) - len(channel)], channel

    def split_prefix(self, name: str) -> tuple[str, str]:
        """Take the symbols off an entry of RPL_NAMREPLY: ``@+nick`` is ("ov", "nick")."""
        nick = name.lstrip(self.prefix_symbols)
        symbols = name[: len(name) - len(nick)]
        return "".join(mode for mode, symbol in self.prefixes if symbol in symbols) if symbols else "", nick

    def add_mode(self, modes: str, mode: str) -> str:
        """Return an occupant's prefix modes with one more, highest first."""
        return "".join(each for each in self.prefix_modes if each in modes or each == mode)

    def takes_argument(self, sign: str, mode: str) -> bool:
        """Tell whether a channel mode comes with an argument (CHANMODES and PREFIX)."""
        lists, always, when_set, _ = self.channel_modes
        return (
            mode in always or mode in lists or mode in self.prefix_modes or (mode in when_set and sign == "+")
        )

    def parse_modes(self, params: Sequence[str]) -> list[ModeChange]:
        """Read a channel's mode change, from the letters on; an argument that is missing is None."""
        changes: list[ModeChange] = []
        arguments = iter(params[1:])
        sign = "+"
        for letter in params[0] if params else "":
            if letter in "+-":
                sign = letter
            elif len(changes) < MAX_MODE_CHANGES:
                argument = next(arguments, None) if self.takes_argument(sign, letter) else None
                changes.append((sign, letter, argument))
        return changes

    def allows_tag(self, name: str) -> bool:
        """Tell whether the server relays a client-only tag, named without ``+`` (CLIENTTAGDENY)."""
        denied = self.tokens.get("CLIENTTAGDENY", "").split(",")
        return f"-{name}" in denied if denied[0] == "*" else name not in denied


@lru_cache(MAX_SHARED)
def _updated(before: ISupport, params: tuple[str, ...]) -> ISupport:
    tokens = dict(before.tokens)
    for param in params:
        match = _TOKEN.fullmatch(param)
        if match is None:
            continue
        negated, name, value = match[1], match[2].upper(), match[3]
        if negated:
            tokens.pop(name, None)
        elif name in tokens or len(tokens) < MAX_TOKENS:
            tokens[name] = _ESCAPES.sub(_unescape, value) if value else ""
    return _from_tokens(tokens)


def _unescape(match: re.Match[str]) -> str:
    text = bytes.fromhex(match[0].replace("\\x", "")).decode("utf-8", "replace")
    return _NOT_IN_VALUE.sub("", text)


def _from_tokens(tokens: Mapping[str, str]) -> ISupport:
    prefixes = _prefixes(tokens)
    default = DEFAULT
    return ISupport(
        tokens=MappingProxyType(tokens),
        casemapping=tokens.get("CASEMAPPING", "").lower() or default.casemapping,
        channel_types=tokens.get("CHANTYPES", default.channel_types),
        prefixes=prefixes,
        prefix_modes="".join(mode for mode, _ in prefixes),
        prefix_symbols="".join(symbol for _, symbol in prefixes),
        channel_modes=_channel_modes(tokens),
        status_message=tokens.get("STATUSMSG", ""),
        network=tokens.get("NETWORK", ""),
        line_length=min(max(_number(tokens, "LINELEN") or 0, default.line_length), MAX_LINE_LENGTH),
        nick_length=_number(tokens, "NICKLEN", "MAXNICKLEN"),
        user_length=_number(tokens, "USERLEN"),
        host_length=_number(tokens, "HOSTLEN"),
        channel_length=_number(tokens, "CHANNELLEN"),
        topic_length=_number(tokens, "TOPICLEN"),
        kick_length=_number(tokens, "KICKLEN"),
        away_length=_number(tokens, "AWAYLEN"),
        key_length=_number(tokens, "KEYLEN"),
        modes_max=_number(tokens, "MODES") if "MODES" in tokens else default.modes_max,
        monitor_max=_number(tokens, "MONITOR"),
        target_max=_numbers(tokens, "TARGMAX"),
        list_max=_numbers(tokens, "MAXLIST"),
    )


def _feature(tokens: Mapping[str, str], name: str) -> object:
    """Let `irc.features` read one token; None if there is none or it makes no sense of it."""
    value = tokens.get(name)
    if not value:
        return None
    features = FeatureSet()
    try:
        features.load_feature(f"{name}={value}")
    except ValueError:
        return None
    return getattr(features, name.lower())


def _prefixes(tokens: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    if "PREFIX" not in tokens:
        return DEFAULT.prefixes
    match = _PREFIX.fullmatch(tokens["PREFIX"])
    symbols = _feature(tokens, "PREFIX") if match and len(match[1]) == len(match[2]) else {}
    return tuple((mode, symbol) for symbol, mode in symbols.items()) if isinstance(symbols, dict) else ()


def _channel_modes(tokens: Mapping[str, str]) -> tuple[str, str, str, str]:
    classes = _feature(tokens, "CHANMODES")
    if not isinstance(classes, list):
        return DEFAULT.channel_modes
    lists, always, when_set, none, *_ = *classes, "", "", "", ""
    return lists, always, when_set, none


def _numbers(tokens: Mapping[str, str], name: str) -> Mapping[str, int | None]:
    numbers = _feature(tokens, name)
    return MappingProxyType(numbers) if isinstance(numbers, dict) else DEFAULT.target_max


def _number(tokens: Mapping[str, str], *names: str) -> int | None:
    for name in names:
        value = tokens.get(name, "")
        if value.isascii() and value.isdigit() and len(value) < 10:
            return int(value)
    return None


DEFAULT = ISupport()
"""What holds of a server that has said nothing."""
