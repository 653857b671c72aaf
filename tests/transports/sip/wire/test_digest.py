"""Passwords, proved and checked."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.secret import Secret
from tests.transports.sip.samples import request
from tests.transports.sip.wires import PEER
from transports.sip.wire import digest
from transports.sip.wire.digest import (
    MAX_REALMS,
    MAX_RETRIES,
    NONCE_LIFE,
    Account,
    Authenticated,
    Challenged,
    DigestClient,
    DigestServer,
    Improper,
    Proof,
    response_of,
    write_auth,
)
from transports.sip.wire.headers import parse_auth
from transports.sip.wire.message import Request, respond

NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
EXAMPLE = Proof(
    algorithm="MD5",
    username="Mufasa",
    realm="http-auth@example.org",
    nonce=NONCE,
    uri="/dir/index.html",
    method="GET",
    qop="auth",
    cnonce=CNONCE,
    nc="00000001",
)


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def words():
    numbers = count()
    return lambda: f"w{next(numbers)}"


def server(clock: Clock | None = None, realm: str = "gw") -> DigestServer:
    passwords = {"ann": "right horse", "böb": "päss:word"}
    return DigestServer(realm, passwords.get, b"secret", clock or Clock(), words())


def client(username: str = "ann", password: str = "right horse", realm: str = "") -> DigestClient:
    return DigestClient((Account(username=username, password=Secret(password), realm=realm),), words())


def asked(serving: DigestServer, stale: bool = False, **options: object):
    return respond(request(), 401, "b2", fields=serving.challenge(PEER, stale=stale, **options))


def proved(asking: DigestClient, serving: DigestServer, first: Request | None = None) -> Request:
    again = asking.retry(first or request(), asked(serving))
    assert again is not None
    return again


def params_of(proof: Request, field: str = "Authorization") -> dict[str, str]:
    return dict(parse_auth(proof.get(field) or "").params)


def changed(proof: Request, **params: str) -> Request:
    """The request with other credentials; an empty one is left out."""
    kept = {name: value for name, value in (params_of(proof) | params).items() if value or name == "response"}
    return replace(proof, fields=(("Authorization", write_auth(kept)),))


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
@pytest.mark.spec("RFC 7616 §3.9.1")
def test_the_rfcs_examples_come_out(algorithm, expected):
    """Bit for bit."""
    assert response_of(replace(EXAMPLE, algorithm=algorithm), "Circle of Life") == expected


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256", "MD5-sess", "SHA-256-sess"])
def test_each_part_of_a_proof_counts(algorithm):
    """Nothing can be changed on the way; the body only with auth-int."""
    proof = replace(EXAMPLE, algorithm=algorithm)
    changes = [
        {"username": "x"},
        {"realm": "x"},
        {"nonce": "x"},
        {"uri": "x"},
        {"method": "x"},
        {"cnonce": "x"},
        {"nc": "x"},
        {"qop": "auth-int"},
        {"qop": ""},
    ]
    found = {response_of(replace(proof, **change), "Circle of Life") for change in [{}, *changes]}
    assert len(found) == len(changes) + 1
    assert response_of(replace(proof, body=b"x"), "Circle of Life") in found
    whole = replace(proof, qop="auth-int")
    assert response_of(replace(whole, body=b"x"), "Circle of Life") not in found


@pytest.mark.spec("RFC 8760 §2.3")
def test_a_challenge_offers_the_best_first():
    """SHA-256 before MD5, with qop, and a nonce that nobody can guess."""
    values = [value for _, value in server().challenge(PEER, stale=True, field="Proxy-Authenticate")]
    assert [parse_auth(value).params["algorithm"] for value in values] == ["SHA-256", "MD5"]
    assert 'qop="auth", stale=true, algorithm=SHA-256' in values[0]
    assert server().challenge(PEER) == server().challenge(PEER)
    assert server().challenge(PEER) != server(realm="other").challenge(PEER)
    assert server().challenge(PEER) != server().challenge("192.0.2.9")


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["ann", "böb"]), st.binary(max_size=20))
def test_who_knows_the_password_gets_in(username, body):
    """Again and again, with one nonce."""
    password = {"ann": "right horse", "böb": "päss:word"}[username]
    asking, serving = client(username, password), server()
    first = request(body=body)
    again = proved(asking, serving, first)
    assert (again.cseq.number, again.via, again.body) == (2, (), body)
    assert serving.verify(again, PEER) == Authenticated(username)
    assert serving.verify(asking.authorize(request("INVITE")), PEER) == Authenticated(username)
    assert params_of(asking.authorize(first))["nc"] == "00000003"


def test_who_does_not_gets_a_challenge():
    """Nobody learns whether there is such a user."""
    serving = server()
    guess = Challenged(is_guess=True)
    assert serving.verify(proved(client(password="wrong"), serving), PEER) == guess
    assert serving.verify(proved(client(username="nobody"), serving), PEER) == guess
    assert serving.verify(request(), PEER) == Challenged()
    assert serving.verify(proved(client(), server(realm="other")), PEER) == Challenged()


def test_credentials_are_no_use_twice():
    """Nor are older ones, in any order (RFC 7616 §3.4, nc)."""
    asking, serving = client(), server()
    one = proved(asking, serving)
    two, three = asking.authorize(request()), asking.authorize(request())
    assert serving.verify(three, PEER) == Authenticated("ann")
    assert [serving.verify(proof, PEER) for proof in (one, two, three)] == [Challenged(stale=True)] * 3
    assert serving.verify(asking.authorize(request()), PEER) == Authenticated("ann")


def test_nonce_is_of_use_to_whom_it_was_sent():
    """Who has listened cannot use it from elsewhere, nor is he told of the password."""
    asking, serving = client(), server()
    proof = proved(asking, serving)
    assert serving.verify(proof, "192.0.2.9") == Challenged()
    assert serving.verify(proof, PEER) == Authenticated("ann")


def test_credentials_for_others_are_none():
    """Those of a proxy's realm are for the proxy."""
    serving = server()
    proof = proved(client(), serving)
    assert serving.has_credentials(proof) and not server(realm="other").has_credentials(proof)
    assert not serving.has_credentials(request())


