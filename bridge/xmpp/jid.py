"""Addresses: RFC 7622 with PRECIS, tolerant where peers still use stringprep, and XEP-0106.

The rule of tolerance. RFC 7622 decides first: UsernameCaseMapped for localparts, OpaqueString for
resourceparts, IDNA2008 for domainparts. What it refuses is prepared as RFC 6122 says, with Nodeprep,
Resourceprep or Nameprep as peers apply them: unassigned code points pass (RFC 3454 §7, "queries").
COMPAT: Prosody and ejabberd use stringprep, so addresses such as ``♚@example.org``, or a nickname
with a joined emoji, reach us in their stanzas; only what both families refuse is malformed.
"""

from __future__ import annotations

import re
import stringprep
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Literal
from unicodedata import normalize, ucd_3_2_0

from msgspec import Struct

PART_LIMIT = 1023
"""Bytes of UTF-8 that each part may have (RFC 7622 §3)."""
CACHE_SIZE = 2048
"""How many parsed addresses are remembered."""

_PLAIN = re.compile(
    r"""(?:([!#$%()*+,\-.0-9;=?A-Z\[\\\]^_`a-z{|}~]{1,1023})@)?
        ([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\.?
        (?:/([ -~]{1,1023}))?""",
    re.VERBOSE,
)
"""Addresses in ASCII that need nothing but lower case."""
_NOT_IN_LOCAL = re.compile(r"""["&'/:<>@]""")
_LABELS = re.compile("[.\u3002\uff0e\uff61]")
_NOT_IN_LABEL = re.compile(r"[\x00-,./:-@\[-^`{-\x7f]")
_TRIES = 4
"""How often a rule is applied before an unstable result is refused (RFC 8264 §7)."""

_CODES = {
    " ": "20",
    '"': "22",
    "&": "26",
    "'": "27",
    "/": "2f",
    ":": "3a",
    "<": "3c",
    ">": "3e",
    "@": "40",
    "\\": "5c",
}
_CHARACTERS = {code: character for character, code in _CODES.items()}
_TO_ESCAPE = re.compile(rf"""[ "&'/:<>@]|\\(?={"|".join(_CHARACTERS)})""", re.IGNORECASE)
_TO_UNESCAPE = re.compile(rf"(?!\A\\20|\\20\Z)\\({'|'.join(_CHARACTERS)})")


_Profile = Literal["UsernameCaseMapped", "OpaqueString"]


class JidError(ValueError):
    """This address is malformed."""


class Jid(Struct, frozen=True, gc=False):
    """An address, prepared; "" is an absent part. The localpart stays escaped (XEP-0106).

    Build it with `parse`: the constructor believes what it is given.
    """

    local: str
    domain: str
    resource: str

    @staticmethod
    def parse(text: str) -> Jid:
        """Split and prepare (RFC 7622 §3.1); raises JidError. Recent answers are remembered."""
        return _parse(text)

    @property
    def bare(self) -> str:
        """The address without resourcepart."""
        return f"{self.local}@{self.domain}" if self.local else self.domain

    def with_resource(self, resource: str) -> Jid:
        """Return the same bare address with `resource`, "" for none; raises JidError."""
        return Jid(self.local, self.domain, _resource(resource) if resource else "")

    def __str__(self) -> str:
        return f"{self.bare}/{self.resource}" if self.resource else self.bare


def escape(text: str) -> str:
    """Write any text as a localpart (XEP-0106 §4.1). Raises JidError: a space at either end has no form."""
    if text.startswith(" ") or text.endswith(" "):
        raise JidError("a localpart cannot begin or end with a space")
    return _TO_ESCAPE.sub(lambda match: "\\" + _CODES[match[0]], text)


def unescape(text: str) -> str:
    """Read the text out of a prepared localpart (XEP-0106 §4.1); ``\\20`` at either end is no escape."""
    return _TO_UNESCAPE.sub(lambda match: _CHARACTERS[match[1]], text) if "\\" in text else text


def spelt_domain(address: str) -> str:
    """Return the domain of an address as it is spelt there, neither checked nor prepared."""
    return address.partition("/")[0].rpartition("@")[2]


