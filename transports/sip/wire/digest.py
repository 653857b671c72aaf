"""Digest authentication, both ends (RFC 3261 §22, RFC 7616, RFC 8760).

The server keeps nothing of a challenge: a nonce proves by itself that it is ours, when it was made,
and for whom. What it keeps is the count of each nonce that was used with a right password, so that no
credentials can be sent twice.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from hashlib import md5, new, sha256
from string import hexdigits
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from bridge.secret import Secret
from transports.sip.wire.headers import AuthParams, CSeq, parse_auth, quote_string
from transports.sip.wire.message import Fields, Request, Response
from transports.sip.wire.uri import Malformed, parse_uri

NONCE_LIFE = 300
"""Seconds for which a nonce may be used."""
MAX_NONCES = 10_000
"""Nonces whose counts are kept; if there are more, the oldest become stale before their time."""
MAX_REALMS = 8
"""Realms that a client answers to at a time."""
MAX_RETRIES = 3
"""Challenges in a row that a client answers."""

CHALLENGES = {"WWW-Authenticate": "Authorization", "Proxy-Authenticate": "Proxy-Authorization"}
"""Fields of challenges, and of what answers them (RFC 3261 §22.2, §22.3)."""
_UNQUOTED = frozenset({"algorithm", "qop", "nc", "stale"})
_NEEDED = ("username", "realm", "nonce", "uri", "response")


class _Hash(Protocol):
    def hexdigest(self) -> str: ...


ALGORITHMS: dict[str, Callable[[bytes], _Hash]] = {
    "SHA-256": sha256,
    "SHA-512-256": lambda data: new("sha512_256", data),
    "MD5": lambda data: md5(data, usedforsecurity=False),
}
"""Hash functions, the best first (RFC 7616 §6.1)."""
OFFERED = ("SHA-256", "MD5")
"""What a server offers, in this order (RFC 8760 §2.3)."""


class Account(Struct, frozen=True):
    """Who we are at a server; `realm` "" is any."""

    username: str
    password: Secret
    realm: str = ""


class Proof(Struct, frozen=True):
    """All that a response is made of (RFC 7616 §3.4); no `qop` is that of RFC 2069."""

    algorithm: str
    username: str
    realm: str
    nonce: str
    uri: str
    method: str
    body: bytes = b""
    qop: str = ""
    cnonce: str = ""
    nc: str = ""


def response_of(proof: Proof, password: str) -> str:
    """Return the hex digits that prove that one knows the password. Raises KeyError for no such algorithm."""
    function = ALGORITHMS[proof.algorithm.removesuffix("-sess")]

    def digest(*parts: str) -> str:
        return function(":".join(parts).encode("utf-8", "surrogateescape")).hexdigest()

    a1 = digest(proof.username, proof.realm, password)
    if proof.algorithm.endswith("-sess"):
        a1 = digest(a1, proof.nonce, proof.cnonce)
    a2 = [proof.method, proof.uri]
    if proof.qop == "auth-int":
        a2.append(function(proof.body).hexdigest())
    used = (proof.nc, proof.cnonce, proof.qop) if proof.qop else ()
    return digest(a1, proof.nonce, *used, digest(*a2))


class _Space:
    """A realm that challenged us: its last challenge, and how often its nonce was used."""

    __slots__ = ("challenge", "count", "retries")

    def __init__(self, challenge: AuthParams) -> None:
        self.challenge = challenge
        self.count = 0
        self.retries = 0


class DigestClient:
    """Answers challenges, and puts credentials on requests before they are asked for again."""

    def __init__(self, accounts: tuple[Account, ...], token: Callable[[], str]) -> None:
        self._accounts = accounts
        self._token = token
        self._spaces: dict[tuple[str, str], _Space] = {}

    def retry(self, request: Request, response: Response) -> Request | None:
        """Return the request with credentials, a new number and no Via, or None if there is no use.

        There is none where no account fits, where a fresh nonce was refused and not for being
        stale (the password is wrong), and after `MAX_RETRIES` challenges in a row.
        """
        answered = False
        for field, answer in CHALLENGES.items():
            seen = set()
            for challenge in _challenges(response, field):
                realm = challenge.params["realm"]
                if realm not in seen and self._account(realm) is not None:
                    seen.add(realm)
                    if not self._take(answer, realm, challenge, request):
                        return None
                    answered = True
        if not answered:
            return None
        again = replace(request, cseq=CSeq(number=request.cseq.number + 1, method=request.method), via=())
        return self.authorize(again)

    def authorize(self, request: Request) -> Request:
        """Put on the credentials that the realms which challenged before will want."""
        fields = [field for field in request.fields if field[0] not in CHALLENGES.values()]
        for (answer, realm), space in self._spaces.items():
            account = self._account(realm)
            if account is not None:
                fields.append((answer, self._credentials(space, account, request)))
        return replace(request, fields=tuple(fields))

    def accepted(self) -> None:
        """Note that a request with credentials got through."""
        for space in self._spaces.values():
            space.retries = 0

    def _account(self, realm: str) -> Account | None:
        exact = [account for account in self._accounts if account.realm == realm]
        return next(iter(exact or [account for account in self._accounts if not account.realm]), None)

    def _take(self, answer: str, realm: str, challenge: AuthParams, request: Request) -> bool:
        space = self._spaces.get((answer, realm))
        if space is None:
            if len(self._spaces) >= MAX_REALMS:
                del self._spaces[next(iter(self._spaces))]
            self._spaces[answer, realm] = _Space(challenge)
            return True
        was_sent = any(name == answer for name, _ in request.fields)
        is_stale = challenge.params.get("stale", "").lower() == "true"
        if was_sent and space.count <= 1 and not is_stale:
            del self._spaces[answer, realm]
            return False
        space.retries += 1
        if space.retries > MAX_RETRIES:
            return False
        space.challenge, space.count = challenge, 0
        return True

    def _credentials(self, space: _Space, account: Account, request: Request) -> str:
        params = space.challenge.params
        qops = [qop.strip().lower() for qop in params.get("qop", "").split(",") if qop.strip()]
        space.count += 1
        proof = Proof(
            algorithm=_algorithm(params.get("algorithm", "MD5")) or "MD5",
            username=account.username,
            realm=params["realm"],
            nonce=params["nonce"],
            uri=str(request.uri),
            method=request.method,
            body=request.body,
            qop="" if not qops else "auth" if "auth" in qops else "auth-int",
            cnonce=self._token() if qops else "",
            nc=f"{space.count:08x}" if qops else "",
        )
        written = {
            "username": proof.username,
            "realm": proof.realm,
            "nonce": proof.nonce,
            "uri": proof.uri,
            "response": response_of(proof, account.password.reveal()),
            "algorithm": proof.algorithm if "algorithm" in params else "",
            "opaque": params.get("opaque", ""),
            "qop": proof.qop,
            "cnonce": proof.cnonce,
            "nc": proof.nc,
        }
        return write_auth({name: value for name, value in written.items() if value})


class Authenticated(Struct, frozen=True):
    """The request is that user's, who proved it by this algorithm."""

    username: str
    algorithm: str = OFFERED[0]


