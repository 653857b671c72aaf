"""Trunks that prove a password, in front of the whole network in memory."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.logger import capturedLogs

from bridge.calls import CallOffer
from bridge.errors import Trouble
from bridge.events import ContactId
from bridge.secret import Secret
from tests.transports.sip.calling import Gateway
from tests.transports.sip.phone import Phone
from tests.transports.sip.samples import request
from tests.transports.sip.test_network import PBX, ROMEO, STRANGER, Scene, troubles
from tests.transports.sip.wires import HOST, PEER, tokens
from transports.sip.address import user_uri
from transports.sip.agent.guard import GUESS_PAUSE, GUESSES
from transports.sip.config import TrunkConfig
from transports.sip.lines.location import parse_location
from transports.sip.lines.routes import Trunk
from transports.sip.wire.digest import Account, DigestClient
from transports.sip.wire.headers import CSeq, NameAddr
from transports.sip.wire.message import Request, Response, write
from transports.sip.wire.uri import parse_uri

BRANCH = TrunkConfig(
    server="",
    domain="branch.example",
    users=("example.org",),
    numbers=("+1*",),
    inbound_username="branch",
    inbound_password=Secret("word"),
    trusts_identity=True,
)
HERE = "203.0.113.50"


class Caller:
    """Somebody who writes messages to Romeo, and answers challenges."""

    _numbers = count(1)

    def __init__(self, scene: Scene, password: str = "word", username: str = "branch", host: str = HERE):
        self.scene, self.host = scene, host
        self.client = DigestClient((Account(username=username, password=Secret(password)),), tokens())

    def message(self, sender: str = "sip:+1777@branch.example", *fields: tuple[str, str]) -> Request:
        asked = request("MESSAGE", uri=str(user_uri(ROMEO, "gw.example")), body=b"hello")
        return replace(asked, from_=NameAddr(uri=parse_uri(sender)), fields=(*asked.fields, *fields))

    def send(self, asked: Request) -> Response:
        """Send it, and return what comes back in a moment."""
        number = next(self._numbers)
        via = replace(asked.via[0] if asked.via else request().via[0], params={"branch": f"z9hG4bK{number}"})
        asked = replace(asked, via=(via,), from_=asked.from_.with_tag(f"f{number}"))
        self.scene.reactor.arrive(write(asked), self.host)
        self.scene.reactor.advance(0.5)
        [answer] = [one for one in self.scene.reactor.taken() if isinstance(one, Response)]
        return answer

    def proof(self, asked: Request | None = None) -> Request:
        """Return a request with credentials, for which a challenge is asked first."""
        asked = asked or self.message()
        again = self.client.retry(asked, self.send(asked))
        assert again is not None
        return again

    def status(self, asked: Request) -> int:
        return self.send(asked).status


def opened(**config: object) -> Scene:
    return Scene({"branch": BRANCH, "pbx": PBX}, requests_per_second=1e6, request_burst=10_000, **config).up()


@pytest.mark.spec("RFC 3261 §22.2")
def test_trunk_from_anywhere_is_known_by_its_password() -> None:
    """As a trunk: its numbers are numbers, and whom it asserts is believed, from then on only."""
    scene = opened()
    caller = Caller(scene)
    asserted = ("P-Asserted-Identity", "<sip:+1888@branch.example>")
    asked = caller.message("sip:anybody@branch.example", asserted)
    challenged = caller.send(asked)
    assert challenged.status == 401 and len(challenged.values("WWW-Authenticate")) > 2
    assert scene.bridge.taken() == []
    again = caller.client.retry(asked, challenged)
    assert again is not None and caller.status(again) == 202
    [(user, told)] = scene.bridge.taken()
    assert (user, told.contact) == (ROMEO, "+1888")


@pytest.mark.parametrize("federation", [False, True])
def test_who_knows_no_password_is_not_heard(federation: bool) -> None:
    """In the trunk's name; where anybody is heard, others are asked for none."""
    scene = opened(federation=federation)
    caller = Caller(scene, "wrong")
    assert caller.status(caller.proof()) == 401
    assert Caller(scene, username="pbx").status(Caller(scene, username="pbx").proof()) == 401
    stranger = caller.message(f"sip:eve@{HERE}")
    assert caller.status(stranger) == (202 if federation else 401)
    assert len(scene.bridge.taken()) == federation