def test_credentials_are_for_one_request_only():
    """Another method, body, user or nonce is refused."""
    asking, serving = client(), server()
    proof = proved(asking, serving)
    other = replace(proof, cseq=replace(proof.cseq, method="BYE"))
    assert serving.verify(other, PEER) == Challenged(is_guess=True)
    assert serving.verify(replace(proof, uri=request(uri="sip:other@bob.example").uri), PEER) == Improper()
    assert serving.verify(
        replace(proof, uri=request(uri="sip:bob@bob.example:5080;x").uri), PEER
    ) == Authenticated("ann")
    forged = changed(asking.authorize(request()), nonce="6b49d200-w1-" + "0" * 32)
    assert serving.verify(forged, PEER) == Challenged()


def test_a_body_is_protected_where_that_was_asked():
    """With auth-int a changed body is refused."""
    asking, serving = client(), server()
    only = asked(serving).fields[0][1].replace('qop="auth"', 'qop="auth-int"')
    proof = asking.retry(request(body=b"x"), respond(request(), 401, fields=(("WWW-Authenticate", only),)))
    assert params_of(proof)["qop"] == "auth-int"
    assert serving.verify(replace(proof, body=b"y"), PEER) == Challenged(is_guess=True)
    assert serving.verify(proof, PEER) == Authenticated("ann")


def test_a_nonce_grows_old():
    """The client is told that its password was right."""
    clock = Clock()
    asking, serving = client(), server(clock)
    first = proved(asking, serving)
    assert serving.verify(first, PEER) == Authenticated("ann")
    clock.now += NONCE_LIFE - 1
    assert serving.verify(asking.authorize(request()), PEER) == Authenticated("ann")
    clock.now += 1
    late = asking.authorize(request())
    assert serving.verify(late, PEER) == Challenged(stale=True)
    fresh = asking.retry(late, asked(serving, stale=True))
    assert serving.verify(fresh, PEER) == Authenticated("ann")
    assert serving.verify(first, PEER) == Challenged(stale=True)


def test_counts_that_are_dropped_make_their_nonces_stale(monkeypatch):
    """Memory is bounded, and nothing can be replayed for it."""
    monkeypatch.setattr(digest, "MAX_NONCES", 3)
    clock = Clock()
    serving = server(clock)
    proofs = []
    for _ in range(6):
        proof = proved(client(), serving)
        assert serving.verify(proof, PEER) == Authenticated("ann")
        proofs.append(proof)
        clock.now += 2
    assert len(serving._used) == 3
    assert {serving.verify(proof, PEER) for proof in proofs} == {Challenged(stale=True)}


