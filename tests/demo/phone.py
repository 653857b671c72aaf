"""The telephone of the demonstration: baresip, which takes every call and lets the caller hear himself."""

from __future__ import annotations

from pathlib import Path

from tests.live.peers.baresip import free_pair
from tests.live.peers.daemon import HOST, Daemon, answers, find_program

CONFIG = """
sip_listen {host}:{port}
net_interface {host}
module_path {modules}
audio_source aubridge,echo
audio_player aubridge,echo
{loaded}
"""
MODULES = ("opus", "g711", "aubridge")
APPLICATIONS = ("account", "contact", "menu", "echo")


class EchoPhone:
    """A telephone under ``sip:echo@`` its host."""

    def __init__(self, folder: Path, name: str, domain: str) -> None:
        self.port = free_pair()
        loaded = [f"module {one}.so" for one in MODULES] + [f"module_app {one}.so" for one in APPLICATIONS]
        modules = next(Path("/usr/lib").rglob("baresip/modules"))
        (folder / "config").write_text(
            CONFIG.format(host=HOST, port=self.port, modules=modules, loaded="\n".join(loaded))
        )
        (folder / "accounts").write_text(f"<sip:{name}@{domain}>;regint=0\n")
        (folder / "contacts").write_text("")
        self.daemon = Daemon(
            "baresip",
            folder,
            [find_program("baresip"), "-f", str(folder)],
            ready=lambda: answers(self.port),
        )
