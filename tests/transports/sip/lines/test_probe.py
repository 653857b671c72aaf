"""The trial of `xmppbridge check --live`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec.structs import replace
from twisted.python.failure import Failure

from bridge.errors import BridgeError
from tests.transports.sip.samples import request
from tests.transports.sip.test_network import DESK, PBX
from tests.transports.sip.wires import PEER, Reactor
from transports.sip.capabilities import PERSON
from transports.sip.config import SipConfig, TrunkConfig
from transports.sip.lines.probe import certificate_probes, trunk_probes
from transports.sip.settings import NoSettings
from transports.sip.wire.message import Request, respond, write


class Trial:
    """A probe of one trunk."""

    def __init__(self, trunk=DESK, listen: str = "192.0.2.1", peer: str = PEER, **more: str) -> None:
        self.peer = peer
        self.reactor = Reactor()
        config = SipConfig(
            domain="gw.example",
            listen=(f"udp {listen}:5060", f"tls {listen}:5061"),
            certificate="cert.pem",
            key="key.pem",
            nameservers=("127.0.0.1:53",),
            trunks={"desk": trunk},
            **more,
        )
        [probe] = trunk_probes(config, self.reactor)
        self.subject, self.outcome = probe.subject, []
        probe.result.addBoth(self.outcome.append)

    def asked(self) -> Request:
        [asked] = self.reactor.taken()
        assert isinstance(asked, Request)
        return asked

    def reply(self, asked: Request, status: int, **via: str) -> None:
        challenge = (
            (("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'),) if status == 401 else ()
        )
        response = respond(asked, status, "far", challenge)
        if via:
            response = replace(response, via=(response.via[0].with_params(**via),))
        self.reactor.arrive(write(response), self.peer)


def test_trunk_is_asked_without_changing_anything() -> None:
    """A free port, OPTIONS, and a REGISTER without Contact; then all is closed."""
    trial = Trial()
    assert trial.subject == f"trunk desk (sip:{PEER})" and trial.reactor.ports[0].port == 0
    options = trial.asked()
    assert options.method == "OPTIONS"
    trial.reply(options, 200)
    register = trial.asked()
    assert register.method == "REGISTER" and register.get("Contact") is None
    trial.reply(register, 401)
    trial.reply(trial.asked(), 200)
    assert trial.outcome == ["answers OPTIONS with 200 over UDP in 0 ms, takes the password"]
    assert trial.reactor.ports[0].stopped


def test_account_by_a_proxy_is_asked_for_through_it() -> None:
    """Where it would be registered; of several proxies each is tried."""
    proxy = f"sip:{PEER};lr"
    trial = Trial(replace(DESK, server="sip:core.example", outbound_proxies=(proxy,)))
    assert trial.subject == f"trunk desk ({proxy})"
    for _ in ("OPTIONS", "REGISTER"):
        asked = trial.asked()
        assert asked.get("Route") == f"<{proxy}>" and str(asked.uri) == "sip:pbx.example"
        trial.reply(asked, 200)
    assert trial.outcome == ["answers OPTIONS with 200 over UDP in 0 ms, takes the password"]
    edges = tuple(f"sip:{PEER}:{port};transport=tcp" for port in (5070, 5080))
    config = SipConfig(domain="gw.example", trunks={"desk": replace(DESK, outbound_proxies=edges)})
    reactor = Reactor()
    probes = trunk_probes(config, reactor)
    assert [probe.subject for probe in probes] == [f"trunk desk ({edge})" for edge in edges]
    silent: list[Failure] = []
    for probe in probes:
        probe.result.addErrback(silent.append)
    reactor.pump([1.0] * 33)
    assert len(silent) == len(edges)


def test_wrong_password_and_silence_are_told() -> None:
    """By what the server said, or that it said nothing."""
    trial = Trial()
    trial.reply(trial.asked(), 200)
    trial.reply(trial.asked(), 401)
    trial.reply(trial.asked(), 403)
    assert isinstance(trial.outcome[0].value, BridgeError) and "403" in trial.outcome[0].value.text
    assert "refuses this account" in trial.outcome[0].value.text
    silent = Trial(PBX)
    silent.reactor.pump([1.0] * 33)
    assert "did not answer" in silent.outcome[0].value.text


def test_trunk_without_account_is_asked_by_options_only() -> None:
    """Any answer says that it is there; who writes to a probe is refused."""
    trial = Trial(PBX)
    asked = trial.asked()
    trial.reactor.arrive(write(request("MESSAGE", fields=(("User-Agent", "x" * 60),))))
    [refused] = trial.reactor.taken()
    assert refused.status == 480
    trial.reply(asked, 404)
    assert trial.outcome == ["answers OPTIONS with 404 over UDP in 0 ms"]


@pytest.mark.parametrize("feature", ["direct_messages", "typing", "subscriptions"])
def test_what_is_carried_is_declared(feature: str) -> None:
    """So that disco says it; there is nothing to set."""
    assert feature in PERSON.carried and not NoSettings.__struct_fields__


FAR = TrunkConfig(server="sip:8.8.8.8", users=("*",))


def test_trunk_that_cannot_come_back_is_a_mistake() -> None:
    """It is on the Internet, and is told a private address."""
    trial = Trial(FAR, listen="10.0.0.5", peer="8.8.8.8")
    trial.reply(trial.asked(), 200, received="9.9.9.9")
    assert "private address" in trial.outcome[0].value.text and "`advertised`" in trial.outcome[0].value.text


@pytest.mark.parametrize(("received", "is_doubtful"), [("9.9.9.9", False), ("9.9.9.8", True)])
def test_trunk_that_sees_us_elsewhere_makes_doubtful(received: str, is_doubtful: bool) -> None:
    """What it saw is in Via (RFC 3581 §4)."""
    trial = Trial(FAR, listen="10.0.0.5", peer="8.8.8.8", advertised="9.9.9.9")
    trial.reply(trial.asked(), 200, received=received)
    [words] = trial.outcome
    assert words.startswith("answers OPTIONS with 200") and ("sees us at 9.9.9.8" in words) is is_doubtful


def test_refusal_of_a_stranger_is_explained() -> None:
    """A PBX that knows its peers by their addresses."""
    trial = Trial(PBX)
    trial.reply(trial.asked(), 403)
    assert trial.outcome == [
        "answers OPTIONS with 403 over UDP in 0 ms: it may not know the address that we come from"
    ]


NOW = datetime(2026, 11, 28, tzinfo=UTC)


def issue(folder: Path, *names: str) -> SipConfig:
    """Write a certificate that ends in ten days, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([])
    built = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(NOW - timedelta(10)).not_valid_after(NOW + timedelta(10))
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    made = built.add_extension(alternatives, critical=True).sign(key, SHA256())
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(pem)
    return SipConfig(
        domain="sip.example.org",
        listen=("tls 0.0.0.0:5061",),
        certificate=str(folder / "cert.pem"),
        key=str(folder / "key.pem"),
    )


def judged(config: SipConfig, now: datetime = NOW) -> str:
    [probe] = certificate_probes(config, lambda: now)
    came: list[str] = []
    probe.result.addCallbacks(came.append, lambda failure: came.append(failure.value.text))
    return came[0]


def test_certificate_is_looked_at(tmp_path: Path) -> None:
    """Its names, its time, and whether it can be read at all."""
    good = issue(tmp_path, "sip.example.org", "other.example")
    assert judged(good) == "is for sip.example.org, and valid for 10 days"
    assert "has expired on 2026-12-08" in judged(good, NOW + timedelta(11))
    assert "valid for" in judged(issue(tmp_path, "*.example.org"))
    assert "is for other.example, not for sip.example.org" in judged(issue(tmp_path, "other.example"))
    (tmp_path / "cert.pem").write_text("nothing")
    assert "cannot be used" in judged(good)
    (tmp_path / "cert.pem").unlink()
    assert "cannot be used" in judged(good)
    assert certificate_probes(SipConfig(domain="sip.example.org"), lambda: NOW) == []
