"""Certificates of TLS connections, ours and theirs; the name is the domain asked for (RFC 5922 §7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    KeyPair,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)

from transports.sip.config import SipConfig

_BEGIN = b"-----BEGIN CERTIFICATE-----"


class Certificates:
    """Read when they are first needed; the files' troubles are OSError and ValueError."""

    def __init__(self, config: SipConfig) -> None:
        self._config = config
        self._root: Any = None

    def client(self, name: str) -> Any:
        """Return what makes connections to a domain and checks its certificate."""
        if self._root is None:
            path = self._config.ca_file
            self._root = trustRootFromCertificates(_read(path)) if path else platformTrust()
        return optionsForClientTLS(name, trustRoot=self._root)

    @property
    def server(self) -> Any:
        """The context for connections that come in."""
        if not self._config.certificate or not self._config.key:
            raise ValueError("TLS needs a certificate and its key")
        own, *chain = _read(self._config.certificate)
        key = KeyPair.load(Path(self._config.key).read_bytes(), 1)
        return CertificateOptions(
            privateKey=key.original, certificate=own.original, extraCertChain=[one.original for one in chain]
        )


def _read(path: str) -> list[Certificate]:
    return [Certificate.loadPEM(_BEGIN + part) for part in Path(path).read_bytes().split(_BEGIN)[1:]]