@lru_cache(CACHE_SIZE)
def _parse(text: str) -> Jid:
    plain = _PLAIN.fullmatch(text)
    if plain is not None and "--" not in plain[2] and len(plain[2]) <= PART_LIMIT:
        return Jid((plain[1] or "").lower(), plain[2].lower(), plain[3] or "")
    rest, slash, resource = text.partition("/")
    local, at, domain = rest.partition("@") if "@" in rest else ("", "", rest)
    return Jid(_local(local) if at else "", _domain(domain), _resource(resource) if slash else "")


def _local(text: str) -> str:
    local = _prepared(text, "UsernameCaseMapped", _nodeprep)
    if _NOT_IN_LOCAL.search(local):
        raise JidError("this character needs escaping in a localpart")
    return local


def _resource(text: str) -> str:
    if text.isascii() and text.isprintable() and 0 < len(text) <= PART_LIMIT:
        return text
    return _prepared(text, "OpaqueString", _resourceprep)


def _prepared(text: str, profile: _Profile, older: Callable[[str], str]) -> str:
    try:
        return _stable(text, _precis(profile))
    except ValueError:
        return _stable(text, older)


def _stable(text: str, prepare: Callable[[str], str]) -> str:
    """Apply a rule until it changes nothing more (RFC 8264 §7)."""
    for _ in range(_TRIES):
        before, text = text, prepare(text)
        if text == before:
            break
    else:
        raise JidError("this text has no stable form")
    if not 0 < len(text.encode()) <= PART_LIMIT:
        raise JidError("this part is empty or too long")
    return text


@lru_cache(2)
def _precis(profile: _Profile) -> Callable[[str], str]:
    """The library is loaded when the first address beyond ASCII comes; its errors are ValueErrors."""
    from precis_i18n import get_profile

    return get_profile(profile).enforce


def _domain(text: str) -> str:
    text = text.removesuffix(".")
    if text.startswith("[") and text.endswith("]"):
        return _ip_literal(text[1:-1])
    try:
        domain = ".".join(map(_label, _LABELS.split(text)))
    except ValueError:
        domain = _stable(text, _nodeprep)
    if any(not label or _NOT_IN_LABEL.search(label) for label in domain.split(".")):
        raise JidError("this is no domain")
    if len(domain.encode()) > PART_LIMIT:
        raise JidError("this domain is too long")
    return domain


def _ip_literal(text: str) -> str:
    """RFC 7622 §3.2.1 allows RFC 3986's IP literals; a zone has no meaning for others."""
    try:
        if "%" in text:
            raise ValueError(text)
        return f"[{IPv6Address(text)}]"
    except ValueError:
        raise JidError("this is no IP address") from None


def _label(text: str) -> str:
    """Prepare one label: U-labels are the form to compare (RFC 7622 §3.2.1)."""
    if text.isascii():
        text = text.lower()
        return _u_label(text) if text.startswith("xn--") else text
    import idna

    label = normalize("NFC", normalize("NFKC", text).lower())
    idna.check_label(label)
    return label


def _u_label(text: str) -> str:
    """Read an A-label.

    COMPAT: stringprep peers would take the U-label of ``xn--strae-oqa`` for ``strasse``, another
    domain, so an A-label stays as it is unless both families read its U-label alike.
    """
    import idna

    try:
        label = idna.decode(text)
        return label if _nodeprep(label) == label else text
    except ValueError:
        return text


def _nodeprep(text: str) -> str:
    """RFC 3454 as RFC 6122 Appendix A profiles it; of Nameprep it is the stricter twin."""
    mapped = "".join(map(stringprep.map_table_b2, _without_nothing(text)))
    if any(map(stringprep.in_table_c11, mapped)):
        raise JidError("a space is not allowed here")
    return _checked(ucd_3_2_0.normalize("NFKC", mapped))


def _resourceprep(text: str) -> str:
    """RFC 3454 as RFC 6122 Appendix B profiles it."""
    return _checked(ucd_3_2_0.normalize("NFKC", _without_nothing(text)))


def _without_nothing(text: str) -> str:
    return "".join(character for character in text if not stringprep.in_table_b1(character))


_PROHIBITED: tuple[Callable[[str], bool], ...] = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def _checked(text: str) -> str:
    """Refuse what RFC 3454 §5 prohibits and what violates its §6."""
    if any(prohibited(character) for character in text for prohibited in _PROHIBITED):
        raise JidError("this character is not allowed in an address")
    if any(map(stringprep.in_table_d1, text)):
        ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
        if not ends or any(map(stringprep.in_table_d2, text)):
            raise JidError("left-to-right and right-to-left text are mixed")
    return text