class Challenged(Struct, frozen=True):
    """The request gets a challenge; if `stale`, the password was right and may be used with the new nonce.

    `is_guess` tells that it had a password, which was wrong, and a nonce that its sender had of us.
    """

    stale: bool = False
    is_guess: bool = False


class Improper(Struct, frozen=True):
    """The credentials make no sense; the request gets 400 (RFC 7616 §3.4)."""


class DigestServer:
    """Asks for passwords and checks them; `password` returns a user's, or None if there is no such user.

    A `source` is an address: a nonce is of use only from the one that it was sent to.
    """

    def __init__(
        self,
        realm: str,
        password: Callable[[str], str | None],
        secret: bytes,
        clock: Callable[[], float],
        token: Callable[[], str],
    ) -> None:
        self._realm = realm
        self._password = password
        self._secret = secret
        self._clock = clock
        self._token = token
        self._used: dict[str, tuple[int, int]] = {}
        self._valid_from = 0

    def challenge(
        self,
        source: str,
        stale: bool = False,
        field: str = "WWW-Authenticate",
        algorithms: Sequence[str] = OFFERED,
    ) -> Fields:
        """Make the fields of a 401, or 407, one for each algorithm.

        COMPAT libre 1 (baresip) sends a list of qops back as it is, so there is one only.
        """
        issued = f"{int(self._clock()):x}-{self._token()}"
        params = {"realm": self._realm, "nonce": f"{issued}-{self._mark(issued, source)}", "qop": "auth"}
        if stale:
            params["stale"] = "true"
        return tuple(
            (field, write_auth({**params, "algorithm": name}, quoted=("qop",))) for name in algorithms
        )

    def has_credentials(self, request: Request, field: str = "Authorization") -> bool:
        """Tell whether a request has credentials for us, or some that nobody can read."""
        return not isinstance(self._credentials(request, field), Challenged)

    def verify(
        self, request: Request, source: str, field: str = "Authorization"
    ) -> Authenticated | Challenged | Improper:
        """Check the credentials of a request. The time this takes says nothing of users or passwords."""
        found = self._credentials(request, field)
        return self._check(request, source, found) if isinstance(found, AuthParams) else found

    def _credentials(self, request: Request, field: str) -> AuthParams | Challenged | Improper:
        for name, value in request.fields:
            if name == field:
                try:
                    auth = parse_auth(value)
                except Malformed:
                    return Improper()
                if auth.scheme == "digest" and auth.params.get("realm") == self._realm:
                    return auth
        return Challenged()

    def _check(
        self, request: Request, source: str, auth: AuthParams
    ) -> Authenticated | Challenged | Improper:
        params = auth.params
        algorithm = _algorithm(params.get("algorithm", "MD5"))
        qop, nc = params.get("qop", "").lower(), params.get("nc", "")
        is_counted = len(nc) == 8 and all(digit in hexdigits for digit in nc) and int(nc, 16) > 0
        if any(name not in params for name in _NEEDED) or algorithm not in OFFERED:
            return Improper()
        if not (params["nonce"] and params["response"]):
            return Challenged()
        if qop not in ("", "auth", "auth-int") or (qop and not (is_counted and params.get("cnonce"))):
            return Improper()
        if not _is_for(params["uri"], request):
            return Improper()
        proof = Proof(
            algorithm=algorithm,
            username=params["username"],
            realm=self._realm,
            nonce=params["nonce"],
            uri=params["uri"],
            method=request.method,
            body=request.body,
            qop=qop,
            cnonce=params.get("cnonce", ""),
            nc=nc,
        )
        password = self._password(proof.username)
        expected = response_of(proof, self._token() if password is None else password)
        is_right = hmac.compare_digest(
            expected.encode(), params["response"].lower().encode("utf-8", "replace")
        )
        issued = self._issued(proof.nonce, source)
        if password is None or not is_right or issued is None:
            return Challenged(is_guess=issued is not None)
        return (
            Authenticated(proof.username, algorithm)
            if self._is_fresh(proof.nonce, issued, int(nc, 16) if qop else 0)
            else Challenged(stale=True)
        )

    def _mark(self, issued: str, source: str) -> str:
        said = f"{self._realm}\0{source}\0{issued}".encode("utf-8", "surrogateescape")
        return hmac.new(self._secret, said, sha256).hexdigest()[:32]

    def _issued(self, nonce: str, source: str) -> int | None:
        """Return when a nonce was made, in seconds; None if it is not ours, or another's."""
        issued, _, mark = nonce.rpartition("-")
        if not hmac.compare_digest(self._mark(issued, source).encode(), mark.encode("utf-8", "replace")):
            return None
        return int(issued.partition("-")[0], 16)

    def _is_fresh(self, nonce: str, issued: int, count: int) -> bool:
        """Tell whether a nonce is young and used with a greater count than ever; without count, once."""
        now = self._clock()
        while self._used:
            old, (made, _) = next(iter(self._used.items()))
            if made > now - NONCE_LIFE and len(self._used) < MAX_NONCES:
                break
            del self._used[old]
            self._valid_from = max(self._valid_from, made + 1)
        _, last = self._used.get(nonce, (0, -1))
        if not max(now - NONCE_LIFE, self._valid_from - 1) < issued or count <= last:
            return False
        self._used[nonce] = issued, count if count else 2**32
        return True


