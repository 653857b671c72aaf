"""The rules of the house that a program can check."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINES_OF_A_FILE = 600
LINES_OF_A_FUNCTION = 60
HARNESS = "tests/bench/"
"""The load harness is one program, kept as it came."""

ELSEWHERE = {
    "bridge/direct.py": "tests/scenarios/test_direct.py",
    "bridge/cli/__main__.py": "tests/bridge/cli/test_run.py",
    "bridge/biboumi/": "tests/bridge/biboumi/test_database.py",
    "bridge/federation/wire.py": "tests/bridge/federation/test_component.py",
    "bridge/queries.py": "tests/bridge/services/test_disco.py",
    "bridge/services/contacts.py": "tests/bridge/services/test_disco.py",
    "bridge/services/muc/": "tests/scenarios/",
    "bridge/services/room_list.py": "tests/bridge/services/test_disco.py",
    "bridge/store/": "tests/bridge/store/test_store.py",
    "bridge/xmpp/payloads/ping.py": "tests/bridge/services/test_ping.py",
    "transports/irc/": "tests/transports/irc/",
    "transports/loopback/": "tests/transports/loopback/",
    "transports/sip/agent/means.py": "tests/transports/sip/lines/test_errands.py",
    "transports/sip/common.py": "tests/transports/sip/test_network.py",
    "transports/sip/messages/pager.py": "tests/transports/sip/test_network.py",
}
"""Sources without a test file of their name that none of their folder's tests imports: where they are tested."""


@cache
def files() -> list[str]:
    """List what is, or is about to be, under version control."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(name for name in set(listed.splitlines()) if (ROOT / name).is_file())


def python(*roots: str) -> list[str]:
    return [name for name in files() if name.endswith(".py") and name.startswith(roots)]


def tree(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text("utf-8"), name)


def sources() -> list[str]:
    """List the modules with something in them."""
    return [name for name in python("bridge/", "transports/") if not name.endswith("__init__.py")]


@cache
def imported_by(folder: str) -> frozenset[str]:
    """Return the names of the modules that the tests of a folder import."""
    found = set()
    for name in python(f"{folder}/"):
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
    return frozenset(found)


def is_mirrored(source: str) -> bool:
    path = Path(source)
    folder = Path("tests") / path.parent
    if str(folder / f"test_{path.name}") in files():
        return True
    return source.removesuffix(".py").replace("/", ".") in imported_by(str(folder))


@pytest.mark.parametrize("source", sources())
def test_source_has_its_test(source: str) -> None:
    """One of its name, or one of its folder that imports it, or a named place where it is tested."""
    assert is_mirrored(source) or any(source.startswith(place) for place in ELSEWHERE)


@pytest.mark.parametrize("place", ELSEWHERE)
def test_exception_is_needed_and_true(place: str) -> None:
    """The list does not grow stale."""
    assert any(source.startswith(place) and not is_mirrored(source) for source in sources())
    assert any(name.startswith(ELSEWHERE[place]) for name in files())


@pytest.mark.parametrize("name", [name for name in python("") if not name.startswith(HARNESS)])
def test_file_and_its_functions_are_not_too_long(name: str) -> None:
    """What is longer is two things."""
    assert len((ROOT / name).read_text("utf-8").splitlines()) <= LINES_OF_A_FILE
    assert {node.name for node in functions(name) if length(node) > LINES_OF_A_FUNCTION} == set()


def functions(name: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_plugin_folders_are_no_packages() -> None:
    """Twisted extends its own package by them; an __init__ there would hide it."""
    assert [name for name in files() if name.startswith("twisted/")] == ["twisted/plugins/xmppbridge.py"]


@pytest.mark.parametrize("name", python("bridge/", "transports/", "twisted/"))
def test_reactor_is_named_in_one_place(name: str) -> None:
    """Everybody else is given it, so that a test can give a clock."""
    names_it = any(
        isinstance(node, ast.ImportFrom)
        and node.module == "twisted.internet"
        and any(alias.name == "reactor" for alias in node.names)
        for node in ast.walk(tree(name))
    )
    assert names_it is (name == "bridge/app.py")


@pytest.mark.parametrize("name", python("tests/"))
def test_tests_say_what_a_user_would_see(name: str) -> None:
    """Each has a name of situation and outcome, and a sentence."""
    bad = [
        node.name
        for node in functions(name)
        if node.name.startswith("test_") and (node.name.count("_") < 2 or not ast.get_docstring(node))
    ]
    assert bad == []
