"""Between IRC's ways and the bridge's: formatting codes, prefix modes, nicks.

Formatting is that of the "IRC formatting" document which clients follow: bold 02, colour 03, hex
colour 04, reset 0F, monospace 11, reverse 16, italic 1D, strike 1E, underline 1F.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from bridge.events import Affiliation, Role, Style, Text
from bridge.text import Look, TextBuilder, clip, runs
from transports.irc.isupport import ISupport
from transports.irc.wire import split_points

# ---- formatting

_TOGGLES: Mapping[str, Style] = {
    "\x02": Style.BOLD,
    "\x11": Style.MONOSPACE,
    "\x1d": Style.ITALIC,
    "\x1e": Style.STRIKE,
    "\x1f": Style.UNDERLINE,
}
_COLOUR, _HEX, _RESET, _REVERSE = "\x03", "\x04", "\x0f", "\x16"
_DEFAULT_COLOUR = 99
_PALETTE = re.findall(
    "[0-9a-f]{6}",
    "ffffff 000000 00007f 009300 ff0000 7f0000 9c009c fc7f00 "
    "ffff00 00fc00 009393 00ffff 0000fc ff00ff 7f7f7f d2d2d2 "
    "470000 472100 474700 324700 004700 00472c 004747 002747 000047 2e0047 470047 47002a "
    "740000 743a00 747400 517400 007400 007449 007474 004074 000074 4b0074 740074 740045 "
    "b50000 b56300 b5b500 7db500 00b500 00b571 00b5b5 0063b5 0000b5 7500b5 b500b5 b5006b "
    "ff0000 ff8c00 ffff00 b2ff00 00ff00 00ffa0 00ffff 008cff 0000ff a500ff ff00ff ff0098 "
    "ff5959 ffb459 ffff71 cfff60 6fff6f 65ffc9 6dffff 59b4ff 5959ff c459ff ff66ff ff59bc "
    "ff9c9c ffd39c ffff9c e2ff9c 9cff9c 9cffdb 9cffff 9cd3ff 9c9cff dc9cff ff9cff ff94d3 "
    "000000 131313 282828 363636 4d4d4d 656565 818181 9f9f9f bcbcbc e2e2e2 ffffff",
)
"""Colours 0 to 98, as clients agree on them."""
_BASIC = 16
_NUMBERS: Mapping[str, int] = {f"#{colour}": number for number, colour in reversed([*enumerate(_PALETTE)])}
_REVERSED = "#ffffff", "#000000"
"""What reverse makes of the default colours, which nobody here knows: legible on any background."""

_CODE = re.compile(
    r"(?P<code>\x03)(?:(?P<fg>[0-9]{1,2})(?:,(?P<bg>[0-9]{1,2}))?)?"
    r"|(?P<hex>\x04)(?:(?P<hexfg>[0-9A-Fa-f]{6})(?:,(?P<hexbg>[0-9A-Fa-f]{6}))?)?"
    r"|(?P<other>[\x00-\x08\x0a-\x1f\x7f])"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_HEX_COLOUR = re.compile(r"#[0-9a-f]{6}")
_NOTHING = "\x02\x02"
"""Bold on and off: keeps a digit of the text from being read as part of a colour."""


def from_irc(text: str) -> Text:
    """Read formatting codes; every other control character but the tab is dropped."""
    if text.isprintable():
        return Text(plain=text)
    builder = TextBuilder()
    pen = _Pen()
    position = 0
    for match in _CODE.finditer(text):
        builder.add(text[position : match.start()], pen.look)
        position = match.end()
        pen.apply(match)
    builder.add(text[position:], pen.look)
    return builder.build()


class _Pen:
    """The formatting in force while a line is read."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._styles: dict[Style, str] = {}
        self._foreground = self._background = ""
        self._is_reversed = False
        self.look: Look = {}

    def apply(self, match: re.Match[str]) -> None:
        """Follow one code."""
        other = match["other"]
        if match["code"]:
            self._colours(_colour(match["fg"]), _colour(match["bg"]), bare=not match["fg"])
        elif match["hex"]:
            self._colours(_hex_colour(match["hexfg"]), _hex_colour(match["hexbg"]), bare=not match["hexfg"])
        elif other in _TOGGLES:
            style = _TOGGLES[other]
            if self._styles.pop(style, None) is None:
                self._styles[style] = ""
        elif other == _REVERSE:
            self._is_reversed = not self._is_reversed
        elif other == _RESET:
            self._clear()
        self._update()

    def _colours(self, foreground: str | None, background: str | None, *, bare: bool) -> None:
        if bare:
            self._foreground = self._background = ""
        if foreground is not None:
            self._foreground = foreground
        if background is not None:
            self._background = background

    def _update(self) -> None:
        foreground, background = self._foreground, self._background
        if self._is_reversed:
            foreground, background = background or _REVERSED[0], foreground or _REVERSED[1]
        look = dict(self._styles)
        if foreground:
            look[Style.COLOUR] = foreground
        if background:
            look[Style.BACKGROUND] = background
        self.look = look


