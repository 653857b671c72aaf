"""The README's table of whose certificate is accepted, and the cases that are tried: each says what the other does."""

from __future__ import annotations

import re

import pytest

from bridge.federation.certificate import Authorities
from tests.bridge.federation.test_certificate import (
    NAMES,
    PATHS,
    PURPOSES,
    authorities,
    shown,
)
from tests.test_readme import README

__all__ = ["authorities"]
TRUSTED = "a path to a trusted authority, also if the chain is out of order or has more in it"
UNTRUSTED = "none; unreadable; intermediate missing; unknown authority; self-signed; expired; not yet valid"
PINNED = "self-signed, but in `ca_file` itself"
WRONG_ROLE = "an authority's certificate (CA:TRUE) as a server's; outside the authority's name constraints"
WEAK = "RSA under 2048 bits, EC under 224, a signature with SHA-1 or MD5"
FOR_SERVERS = "usage: absent, any, server, server and client"
FOR_CLIENTS = "usage: client only"
FOR_OTHERS = "usage: others only"
NAMED = "DNS-ID; SRV-ID `_xmpp-server`; XmppAddr equal to the domain (A-labels compared)"
WILDCARD = "a wildcard as the whole first label, for exactly one label (DNS-ID, SRV-ID)"
MISNAMED = "names of other domains; common name only; other services; a user's XmppAddr; malformed names"
ADDRESS = "the domain is an IP address, and the certificate has it"
ELSEWHERE = {
    "TLSA records in signed DNS (usages 0–3)",
    "else a fingerprint in the domain's POSH document, the certificate within its dates",
}
"""Rows that are not about the certificate alone: `test_dane`, `test_posh`."""

PATH_ROWS = {
    TRUSTED: [
        "intermediate sent", "root sent, too", "chain in wrong order", "chain with strangers",
        "chain with garbage", "without basic constraints", "RSA of 2048 bits", "EC of 224 bits",
        "inside the authority's names",
    ],
    UNTRUSTED: [
        "intermediate missing", "unknown authority", "unknown authority sent", "self-signed",
        "self-signed as authority", "expired", "not yet valid", "expired authority", "expired root",
        "issued by what is no authority", "forged signature", "none", "too large", "malformed names",
        "XmppAddr that is cut off", "extension twice as long as it is",
    ],
    PINNED: ["self-signed and trusted", "self-signed authority, trusted"],
    WRONG_ROLE: [
        "authority's own", "outside the authority's names", "in the authority's banned names",
        "XmppAddr to evade limits", "SRV-ID to evade limits", "IP address to evade limits",
    ],
    WEAK: ["RSA of 1024 bits", "authority with RSA of 1024 bits", "signed with SHA-1", "EC of 192 bits"],
    MISNAMED: ["DNS-ID not in ASCII"],
}  # fmt: skip
PURPOSE_ROWS = {
    FOR_SERVERS: [
        "no usages", "any usage", "servers and clients", "servers only, as public authorities issue",
        "code signing and servers", "authority for servers", "key for signatures", "key for encipherment",
    ],
    FOR_CLIENTS: ["clients only", "authority for clients"],
    FOR_OTHERS: ["code signing only", "authority for code signing", "key for revocation lists"],
}  # fmt: skip


def row_of_name(case: str) -> str:
    """Return the row that a case of `NAMES` is for."""
    is_good = not NAMES[case][2]
    if not is_good:
        return MISNAMED
    if "address" in case:
        return ADDRESS
    return WILDCARD if "wildcard" in case else NAMED


def policy() -> dict[str, tuple[bool, bool]]:
    """Read the table: what is shown → whether it is accepted when we connected, and when they did."""
    section = README.split("### Whose certificate is accepted")[1].split("\n#")[0]
    rows = re.findall(r"^\| (.+?) \| (yes|no) \| (yes|no) \|$", section, re.MULTILINE)
    return {what: (ours == "yes", theirs == "yes") for what, ours, theirs in rows}


def test_every_row_has_cases_and_every_case_a_row() -> None:
    """Nothing is promised that is not tried, nor tried that is not told."""
    in_paths = [case for cases in PATH_ROWS.values() for case in cases]
    in_purposes = [case for cases in PURPOSE_ROWS.values() for case in cases]
    assert sorted(in_paths) == sorted(PATHS) and sorted(in_purposes) == sorted(PURPOSES)
    rows = {*PATH_ROWS, *PURPOSE_ROWS, *map(row_of_name, NAMES)}
    assert rows == policy().keys() - ELSEWHERE
    assert len(NAMES) + len(PATHS) + len(PURPOSES) > 60


@pytest.mark.parametrize(
    ("case", "row"),
    [
        *((case, row) for row, cases in PATH_ROWS.items() for case in cases),
        *((case, row_of_name(case)) for case in NAMES),
    ],
)
def test_case_is_accepted_if_its_row_says_so(case: str, row: str, authorities: Authorities) -> None:
    """Whoever connected."""
    make, domain, _ = PATHS.get(case) if row in PATH_ROWS and case in PATHS else NAMES[case]
    chain, accepted = make(), policy()[row]
    for connected in (False, True):
        assert (shown(chain, authorities, connected).problem(domain) == "") is accepted[connected]


@pytest.mark.parametrize(
    ("case", "row"), [(case, row) for row, cases in PURPOSE_ROWS.items() for case in cases]
)
def test_purpose_is_accepted_if_its_row_says_so(case: str, row: str, authorities: Authorities) -> None:
    """It may depend on who connected."""
    chain, accepted = PURPOSES[case][0](), policy()[row]
    for connected in (False, True):
        assert (shown(chain, authorities, connected).problem("a.test") == "") is accepted[connected]
