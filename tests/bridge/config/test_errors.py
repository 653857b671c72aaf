"""How a problem reads."""

from __future__ import annotations

from bridge.config import ConfigError, Problem


def test_problem_names_place_key_and_the_nearest_right_one() -> None:
    """In the form that editors jump to."""
    problem = Problem(file="x.toml", line=3, key="log.lvl", message="unknown key", nearest="log.level")
    assert str(problem) == 'x.toml:3: log.lvl: unknown key; did you mean "log.level"?'


def test_parts_that_are_not_known_are_left_out() -> None:
    """A file that cannot be read has no lines."""
    assert str(Problem(file="x.toml", message="cannot be read")) == "x.toml: cannot be read"


def test_error_reads_as_all_its_problems() -> None:
    """One line each."""
    error = ConfigError([Problem(file="x", message="a"), Problem(file="x", message="b")])
    assert str(error) == "x: a\nx: b" and len(error.problems) == 2