def write_auth(params: dict[str, str], quoted: tuple[str, ...] = ()) -> str:
    """Write a challenge or credentials; what the RFC wants without quotes has none (RFC 7616 §3.3, §3.4)."""
    written = [
        f"{name}={value if name in _UNQUOTED and name not in quoted else quote_string(value)}"
        for name, value in params.items()
    ]
    return "Digest " + ", ".join(written)


def _challenges(response: Response, field: str) -> list[AuthParams]:
    """Return the challenges that we can answer, in their order (RFC 8760 §2.4)."""
    found = []
    for name, value in response.fields:
        if name == field:
            try:
                challenge = parse_auth(value)
            except Malformed:
                continue
            params = challenge.params
            qops = {qop.strip().lower() for qop in params.get("qop", "auth").split(",")}
            is_known = _algorithm(params.get("algorithm", "MD5")) and qops & {"auth", "auth-int"}
            if challenge.scheme == "digest" and is_known and "realm" in params and params.get("nonce"):
                found.append(challenge)
    return found


def _algorithm(name: str) -> str | None:
    """Return an algorithm as it is spelled, None if it is unknown."""
    base = name.upper().removesuffix("-SESS")
    if base not in ALGORITHMS:
        return None
    return base if base == name.upper() else f"{base}-sess"


def _is_for(uri: str, request: Request) -> bool:
    """A proxy may have changed the port or the parameters, not who is meant (RFC 8760 §2.6)."""
    try:
        meant = parse_uri(uri)
    except Malformed:
        return False
    return (meant.user, meant.host, meant.opaque) == (request.uri.user, request.uri.host, request.uri.opaque)
