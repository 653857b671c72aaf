"""Whom a connection trusts, tried with real TLS in memory."""

from __future__ import annotations

import pytest
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock

from bridge.errors import BridgeError, Trouble
from tests.transports.irc.certificates import Issued, authority_pem, issue
from tests.transports.irc.memory import Internet
from transports.irc.dialer import Attempt, Dialer, Target
from transports.irc.tls import CONTEXT_LIMIT, Contexts, Trust, reason

HOST = "irc.example.org"
SECURE = Attempt(port=6697, secure=True)
GOOD = issue(HOST)
OTHER = issue("irc.example.net")
OLD = issue(HOST, expired=True)
OWN = issue(HOST, signed=False)


class Recorder:
    """A line that notes what it is told."""

    def __init__(self) -> None:
        self.data = b""
        self.lost: list[BaseException | None] = []
        self.ends: list[object] = []

    def socket_opened(self, ends: object) -> None:
        self.ends.append(ends)

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, error: BaseException | None) -> None:
        self.lost.append(error)


class Server(Protocol):
    """Greets, and keeps what it gets."""

    made: list[Server] = []

    def __init__(self) -> None:
        self.data = b""
        Server.made.append(self)

    def connectionMade(self) -> None:
        self.transport.write(b"hello\r\n")

    def dataReceived(self, data: bytes) -> None:
        self.data += data


@pytest.fixture
def ca_file(tmp_path):
    """The file of the one authority."""
    path = tmp_path / "ca.pem"
    path.write_bytes(authority_pem())
    return str(path)


def outcome(shown: Issued, trust: Trust) -> str:
    """Connect to a server that shows a certificate; return "" or why it failed."""
    clock = Clock()
    internet = Internet(clock)
    internet.serve(HOST, 6697, Server, shown.server())
    line = Recorder()
    results: list[object] = []
    target = Target(host=HOST, attempts=(SECURE,), trust=trust)
    Dialer(clock, internet.endpoint).dial(target, SECURE, line).addBoth(results.append)
    internet.flush()
    [result] = results
    if hasattr(result, "value"):
        assert not line.data and not line.lost
        return reason(result.value)
    assert line.data == b"hello\r\n"
    result.write(b"NICK x\r\n")
    internet.flush()
    assert Server.made[-1].data == b"NICK x\r\n"
    return ""


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        (GOOD, ""),
        (OTHER, "the TLS certificate is for another host"),
        (OLD, "the TLS certificate is not trusted"),
        (OWN, "the TLS certificate is not trusted"),
    ],
)
def test_certificate_under_authorities_is_judged(shown, why, ca_file):
    """Only a current certificate of a known authority for the very host is trusted."""
    assert outcome(shown, Trust(ca_file=ca_file)) == why


def test_certificate_of_unknown_authority_is_refused_by_default():
    """Without any setting the system's authorities decide."""
    assert outcome(GOOD, Trust()) == "the TLS certificate is not trusted"


@pytest.mark.parametrize("shown", [GOOD, OTHER, OLD, OWN])
def test_certificate_with_verification_off_is_accepted(shown):
    """Who switches verification off gets a connection to anyone."""
    assert outcome(shown, Trust(verify=False)) == ""


@pytest.mark.parametrize(
    "pin", [OWN.sha256, OWN.sha1, OWN.sha256.upper(), ":".join(OWN.sha1[i : i + 2] for i in range(0, 40, 2))]
)
def test_pinned_certificate_is_accepted(pin):
    """The pinned certificate needs no authority; SHA-1 in colons is Biboumi's form."""
    assert outcome(OWN, Trust(fingerprint=pin)) == ""


@pytest.mark.parametrize("pin", [GOOD.sha256, "00", OWN.sha256[:-2]])
def test_certificate_other_than_pinned_is_refused(pin, ca_file):
    """A pin is exact, whatever an authority says."""
    why = outcome(OWN, Trust(fingerprint=pin, ca_file=ca_file))
    assert OWN.sha256 in why


def test_own_certificate_is_shown_to_the_server(ca_file):
    """A client certificate is used for SASL EXTERNAL and CertFP."""
    mine = issue("juliet.example.org")
    assert outcome(GOOD, Trust(ca_file=ca_file, certificate=mine.key + mine.certificate)) == ""


def test_unusable_certificate_is_a_login_error():
    """Rubbish in the settings is told to the user, not logged as a fault."""
    with pytest.raises(BridgeError) as caught:
        Contexts().creator(HOST, Trust(certificate="rubbish"))
    assert caught.value.trouble is Trouble.LOGIN_FAILED


def test_contexts_are_shared_and_bounded():
    """Equal trust in one host is one context; their number has an end."""
    contexts = Contexts()
    assert contexts.creator(HOST, Trust(verify=False)) is contexts.creator(HOST, Trust(verify=False))
    for number in range(CONTEXT_LIMIT + 5):
        contexts.creator(f"{number}.example.org", Trust(verify=False))
    assert len(contexts._known) == CONTEXT_LIMIT
