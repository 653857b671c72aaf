"""What is said about calls."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec import Struct

from bridge import calls, events, vocabulary

VALUES = [
    found
    for found in vars(calls).values()
    if isinstance(found, type) and issubclass(found, Struct) and found.__module__ == calls.__name__
]
EVENTS = [value for value in VALUES if value.__name__.startswith("Call")]


@pytest.mark.parametrize("value", VALUES)
def test_values_of_calls_can_be_shared(value: type[Struct]) -> None:
    """One description may be with both sides: nobody can change it."""
    assert value.__struct_config__.frozen
    assert issubclass(value, vocabulary.Value)


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_of_a_call_names_it(event: type[Struct]) -> None:
    """Both sides have many calls at once; what is said of one can be asked of the bridge."""
    assert "call" in event.__struct_fields__
    assert event in get_args(events.Outgoing)
