"""How many bytes a stranger's address gets over UDP: no more than came from it (RFC 3261 §26.1.5).

He may have forged it, and have us flood somebody else. All that one request makes us send is counted
together, with what is sent again; what its sender sends again is counted for him. Not counted is what a
user did, who took a call, and what is done in a dialog, whose other end has heard from us. Of a call that
was put to a user each response may be as long as the INVITE, and is sent until it is heard (§17.2.1).
A 401 is of no use without its challenge (§22.1), and may be longer than its request, once.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from transports.sip.agent.transactions import TransactionId
from transports.sip.wire.message import Request, Response, write


class Allowance(Struct):
    """Of one request: its bytes, and how many are left of all that came; whether a user was asked."""

    size: int
    left: int
    is_in_dialog: bool
    is_put: bool = False
    is_challenged: bool = False


class Allowances:
    """See the module's docstring."""

    def __init__(self) -> None:
        self._of: dict[TransactionId, Allowance] = {}
        self._fresh = 0

    def __len__(self) -> int:
        return len(self._of)

    def arrived(self, size: int) -> None:
        """Note that so many bytes are being read; 0 when that is done."""
        self._fresh = size

    def begin(self, transaction: TransactionId, request: Request) -> None:
        """What is being read is a request that begins a transaction."""
        self._of[transaction] = Allowance(self._fresh, self._fresh, bool(request.to.tag))
        self._fresh = 0

    def put(self, transaction: TransactionId) -> None:
        """An INVITE was put to a user."""
        if transaction in self._of:
            self._of[transaction].is_put = True

    def end(self, transaction: TransactionId) -> None:
        """Forget a transaction."""
        self._of.pop(transaction, None)

    def fit(self, response: Response, data: bytes, transaction: TransactionId | None) -> bytes | None:
        """Return what is sent of a response, which is `data` in full; None for nothing.

        What does not fit is sent without its fields, and in compact form. 100 leaves enough for a refusal.
        """
        found = self._of.get(transaction) if transaction is not None else None
        if response.is_success and (response.cseq.method == "INVITE" or (found and found.is_in_dialog)):
            return data
        if found is not None and found.is_put:
            return next((one for one in _spellings(response, data) if len(one) <= found.size), None)
        left = self._fresh + (found.left if found else 0)
        reserve = 2 if response.status == 100 else 1
        fitting = next((one for one in _spellings(response, data) if reserve * len(one) <= left), None)
        if response.status == 401 and found is not None and not found.is_challenged:
            fitting, found.is_challenged = fitting or list(_spellings(response, data))[-1], True
        left -= len(fitting or b"")
        if found is None:
            self._fresh = left
        else:
            found.left, self._fresh = left, 0
        return fitting


def _spellings(response: Response, data: bytes) -> Iterator[bytes]:
    yield data
    needed = tuple(field for field in response.fields if field[0] == "WWW-Authenticate")
    bare = replace(response, fields=needed, body=b"", reason="")
    yield write(bare)
    yield write(bare, is_compact=True)