def test_old_clients_use_a_nonce_once():
    """Those that know no qop (RFC 2069)."""
    serving = server()
    bare = asked(serving).fields[1][1].replace('qop="auth", ', "").replace(", algorithm=MD5", "")
    asking = client()
    proof = asking.retry(request(), respond(request(), 401, fields=(("WWW-Authenticate", bare),)))
    assert not {"qop", "nc", "cnonce", "algorithm"} & params_of(proof).keys()
    assert serving.verify(proof, PEER) == Authenticated("ann", "MD5")
    assert serving.verify(proof, PEER) == Challenged(stale=True)


@pytest.mark.parametrize(
    ("params", "verdict"),
    [
        ({"algorithm": "SHA-1"}, Improper()),
        ({"algorithm": "SHA-256-sess"}, Improper()),
        ({"username": ""}, Improper()),
        ({"uri": "nonsense"}, Improper()),
        ({"qop": "auth-conf"}, Improper()),
        ({"nc": "0000000g"}, Improper()),
        ({"nc": "00000000"}, Improper()),
        ({"nc": "1"}, Improper()),
        ({"cnonce": ""}, Improper()),
        ({"response": ""}, Challenged()),
        ({"response": "é"}, Challenged(is_guess=True)),
        ({"realm": "other"}, Challenged()),
    ],
)
@pytest.mark.spec("RFC 7616 §3.4")
def test_improper_credentials_are_told_from_wrong_ones(params, verdict):
    """The former get 400, the latter a challenge."""
    serving = server()
    assert serving.verify(changed(proved(client(), serving), **params), PEER) == verdict


def test_other_schemes_are_not_looked_at():
    """Basic is never accepted (RFC 8760 §2.6), nor is what cannot be read."""
    serving = server()
    assert serving.verify(request(fields=(("Authorization", "Basic dTpw"),)), PEER) == Improper()
    assert serving.verify(request(fields=(("Authorization", 'Basic realm="gw"'),)), PEER) == Challenged()
    assert serving.verify(request(fields=(("Authorization", 'Digest realm="gw'),)), PEER) == Improper()


@pytest.mark.spec("RFC 8760 §2.4")
def test_a_client_takes_the_first_challenge_it_can_answer():
    """Whatever it does not know is passed over, of proxies and servers alike."""
    fields = (
        ("WWW-Authenticate", 'Basic realm="gw"'),
        ("WWW-Authenticate", 'Digest realm="gw'),
        ("WWW-Authenticate", 'Digest realm="gw", nonce="n0", algorithm=SHA-3'),
        ("WWW-Authenticate", 'Digest realm="gw", nonce="n0", qop="auth-conf"'),
        ("WWW-Authenticate", 'Digest realm="gw", nonce="n1", algorithm=sha-256, qop="auth", opaque="o"'),
        ("WWW-Authenticate", 'Digest realm="gw", nonce="n2"'),
        ("Proxy-Authenticate", 'Digest realm="edge", nonce="n3", qop="auth"'),
    )
    proof = client().retry(request(), respond(request(), 401, fields=fields))
    assert params_of(proof)["nonce"] == "n1"
    assert (params_of(proof)["opaque"], params_of(proof)["algorithm"]) == ("o", "SHA-256")
    assert params_of(proof, "Proxy-Authorization")["nonce"] == "n3"
    assert client().retry(request(), respond(request(), 401, fields=fields[:4])) is None


def test_a_client_gives_up_with_a_wrong_password():
    """A fresh nonce that is refused is no reason to try again; a used one may just be old."""
    asking, serving = client(password="wrong"), server()
    assert asking.retry(proved(asking, serving), asked(serving)) is None
    patient = client()
    proved(patient, serving)
    used = patient.authorize(request())
    assert patient.retry(used, asked(serving)) is not None


def test_a_client_gives_up_with_a_server_that_never_has_enough():
    """Some call every nonce stale; but who was let in is patient again."""
    asking, serving = client(), server()
    proof = proved(asking, serving)
    for _ in range(MAX_RETRIES):
        proof = asking.retry(proof, asked(serving, stale=True))
    assert asking.retry(proof, asked(serving, stale=True)) is None
    asking.accepted()
    assert asking.retry(proof, asked(serving, stale=True)) is not None


def test_a_client_answers_only_where_it_has_an_account():
    """The password of one realm is not shown to another."""
    assert client(realm="other").retry(request(), asked(server())) is None
    assert client(realm="gw").retry(request(), asked(server())) is not None


def test_a_client_remembers_few_realms():
    """A server cannot fill its memory."""
    asking = client()
    for number in range(MAX_REALMS + 5):
        asking.retry(request(), asked(server(realm=f"r{number}")))
    assert len(asking.authorize(request()).fields) == MAX_REALMS
