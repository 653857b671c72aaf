"""SASL towards IRC servers (IRCv3 sasl-3.2): the mechanisms, the choice among them, the framing.

A mechanism answers one challenge at a time and is `complete` when nothing more is owed on either
side; a server that says 903 before that has not proved itself and is not to be believed.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from scramp import ScramClient

PIECE = 400
"""Characters of base64 in one AUTHENTICATE (IRCv3 sasl-3.1)."""
MAX_CHALLENGE = 8 * PIECE
"""Characters of base64 accepted as one challenge."""
MAX_ITERATIONS = 200_000
"""SCRAM iterations accepted; a server chooses them, and they block everyone for a tenth of a second."""
ABORT = "*"

_ITERATIONS = re.compile(r"(?:^|,)i=([0-9]{1,9})(?:,|$)")


class SaslError(Exception):
    """The exchange cannot go on: send `ABORT`."""


class Credentials(Struct, frozen=True, kw_only=True):
    """What a user can prove who he is with; `certificate` tells that the TLS link presents one."""

    account: str = ""
    password: str = ""
    certificate: bool = False


class Mechanism(Protocol):
    """One exchange; `name` is the mechanism's as IANA registered it."""

    name: str

    @property
    def complete(self) -> bool:
        """True when the exchange has run to its end, and the server has proved what it can."""

    def respond(self, challenge: bytes) -> bytes:
        """Answer a challenge, the first being empty; SaslError if it is out of order or false."""


class _OneResponse:
    name = ""

    def __init__(self, response: bytes) -> None:
        self._response = response
        self.complete = False

    def respond(self, challenge: bytes) -> bytes:
        if self.complete or challenge:
            raise SaslError(f"a challenge that {self.name} does not have")
        self.complete = True
        return self._response


class Plain(_OneResponse):
    """RFC 4616: the password in clear text."""

    name = "PLAIN"

    def __init__(self, account: str, password: str) -> None:
        super().__init__("\0".join((account, account, password)).encode())


class External(_OneResponse):
    """RFC 4422 appendix A: the certificate of the TLS link; the server knows whose it is."""

    name = "EXTERNAL"

    def __init__(self) -> None:
        super().__init__(b"")


class ScramSha256:
    """RFC 5802 and RFC 7677, without channel binding; `nonce` is fresh printable ASCII, no comma."""

    name = "SCRAM-SHA-256"

    def __init__(self, account: str, password: str, nonce: str) -> None:
        self._account = account
        self._password = password
        self._nonce = nonce
        self._client: ScramClient | None = None
        self._step = 0

    @property
    def complete(self) -> bool:
        """True when the server's signature was verified."""
        return self._step == len(self._steps)

    def respond(self, challenge: bytes) -> bytes:
        """See `Mechanism`."""
        from scramp.utils import ScramException  # costs memory that most users never need

        if self.complete:
            raise SaslError("a challenge after the end")
        try:
            response = self._steps[self._step](self, challenge.decode())
        except (ScramException, ValueError) as error:
            self._client = None
            raise SaslError("the server's part of SCRAM is wrong") from error
        self._step += 1
        return response.encode()

    def _first(self, challenge: str) -> str:
        from scramp import ScramClient

        if challenge:
            raise SaslError("SCRAM begins with the client")
        self._client = ScramClient([self.name], self._account, self._password, c_nonce=self._nonce)
        return str(self._client.get_client_first())

    def _final(self, challenge: str) -> str:
        match = _ITERATIONS.search(challenge)
        if match is None or int(match[1]) > MAX_ITERATIONS:
            raise SaslError("an iteration count that is missing or far too high")
        client = self._started()
        client.set_server_first(challenge)
        return str(client.get_client_final())

    def _verified(self, challenge: str) -> str:
        self._started().set_server_final(challenge)
        self._password = ""
        return ""

    def _started(self) -> ScramClient:
        if self._client is None:
            raise SaslError("the exchange has failed before")
        return self._client

    _steps = (_first, _final, _verified)


def choose(
    offered: Iterable[str],
    credentials: Credentials,
    *,
    secure: bool,
    nonce: str,
    excluded: Collection[str] = (),
) -> Mechanism | None:
    """Choose the strongest mechanism that both sides can do, None if there is none.

    `offered` is empty when the server does not say. `excluded` have failed already. A password is
    never sent in clear over a link that is not `secure`, whatever the server offers.
    """
    allowed = {name.upper() for name in offered} or {External.name, ScramSha256.name, Plain.name}
    allowed.difference_update(excluded)
    has_password = bool(credentials.account and credentials.password) and "\0" not in (
        credentials.account + credentials.password
    )
    if External.name in allowed and credentials.certificate and secure:
        return External()
    if ScramSha256.name in allowed and has_password:
        return ScramSha256(credentials.account, credentials.password, nonce)
    if Plain.name in allowed and has_password and secure:
        return Plain(credentials.account, credentials.password)
    return None


def pieces(response: bytes) -> list[str]:
    """Return the parameters of the AUTHENTICATE lines that carry `response` (IRCv3 sasl-3.1)."""
    text = b64encode(response).decode()
    parts = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    if len(text) % PIECE == 0:
        parts.append("+")
    return parts


class Challenge:
    """Puts a server's challenge together from AUTHENTICATE lines."""

    __slots__ = ("_text",)

    def __init__(self) -> None:
        self._text = ""

    def feed(self, piece: str) -> bytes | None:
        """Take one line's parameter; None until the challenge is whole, SaslError if it is garbage."""
        self._text += "" if piece == "+" else piece
        if len(self._text) > MAX_CHALLENGE:
            raise SaslError("the challenge is too long")
        if len(piece) == PIECE:
            return None
        text, self._text = self._text, ""
        try:
            return b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise SaslError("the challenge is not base64") from error
