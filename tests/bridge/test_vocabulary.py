"""What events are made of."""

from __future__ import annotations

import pytest
from msgspec import Struct

from bridge import events, vocabulary

VALUES = [
    found
    for found in vars(vocabulary).values()
    if isinstance(found, type) and issubclass(found, Struct) and found.__module__ == vocabulary.__name__
]


@pytest.mark.parametrize("value", VALUES)
def test_values_can_be_shared_by_everybody(value: type[Struct]) -> None:
    """One value is shown to many users: nobody can change it."""
    assert value.__struct_config__.frozen
    assert issubclass(value, vocabulary.Value)


def test_whole_vocabulary_is_had_from_events() -> None:
    """Who deals with events needs one import."""
    own = {
        name
        for name, found in vars(vocabulary).items()
        if getattr(found, "__module__", "") == vocabulary.__name__
    }
    assert len(own) > 15
    assert {name for name in own if not hasattr(events, name)} == set()