@pytest.mark.parametrize("method", ["MESSAGE", "OPTIONS", "SUBSCRIBE"])
def test_all_that_begins_something_is_asked_for_a_password(method: str) -> None:
    """Whatever it is; what belongs to something is known by its tags."""
    scene = opened()
    caller = Caller(scene)
    asked = replace(caller.message(), cseq=CSeq(number=1, method=method), body=b"")
    assert caller.status(asked) == 401


def test_call_is_asked_for_a_password_before_anybody_is_rung() -> None:
    """Then it is put to the user."""
    login = {"server": "", "inbound_username": "b", "inbound_password": Secret("word")}
    gateway = Gateway("a", "b", login, {"allowed_peers": ("203.0.113.0/24",)})
    phone = Phone(gateway.reactor, HERE)
    phone.invite("sip:romeo%40a.example@a.gw")
    challenged = phone.take(401)
    phone.acknowledge_failure()
    assert gateway.told() == [] and gateway.is_forgotten
    again = DigestClient((Account("b", Secret("word")),), tokens()).retry(phone.last, challenged)
    assert again is not None
    gateway.reactor.arrive(write(phone._via(again)), HERE)
    [offer] = gateway.told()
    assert isinstance(offer, CallOffer) and offer.contact == "juliet@b.gw"


WORDS = st.sampled_from(
    ["Digest ", "username=", "realm=", '"gw.example"', ",", "nc=", "nonce=", "qop=auth", '"']
)


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]))).map("".join))
def test_credentials_that_make_no_sense_are_refused(text: str) -> None:
    """Whatever they are, and nobody is asked to serve them."""
    scene = opened()
    caller = Caller(scene)
    asked = caller.message("sip:+1777@branch.example", ("Authorization", text))
    assert caller.status(asked) in (400, 401, 403)
    assert scene.bridge.taken() == []


def test_trunk_with_a_known_address_is_asked_for_nothing() -> None:
    """Whoever else logs in."""
    scene = opened()
    scene.hear("hello")
    scene.reactor.advance(0.5)
    assert scene.answers() == [202]


def test_address_of_a_trunk_that_logs_in_proves_nothing() -> None:
    """It is where it is called, and asked for the password like anybody."""
    scene = Scene({"branch": replace(BRANCH, server=f"sip:{PEER}")}, federation=True).up()
    caller = Caller(scene, host=PEER)
    assert caller.status(caller.message(f"sip:eve@{PEER}")) == 401
    assert caller.status(caller.proof()) == 202
    scene.say("hello", ContactId("+1777"))
    assert [str(one.uri) for one in scene.asked()] == ["sip:+1777@branch.example;user=phone"]


def test_trunk_that_only_calls_cannot_be_called() -> None:
    """Whoever tries is told so."""
    scene = opened()
    scene.say("hello", ContactId("+1777"))
    assert scene.asked() == [] and troubles(scene) == [Trouble.UNREACHABLE]


def test_account_of_a_user_at_the_same_address_is_in_nobodys_way() -> None:
    """He says himself where it is: nobody who logs in from there is shut out by it."""
    scene = opened()
    account = Trunk(
        name="account",
        config=TrunkConfig(server=f"sip:{HERE}", username="7", owner=ROMEO),
        server=parse_location(f"sip:{HERE}"),
        domain=HERE,
        contact="secretword",
    )
    scene.network._routes.adopt(ROMEO, account)
    scene.network._guard.trust("account", frozenset({HERE}), is_limited=True)
    caller = Caller(scene)
    assert caller.status(caller.proof()) == 202
    to_account = replace(caller.message(f"sip:bob@{HERE}"), uri=parse_uri(f"sip:secretword@{HOST}"))
    assert caller.status(to_account) == 202


