"""What users entrust to the gateway."""

from __future__ import annotations

from secrets import token_bytes

from hypothesis import given
from hypothesis import strategies as st

from bridge.events import UserId
from bridge.secret import Secret
from transports.sip.lines.vault import Vault

ROMEO, JULIET = UserId("romeo@example.org"), UserId("juliet@example.org")
VAULT = Vault(Secret("a secret of the operator"), token_bytes)


@given(st.binary(max_size=100))
def test_what_is_sealed_is_opened_for_its_owner_only(data: bytes) -> None:
    """It says nothing of its content, and is another each time."""
    sealed = VAULT.seal(ROMEO, data)
    assert VAULT.open(ROMEO, sealed) == data
    assert VAULT.open(JULIET, sealed) is None
    assert len(data) < 8 or data not in sealed
    assert VAULT.seal(ROMEO, data) != sealed


def test_what_was_changed_or_sealed_under_another_secret_stays_closed() -> None:
    """A broken store is no password."""
    sealed = VAULT.seal(ROMEO, b"word")
    assert VAULT.open(ROMEO, sealed[:-1] + bytes([sealed[-1] ^ 1])) is None
    assert VAULT.open(ROMEO, b"short") is None
    assert Vault(Secret("another one of the operator"), token_bytes).open(ROMEO, sealed) is None