def _colour(number: str | None) -> str | None:
    """Return ``#rrggbb``, "" for the default colour, None if there is no number."""
    if number is None:
        return None
    return f"#{_PALETTE[int(number)]}" if int(number) < _DEFAULT_COLOUR else ""


def _hex_colour(digits: str | None) -> str | None:
    return None if digits is None else f"#{digits.lower()}"


def to_irc(text: Text) -> str:
    """Write formatting codes; control characters of the text itself are dropped, line ends stay."""
    if not text.spans:
        return _clean(text.plain)
    pieces: list[str] = []
    before: Look = {}
    for start, end, look in runs(text):
        words = _clean(text.plain[start:end])
        if words:
            pieces.append(_codes(before, look, words[0]))
            pieces.append(words)
            before = look
    return "".join(pieces)


def _clean(text: str) -> str:
    return text if text.isprintable() else _CONTROLS.sub("", text)


def _codes(before: Look, look: Look, following: str) -> str:
    """Return the codes that turn one look into another in front of the character `following`."""
    if before and not look:
        return _RESET
    codes = "".join(code for code, style in _TOGGLES.items() if (style in before) != (style in look))
    colours = _number(look, Style.COLOUR), _number(look, Style.BACKGROUND)
    old = _number(before, Style.COLOUR), _number(before, Style.BACKGROUND)
    if colours == old:
        return codes
    if colours == (_DEFAULT_COLOUR, _DEFAULT_COLOUR):
        colour = _COLOUR
    elif colours[1] == old[1] == _DEFAULT_COLOUR:
        colour = f"{_COLOUR}{colours[0]:02}"
    else:
        colour = f"{_COLOUR}{colours[0]:02},{colours[1]:02}"
    guard = _NOTHING if following in "0123456789," else ""
    return codes + colour + guard


def _number(look: Look, style: Style) -> int:
    """Return the palette's number of a colour, or of the nearest that every client has."""
    value = look.get(style, "").lower()
    if value in _NUMBERS:
        return _NUMBERS[value]
    if not _HEX_COLOUR.fullmatch(value):
        return _DEFAULT_COLOUR
    wanted = bytes.fromhex(value[1:])
    return min(range(_BASIC), key=lambda number: _distance(wanted, bytes.fromhex(_PALETTE[number])))