@pytest.mark.spec("RFC 7616 §5.7")
def test_credentials_are_of_no_use_to_who_hears_them() -> None:
    """Sent again, from elsewhere, for somebody else, for another method, or for another realm."""
    scene = opened()
    caller = Caller(scene)
    proof = caller.proof()
    assert caller.status(proof) == 202
    replayed = caller.send(proof)
    assert replayed.status == 401 and "stale=true" in (replayed.get("WWW-Authenticate") or "")
    fresh = caller.client.authorize(caller.message())
    elsewhere = Caller(scene, host=STRANGER).send(fresh)
    assert elsewhere.status == 401 and "stale" not in (elsewhere.get("WWW-Authenticate") or "")
    assert caller.status(replace(fresh, uri=user_uri("juliet@example.org", "gw.example"))) == 400  # type: ignore[arg-type]
    as_options = replace(fresh, cseq=replace(fresh.cseq, method="OPTIONS"), body=b"")
    assert caller.status(as_options) == 401
    authorization = fresh.get("Authorization") or ""
    elsewhere_realm = authorization.replace('realm="gw.example"', 'realm="else.example"')
    assert caller.status(replace(fresh, fields=(("Authorization", elsewhere_realm),))) == 401
    assert len(scene.bridge.taken()) == 1
    assert caller.status(fresh) == 202, "and whom they belong to may use them"


def test_guesses_are_bounded_and_logged_once() -> None:
    """After so many wrong passwords even the right one is not looked at for a while."""
    scene = opened()
    guesser = Caller(scene, "wrong")
    proof = guesser.proof()
    with capturedLogs() as logs:
        statuses = [guesser.status(proof) for _ in range(GUESSES + 5)]
    assert statuses == [401] * GUESSES + [403] * 5
    assert len([one for one in logs if "wrong passwords" in (one.get("log_format") or "")]) == 1
    owner = Caller(scene)
    right = owner.proof()
    assert owner.status(right) == 403
    other = Caller(scene, host=STRANGER)
    assert other.status(other.proof()) == 202
    scene.reactor.advance(GUESS_PAUSE + 1)
    assert owner.status(right) == 202


def test_who_has_logged_in_may_send_as_much_as_trunks() -> None:
    """The rate of strangers is not his."""
    scene = Scene({"branch": BRANCH}, request_burst=5, requests_per_second=0.01).up()
    caller = Caller(scene)
    proof = caller.proof()
    assert caller.status(proof) == 202
    assert [caller.status(caller.client.authorize(caller.message())) for _ in range(10)] == [202] * 10


def test_passwords_change_while_it_runs() -> None:
    """As all trunks do, by SIGHUP."""
    scene = opened()
    caller = Caller(scene)
    changed = replace(BRANCH, inbound_password=Secret("new"))
    scene.network.reload(replace(scene.config, trunks={"branch": changed}))
    assert caller.status(caller.proof()) == 401
    renewed = Caller(scene, "new")
    assert renewed.status(renewed.proof()) == 202


def test_trunk_may_want_the_better_algorithm_only() -> None:
    """Who claims to be it is offered no other, and one that he takes of another challenge is refused."""
    scene = Scene({"branch": replace(BRANCH, inbound_algorithms=("SHA-256",))}).up()
    caller = Caller(scene)
    [offered] = [value for name, value in caller.send(caller.message()).fields if name == "WWW-Authenticate"]
    assert "SHA-256" in offered
    other = caller.send(caller.message(f"sip:eve@{HERE}"))
    weaker = replace(other, fields=tuple(one for one in other.fields if "MD5" in one[1]))
    proof = caller.client.retry(caller.message(), weaker)
    assert proof is not None and caller.status(proof) == 401
    assert Caller(scene).status(Caller(scene).proof()) == 202
