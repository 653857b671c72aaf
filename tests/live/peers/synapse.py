"""Synapse with SQLite, and application services of ours registered with it."""

from __future__ import annotations

import asyncio
import hmac
import json
import urllib.request
from collections.abc import Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any

from tests.live.peers.certificates import Certificate
from tests.live.peers.daemon import HOST, Daemon, answers, free_port

PYTHON = Path(__file__).parents[3] / ".peers/synapse/bin/python"
SHARED_SECRET = "shared"
PASSWORD = "secret"
SERVER_NAME = "hs.test"
UNLIMITED = {"per_second": 10000, "burst_count": 10000}
LOG = """\
version: 1
formatters: {plain: {format: "%(asctime)s %(levelname)s %(name)s %(message)s"}}
handlers: {console: {class: logging.StreamHandler, formatter: plain}}
root: {level: WARNING, handlers: [console]}
"""


class Synapse:
    """A homeserver; `registrations` are the YAML files of its application services.

    With a `certificate` it speaks with other homeservers, who find it at the port in its name.
    `parts` are further files of its configuration, whose words count more.
    """

    def __init__(
        self,
        folder: Path,
        registrations: Sequence[Path],
        *,
        port: int = 0,
        limits: dict[str, Any] | None = None,
        certificate: Certificate | None = None,
        federation_port: int = 0,
        parts: Sequence[Path] = (),
    ) -> None:
        if not PYTHON.exists():
            raise FileNotFoundError(f"{PYTHON} is not there; `make install` gets it")
        self.folder = folder
        self.port = port or free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.server_name = SERVER_NAME if certificate is None else f"{HOST}:{federation_port}"
        federation = {} if certificate is None else self._federation(certificate, federation_port)
        config, log = folder / "homeserver.yaml", folder / "log.yaml"
        log.write_text(LOG)
        # JSON is YAML
        config.write_text(json.dumps(self._config(log, registrations, limits or {}) | federation))
        command = [str(PYTHON), "-m", "synapse.app.homeserver", "-c", str(config)]
        command += [argument for part in parts for argument in ("-c", str(part))]
        self._keys = Daemon("keys", folder, [*command, "--generate-keys"], ready=lambda: True)
        self.daemon = Daemon("synapse", folder, command, ready=self._is_ready)
        self._has_keys = False

    def _config(self, log: Path, registrations: Sequence[Path], limits: dict[str, Any]) -> dict[str, Any]:
        return {
            "server_name": self.server_name,
            "public_baseurl": f"{self.url}/",
            "pid_file": str(self.folder / "synapse.pid"),
            "listeners": [
                {
                    "port": self.port,
                    "type": "http",
                    "bind_addresses": [HOST],
                    "resources": [{"names": ["client", "media"]}],
                }
            ],
            "database": {"name": "sqlite3", "args": {"database": str(self.folder / "homeserver.db")}},
            "log_config": str(log),
            "media_store_path": str(self.folder / "media"),
            "signing_key_path": str(self.folder / "signing.key"),
            "registration_shared_secret": SHARED_SECRET,
            "macaroon_secret_key": "macaroon",
            "form_secret": "form",
            "report_stats": False,
            "trusted_key_servers": [],
            "federation_domain_whitelist": [],
            "app_service_config_files": [str(path) for path in registrations],
            "bcrypt_rounds": 4,
            # since 1.126 nobody may publish rooms unless he is allowed to
            "room_list_publication_rules": [{"action": "allow"}],
            "presence": {"enabled": True},
            "rc_message": UNLIMITED,
            "rc_registration": UNLIMITED,
            "rc_login": {"address": UNLIMITED, "account": UNLIMITED, "failed_attempts": UNLIMITED},
            "rc_joins": {"local": UNLIMITED, "remote": UNLIMITED},
            "rc_joins_per_room": UNLIMITED,
            "rc_invites": {"per_room": UNLIMITED, "per_user": UNLIMITED, "per_issuer": UNLIMITED},
            "rc_admin_redaction": UNLIMITED,
            "rc_presence": {"per_user": UNLIMITED},
            "rc_media_create": UNLIMITED,
            **limits,
        }

    def _federation(self, certificate: Certificate, port: int) -> dict[str, Any]:
        clients = {"port": self.port, "resources": [{"names": ["client", "media"]}]}
        servers = {"port": port, "tls": True, "resources": [{"names": ["federation"]}]}
        return {
            "listeners": [{"type": "http", "bind_addresses": [HOST], **one} for one in (clients, servers)],
            "tls_certificate_path": str(certificate.certificate),
            "tls_private_key_path": str(certificate.key),
            "federation_verify_certificates": False,
            "federation_domain_whitelist": None,
            "ip_range_blacklist": [],
            "federation_ip_range_blacklist": [],
            "rc_federation": {"window_size": 1000, "sleep_limit": 10000, "reject_limit": 10000},
        }

    def _is_ready(self) -> bool:
        if not answers(self.port):
            return False
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as health:
                return bool(health.status == 200)
        except OSError:
            return False

    def start(self) -> None:
        """Start it, with keys of its own."""
        if not self._has_keys:
            self._keys.start()
            self._keys.wait(60)
            self._has_keys = True
        self.daemon.start()

    async def register(self, name: str) -> str:
        """Make an account (by the admin's shared secret) and return its access token."""
        return await asyncio.get_running_loop().run_in_executor(None, self._register, name)

    def _register(self, name: str) -> str:
        path = "/_synapse/admin/v1/register"
        nonce = self._ask("GET", path)["nonce"]
        words = "\0".join((nonce, name, PASSWORD, "notadmin")).encode()
        mac = hmac.new(SHARED_SECRET.encode(), words, sha1).hexdigest()
        account = {"nonce": nonce, "username": name, "password": PASSWORD, "admin": False, "mac": mac}
        return str(self._ask("POST", path, account)["access_token"])

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)
