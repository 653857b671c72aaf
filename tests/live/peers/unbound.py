"""A validating DNS resolver (unbound) that knows zones of the tests, and nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.live.peers.daemon import HOST, Daemon, answers, find_program, free_port

CONFIGURATION = """
server:
    interface: {host}@{port}
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: ""
    use-syslog: no
    num-threads: 1
    do-not-query-localhost: no
    module-config: "validator iterator"
    local-zone: "test." nodefault
remote-control:
    control-enable: no
"""
ZONE = """
auth-zone:
    name: "{zone}"
    zonefile: "{file}"
    for-downstream: no
    for-upstream: yes
    fallback-enabled: no
"""
HEAD = """
$ORIGIN {origin}.
$TTL 60
@ IN SOA ns hostmaster 1 3600 600 86400 60
@ IN NS ns
ns IN A 127.0.0.1
"""


class Unbound(Daemon):
    """Answers from the given zones, by name the records in a zone file's words, and validates the signed.

    `forged` changes the records of signed zones after they were signed: what stands there → what to put.
    """

    def __init__(
        self, folder: Path, signed: Mapping[str, str], unsigned: Mapping[str, str], forged: Mapping[str, str]
    ) -> None:
        self.port = free_port()
        folder.mkdir(exist_ok=True)
        written = CONFIGURATION.format(host=HOST, port=self.port, folder=folder)
        for zone, records in {".": "", **signed, **unsigned}.items():
            file = folder / f"{zone.rstrip('.')}.zone"
            file.write_text(HEAD.format(origin=zone.rstrip(".")) + records + filled(records))
            if zone in signed:
                file, anchor = sign(zone, file)
                text = file.read_text()
                for genuine, false in forged.items():
                    text = text.replace(genuine, false)
                file.write_text(text)
                written += f'server:\n    trust-anchor: "{anchor}"\n'
            written += ZONE.format(zone=zone, file=file)
        configuration = folder / "unbound.conf"
        configuration.write_text(written)
        argv = [find_program("unbound"), "-d", "-p", "-c", str(configuration)]
        super().__init__("unbound", folder, argv, ready=lambda: answers(self.port))


def filled(records: str) -> str:
    """Return a record for every name that is only the parent of others.

    COMPAT: unbound 1.17 as authority cannot prove that nothing else is below an empty name.
    """
    names = {line.split()[0] for line in records.splitlines() if line}
    parents = {name.split(".", depth)[depth] for name in names for depth in range(1, name.count(".") + 1)}
    return "".join(f"{name} IN TXT filled\n" for name in parents - names)


def sign(zone: str, file: Path) -> tuple[Path, str]:
    """Sign a zone; return the signed one, and the DS record to trust."""

    def run(program: str, *argv: str) -> str:
        command = [find_program(program), *argv]
        return subprocess.run(command, cwd=file.parent, check=True, capture_output=True, text=True).stdout

    key = run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", zone).strip()
    run("ldns-signzone", file.name, key)
    return file.with_name(f"{file.name}.signed"), (file.parent / f"{key}.ds").read_text().strip()
