"""Secrets come from where they are said to be, and show themselves nowhere."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from bridge.secret import FILE_LIMIT, Secret


def test_inline_secret_is_itself(tmp_path: Path) -> None:
    """A string is the secret."""
    assert Secret.resolve("hush", tmp_path, {}).reveal() == "hush"


def test_file_is_read_without_its_last_line_break(tmp_path: Path) -> None:
    """A file is relative to the configuration, as an editor leaves it."""
    (tmp_path / "secret").write_text("hush \n")
    secret = Secret.resolve({"file": "secret"}, tmp_path, {})
    assert secret.reveal() == "hush "
    assert secret.file == tmp_path / "secret"


def test_environment_and_credential_are_read(tmp_path: Path) -> None:
    """The environment names them, not the configuration's folder."""
    (tmp_path / "name").write_text("hush")
    environ = {"WORD": "shh", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert Secret.resolve({"env": "WORD"}, Path("/"), environ).reveal() == "shh"
    assert Secret.resolve({"credential": "name"}, Path("/"), environ).reveal() == "hush"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (3, "expected a string, or one of"),
        ("", "the value is empty"),
        ({}, "expected a string, or one of"),
        ({"file": "a", "env": "b"}, "expected a string, or one of"),
        ({"file": 3}, "the file must be named by a string"),
        ({"fil": "a"}, "unknown place 'fil'"),
        ({"file": "none"}, "cannot read .*none: No such file"),
        ({"file": "empty"}, "empty is empty"),
        ({"file": "binary"}, "is not UTF-8 text"),
        ({"file": "long"}, "is longer than"),
        ({"env": "NONE"}, "the environment variable NONE is not set"),
        ({"credential": "a"}, "CREDENTIALS_DIRECTORY is not set"),
    ],
)
def test_secret_that_cannot_be_had_says_why(written: object, message: str, tmp_path: Path) -> None:
    """The operator learns what is missing, and where."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "long").write_text("x" * (FILE_LIMIT + 1))
    with pytest.raises(ValueError, match=message):
        Secret.resolve(written, tmp_path, {})


def test_credential_is_no_way_out_of_its_directory(tmp_path: Path) -> None:
    """A name with a slash is refused."""
    with pytest.raises(ValueError, match="no path"):
        Secret.resolve({"credential": "../secret"}, tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_value_is_in_no_text_of_it() -> None:
    """Neither repr, str, format nor a pickle shows the value."""
    secret = Secret("hush")
    assert "hush" not in f"{secret} {secret!r} {secret!s}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_secrets_are_equal_by_value() -> None:
    """A reload sees whether a secret changed, wherever it came from."""
    assert Secret("a", "inline") == Secret("a", "file x")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