def _distance(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def lines(text: Text, limit: int) -> list[Text]:
    """Cut into texts that each make one line: `to_irc` gives at most `limit` bytes for it.

    Blank lines are left out; formatting that does not leave room for the words is dropped.
    """
    result: list[Text] = []
    start = 0
    for line in text.plain.split("\n"):
        piece = clip(text, start, start + len(line))
        start += len(line) + 1
        result.extend(part for part in _fit(piece, limit) if _clean(part.plain).strip())
    return result


def _fit(text: Text, limit: int) -> list[Text]:
    size = _size(text)
    if size <= limit:
        return [text]
    if text.spans:
        overhead = size - len(text.plain.encode("utf-8", "replace"))
        pieces = [clip(text, *points) for points in split_points(text.plain, limit - overhead)]
        if limit > 2 * overhead and all(_size(piece) <= limit for piece in pieces):
            return pieces
    return [Text(plain=text.plain[start:end]) for start, end in split_points(text.plain, limit)]


def _size(text: Text) -> int:
    return len(to_irc(text).encode("utf-8", "replace"))


# ---- prefix modes and the standing of an occupant

_STANDINGS: Mapping[str, tuple[Affiliation, Role]] = {
    "q": (Affiliation.OWNER, Role.MODERATOR),
    "a": (Affiliation.OWNER, Role.MODERATOR),
    "o": (Affiliation.ADMIN, Role.MODERATOR),
    "h": (Affiliation.MEMBER, Role.MODERATOR),
    "v": (Affiliation.MEMBER, Role.PARTICIPANT),
}
_NO_STANDING = Affiliation.NONE, Role.PARTICIPANT
_MUTE_STANDING = Affiliation.NONE, Role.VISITOR
_RANKS = "qaohv"
"""The prefix modes that a user may set, highest first."""
_WANTED: Mapping[Affiliation | Role, str] = {
    Affiliation.OWNER: "a",
    Affiliation.ADMIN: "o",
    Affiliation.MEMBER: "v",
    Affiliation.NONE: "",
    Role.MODERATOR: "h",
    Role.PARTICIPANT: "v",
    Role.VISITOR: "",
}
_SUBSTITUTES: Mapping[str, str] = {"a": "qo", "o": "", "h": "o", "v": ""}
"""What stands in for a mode that the server does not have."""


def occupant_from(
    prefix_modes: str, isupport: ISupport, *, moderated: bool = False
) -> tuple[Affiliation, Role]:
    """Return what somebody's prefix modes make him in XMPP's words.

    `moderated` tells that the channel is +m, where those without a prefix may not speak. A mode
    that only some server knows counts as the nearest known one below it.
    """
    ranked = isupport.prefix_modes if prefix_modes else ""
    for index, mode in enumerate(ranked):
        if mode in prefix_modes:
            known = [below for below in ranked[index:] if below in _STANDINGS]
            if known:
                return _STANDINGS[known[0]]
    return _MUTE_STANDING if moderated else _NO_STANDING


def mode_changes(
    wanted: Affiliation | Role, isupport: ISupport, current: str | None = None
) -> list[tuple[str, str]]:
    """Return the (sign, prefix mode) changes that give somebody a role or affiliation.

    Of the modes that the server has, the wanted one is set (or the nearest that implies as much),
    and all above it are taken. `current`, the prefix modes he has, leaves out what changes nothing.
    OUTCAST and a role of NONE are a ban and a kick; there are no modes for them.
    """
    mode = _WANTED.get(wanted)
    if mode is None:
        return []
    if mode and mode not in isupport.prefix_modes:
        substitute = next((each for each in _SUBSTITUTES[mode] if each in isupport.prefix_modes), None)
        if substitute is None and mode != "v":
            return []
        mode = substitute or mode
    above = _RANKS[: _RANKS.index(mode)] if mode else _RANKS
    is_set = not mode or mode in (current or "") or mode not in isupport.prefix_modes
    changes = [] if is_set else [("+", mode)]
    taken = [each for each in reversed(above) if each in isupport.prefix_modes]
    return changes + [("-", each) for each in taken if current is None or each in current]


# ---- nicks

MAX_NICK = 64
"""Bytes of a nick towards a server that allows more or does not say."""
_ASCII_NICK = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789[]\\`_^{|}-")
_NOT_FIRST = frozenset("0123456789-")
_UNICODE_MAPPINGS = frozenset({"rfc3454", "rfc7613", "rfc7700", "rfc8265", "precis"})


def sanitise(nick: str, isupport: ISupport) -> str | None:
    """Return the nearest legal nick (RFC 2812 §2.3.1), None if nothing of it can be used.

    Letters outside ASCII stay where the server is known to take them, else lose their accents.
    """
    unicode_allowed = isupport.utf8_only or isupport.casemapping in _UNICODE_MAPPINGS
    words = "_".join(nick.split())
    words = unicodedata.normalize("NFC" if unicode_allowed else "NFKD", words)
    kept = "".join(each for each in words if each in _ASCII_NICK or (unicode_allowed and _is_letter(each)))
    if not kept.strip("_-") and kept != nick:
        return None
    if kept[:1] in _NOT_FIRST:
        kept = "_" + kept
    length = MAX_NICK if isupport.nick_length is None else min(isupport.nick_length, MAX_NICK)
    return kept.encode("utf-8", "ignore")[:length].decode("utf-8", "ignore") or None


def _is_letter(character: str) -> bool:
    return not character.isascii() and unicodedata.category(character)[0] in "LMN"
