"""TOML written here is read back by tomllib."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.write import key_text, toml_value

values = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_any_value_written_is_read_as_the_same(value: object) -> None:
    """What TOML can say is said so that tomllib reads it back."""
    assert tomllib.loads(f"key = {toml_value(value)}") == {"key": value}


def test_path_is_written_as_a_dotted_key() -> None:
    """Only keys that need quotes get them; an item of a list has its index."""
    assert (
        key_text(("gateways", "irc.example.org", "irc", "ports", 2))
        == 'gateways."irc.example.org".irc.ports[2]'
    )


def test_value_that_toml_lacks_is_refused() -> None:
    """There is no null."""
    with pytest.raises(TypeError):
        toml_value({"key": None})
