"""The trial of `xmppbridge check --live`."""

from __future__ import annotations

import pytest

from bridge.errors import BridgeError
from tests.transports.sip.samples import request
from tests.transports.sip.test_network import DESK, PBX
from tests.transports.sip.wires import PEER, Reactor
from transports.sip.capabilities import PERSON
from transports.sip.config import SipConfig
from transports.sip.message import Request, respond, write
from transports.sip.probe import trunk_probes
from transports.sip.settings import NoSettings


class Trial:
    """A probe of one trunk."""

    def __init__(self, trunk=DESK) -> None:
        self.reactor = Reactor()
        config = SipConfig(
            domain="gw.example",
            listen=("udp 192.0.2.1:5060", "tls 192.0.2.1:5061"),
            certificate="cert.pem",
            key="key.pem",
            nameservers=("127.0.0.1:53",),
            trunks={"desk": trunk},
        )
        [probe] = trunk_probes(config, self.reactor)
        self.subject, self.outcome = probe.subject, []
        probe.result.addBoth(self.outcome.append)

    def asked(self) -> Request:
        [asked] = self.reactor.taken()
        assert isinstance(asked, Request)
        return asked

    def reply(self, asked: Request, status: int) -> None:
        challenge = (
            (("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'),) if status == 401 else ()
        )
        self.reactor.arrive(write(respond(asked, status, "far", challenge)))


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


def test_wrong_password_and_silence_are_told() -> None:
    """By what the server said, or that it said nothing."""
    trial = Trial()
    trial.reply(trial.asked(), 200)
    trial.reply(trial.asked(), 401)
    trial.reply(trial.asked(), 403)
    assert isinstance(trial.outcome[0].value, BridgeError) and "403" in trial.outcome[0].value.text
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
