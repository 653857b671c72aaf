"""Fixtures of the scenarios."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.stage import JULIET, ROMEO, Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A gateway with nobody in it."""
    made = Stage(f"sqlite:///{tmp_path}/store.sqlite").open()
    yield made
    made.close()


@pytest.fixture
def verona(stage: Stage) -> Stage:
    """Romeo and Juliet are in the room, and have seen that."""
    stage.join(ROMEO, "Romeo")
    stage.join(JULIET, "Juliet")
    stage.take()
    return stage
