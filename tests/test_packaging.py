"""What an installation holds: of a wheel, and of a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.test_layout import ROOT, files

TWISTD = "from twisted.scripts.twistd import run; run()"


def run(*command: str, cwd: Path, **environ: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | environ
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as a clone has it, with the droppings of a run in it."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in files():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
    (copy / "twisted/plugins/dropin.cache").write_bytes(b"stale")
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path) -> Path:
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "out", cwd=checkout)
    [built] = (checkout / "out").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-compile")
    run(*pip, "--target", str(target), str(wheel), cwd=target)
    return target


def test_wheel_holds_bridge_transports_and_the_plugin_only(wheel: Path) -> None:
    """No tests, no cache, and nothing that would replace Twisted's own packages."""
    names = ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {
        "bridge",
        "transports",
        "twisted",
    }
    assert [name for name in names if name.startswith("twisted/")] == ["twisted/plugins/xmppbridge.py"]
    assert [
        name for name in names if not name.endswith((".py", ".typed")) and ".dist-info/" not in name
    ] == []
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_wheel_has_every_module_of_the_checkout(wheel: Path) -> None:
    """Also of a network that was added without a word elsewhere."""
    names = set(ZipFile(wheel).namelist())
    assert {
        name for name in files() if name.startswith(("bridge/", "transports/")) and name.endswith(".py")
    } <= names


def test_installed_wheel_shows_the_plugin_and_the_command(installed: Path, tmp_path: Path) -> None:
    """From any folder."""
    listing = run(sys.executable, "-c", TWISTD, "--help", cwd=tmp_path, PYTHONPATH=str(installed))
    assert "xmppbridge" in listing
    output = run(str(installed / "bin" / "xmppbridge"), "version", cwd=tmp_path, PYTHONPATH=str(installed))
    assert output.startswith("xmppbridge ")


def test_installed_wheel_finds_its_networks(installed: Path, tmp_path: Path) -> None:
    """By the entry points of its metadata, since there is no pyproject.toml."""
    code = "from bridge.config import network_names; print(*network_names())"
    assert "irc" in run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(installed)).split()


def test_editable_installation_shows_the_plugin(checkout: Path, tmp_path: Path) -> None:
    """The checkout itself is put on the path, so that Twisted looks into its folder of plugins."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel:editable", "-d", "editable", cwd=checkout)
    [built] = (checkout / "editable").glob("*.whl")
    ZipFile(built).extractall(tmp_path)
    code = f"import site; site.addsitedir({str(tmp_path)!r}); {TWISTD}"
    assert "xmppbridge" in run(sys.executable, "-c", code, "--help", cwd=tmp_path)


def test_plain_checkout_shows_the_plugin_to_python_m_twisted(checkout: Path) -> None:
    """Without any installation of ours."""
    assert "xmppbridge" in run(sys.executable, "-m", "twisted", "--help", cwd=checkout)
