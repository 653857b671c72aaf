"""Finding servers by a real validating resolver: signed, unsigned and forged records (RFC 6120 §3.2, RFC 7673)."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.cast import lookup
from tests.live.peers.daemon import HOST
from tests.live.peers.unbound import Unbound

ROOT = Path(__file__).parents[2]
TIMEOUT = 60
MANY = 500
SIGNED = """
_xmpp-server._tcp.good          IN SRV 10 0 {port} xmpp
_xmpp-server._tcp.both          IN SRV 10 0 {port} xmpp
_xmpps-server._tcp.both         IN SRV 5 0 5270 direct
_xmpp-server._tcp.alias         IN CNAME _xmpp-server._tcp.good
_xmpp-server._tcp.xn--strae-oqa IN SRV 10 0 {port} xmpp
_xmpp-server._tcp.none          IN SRV 0 0 0 .
_xmpp-server._tcp.forged        IN SRV 7 7 {port} xmpp
_xmpp-server._tcp.torn          IN SRV 10 0 {port} torn
bare IN A 127.0.0.1
torn IN A 127.0.0.1
xmpp IN A 127.0.0.1
xmpp IN AAAA ::1
_{port}._tcp.xmpp IN TLSA 3 1 1 aa{hash}
_{port}._tcp.torn IN TLSA 3 1 1 bb{hash}
"""
FORGED = {"SRV\t7 7 ": "SRV\t7 8 ", "3 1 1 bb": "3 1 1 cc"}
UNSIGNED = """
_xmpp-server._tcp.plain IN SRV 10 0 {port} xmpp
xmpp IN A 127.0.0.1
_{port}._tcp.xmpp IN TLSA 3 1 1 aa{hash}
"""
NAMES = ("good", "both", "alias", "straße", "none", "missing", "bare", "forged", "torn")
DOMAINS = (*(f"{name}.signed.test" for name in NAMES), "plain.unsigned.test", "many.unsigned.test")


class Found:
    """What the program found, and the port to which the connections went."""

    def __init__(self, port: int, findings: dict[str, Any]) -> None:
        self.port = port
        self._findings = findings

    def of(self, domain: str) -> dict[str, Any]:
        return self._findings[domain]

    def target(self, host: str, secure: bool) -> dict[str, Any]:
        return {"host": host, "port": self.port, "direct_tls": False, "secure": secure}


@pytest.fixture(scope="module")
def found(folder: Path) -> Iterator[Found]:
    """All domains, looked up once; a listener on IPv4 takes the connections."""
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        words = {"port": port, "hash": "00" * 31}
        many = "".join(f"_xmpp-server._tcp.many IN SRV 10 0 {4000 + n} xmpp\n" for n in range(MANY))
        unbound = Unbound(
            folder / "unbound",
            {"signed.test": SIGNED.format(**words)},
            {"unsigned.test": UNSIGNED.format(**words) + many},
            FORGED,
        )
        unbound.start()
        command = [sys.executable, "-m", lookup.__name__, str(unbound.port), *DOMAINS]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT)
        unbound.close()
        assert run.returncode == 0, run.stderr
        yield Found(port, json.loads(run.stdout))


def test_signed_records_are_believed(found: Found):
    """The nameserver vouches for the server and for its certificate."""
    answer = found.of("good.signed.test")
    assert answer["targets"] == [found.target("xmpp.signed.test", True)]
    assert answer["tlsa"] == [{"usage": 3, "selector": 1, "matching": 1, "data": "qg" + "A" * 41 + "="}]


def test_unsigned_records_are_used_but_vouch_for_nothing(found: Found):
    """TLSA records without DNSSEC do not count."""
    answer = found.of("plain.unsigned.test")
    assert answer["targets"] == [found.target("xmpp.unsigned.test", False)]
    assert answer["tlsa"] == []


def test_forged_server_is_not_used(found: Found):
    """What DNSSEC refutes is no answer: not even the fall-back is tried."""
    assert found.of("forged.signed.test") == {"targets": "LookupFailed"}


def test_forged_tlsa_record_forbids_the_server(found: Found):
    """RFC 7673 §3.4: the server must not be connected to."""
    assert found.of("torn.signed.test")["tlsa"] == "LookupFailed"


def test_alias_of_the_records_is_followed(found: Found):
    """A CNAME in place of the SRV record leads on."""
    assert found.of("alias.signed.test")["targets"] == [found.target("xmpp.signed.test", True)]


def test_domain_in_other_letters_is_found(found: Found):
    """The DNS is asked for A-labels."""
    assert found.of("straße.signed.test")["targets"] == [found.target("xmpp.signed.test", True)]


def test_direct_tls_of_better_priority_comes_first(found: Found):
    """XEP-0368 §3: both kinds of records are one set."""
    targets = found.of("both.signed.test")["targets"]
    assert [(target["host"], target["direct_tls"]) for target in targets] == [
        ("direct.signed.test", True),
        ("xmpp.signed.test", False),
    ]


def test_domain_without_service_has_no_server(found: Found):
    """An SRV record with the target "." says so (RFC 2782)."""
    assert found.of("none.signed.test") == {"targets": "NoServer"}


def test_unknown_domain_has_no_server(found: Found):
    """Nothing is there under that name."""
    assert found.of("missing.signed.test") == {"targets": "NoServer"}


def test_domain_with_address_alone_is_the_server(found: Found):
    """RFC 6120 §3.2.2; that there are no SRV records is signed too."""
    assert found.of("bare.signed.test")["targets"] == [
        {"host": "bare.signed.test", "port": 5269, "direct_tls": False, "secure": True}
    ]


def test_five_hundred_servers_are_cut_to_a_few(found: Found):
    """The long answer comes over TCP; only some of the servers are tried."""
    assert len({target["port"] for target in found.of("many.unsigned.test")["targets"]}) == 16


def test_connection_is_made_over_the_address_that_answers(found: Found):
    """Nothing listens on the IPv6 address, so the connection is made over IPv4 (RFC 8305)."""
    answer = found.of("good.signed.test")
    assert answer["addresses"] == ["::1", "127.0.0.1"]
    assert answer["peer"] == HOST


def test_server_without_address_is_unreachable(found: Found):
    """The SRV record names a host that is not there."""
    assert found.of("both.signed.test")["peer"] == "Unreachable"
