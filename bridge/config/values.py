"""What the declarations are made of: the kinds of values that TOML lacks, and the mark of an option."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from bridge.xmpp.jid import Jid, JidError

RESTART = {"restart": True}
"""In `Meta.extra`: only a restart changes the option."""
SERVER_PORT = 5269
"""Where servers listen for each other (RFC 6120 §14.7)."""

_WILDCARD = re.compile(r"\*\.(.+)")
_ADDRESS = re.compile(r"[0-9.]+|\[[0-9A-Fa-f:.]+\]")
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\]")


class Domain(str):
    """A domain name as it stands in a JID."""

    __slots__ = ()

    @classmethod
    def parse(cls, written: object) -> Domain:
        """Prepare (RFC 7622 §3.2); raises ValueError."""
        jid = _jid(written)
        if jid.local or jid.resource:
            raise ValueError("expected a domain, without @ and /")
        return cls(jid.domain)


class BareJid(str):
    """A user's address, without a resource."""

    __slots__ = ()

    @classmethod
    def parse(cls, written: object) -> BareJid:
        """Prepare (RFC 7622 §3); raises ValueError."""
        jid = _jid(written)
        if not jid.local or jid.resource:
            raise ValueError("expected a bare JID, like user@example.org")
        return cls(jid.bare)


class JidPattern(str):
    """Whom a rule means: ``user@example.org``, ``example.org``, ``*.example.org`` or ``*``."""

    __slots__ = ()

    @classmethod
    def parse(cls, written: object) -> JidPattern:
        """Prepare; raises ValueError."""
        if written == "*":
            return cls("*")
        if isinstance(written, str) and (match := _WILDCARD.fullmatch(written)):
            return cls(f"*.{Domain.parse(match[1])}")
        jid = _jid(written)
        if jid.resource or "*" in str(jid):
            raise ValueError("expected user@example.org, example.org, *.example.org or *")
        return cls(jid.bare)


class DomainPattern(str):
    """Which domains a rule means: ``example.org``, ``*.example.org`` (those below it) or ``*``."""

    __slots__ = ()

    @classmethod
    def parse(cls, written: object) -> DomainPattern:
        """Prepare; raises ValueError."""
        if written == "*":
            return cls("*")
        if isinstance(written, str) and (match := _WILDCARD.fullmatch(written)):
            return cls(f"*.{Domain.parse(match[1])}")
        jid = _jid(written)
        if jid.local or jid.resource or "*" in str(jid):
            raise ValueError("expected example.org, *.example.org or *")
        return cls(jid.domain)

    @classmethod
    def meaning(cls, domain: str) -> Iterator[DomainPattern]:
        """Yield every pattern that means `domain`, which is prepared; the nearest first."""
        yield cls(domain)
        if not domain.startswith("["):
            while "." in domain:
                domain = domain.partition(".")[2]
                yield cls(f"*.{domain}")
        yield cls("*")


class Endpoint(str):
    """An IP address and a port: ``127.0.0.1:5269`` or ``[::]:5269``."""

    __slots__ = ()

    @property
    def host(self) -> str:
        """The address, without brackets."""
        return self.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port."""
        return int(self.rpartition(":")[2])

    @classmethod
    def parse(cls, written: object) -> Endpoint:
        """Check; raises ValueError."""
        address, _, port = _text(written).rpartition(":")
        if not _ADDRESS.fullmatch(address):
            raise ValueError("expected address:port, like 127.0.0.1:5269 or [::]:5269")
        ip_address(address.strip("[]"))
        return cls(f"{address}:{_port(port)}")


class ServerAddress(str):
    """Where a server is: ``host`` (its port 5269), ``host:port``, or with direct TLS ``xmpps://host:port``."""

    __slots__ = ()

    @property
    def host(self) -> str:
        """The name or address, without brackets."""
        return self._parts()[0].strip("[]")

    @property
    def port(self) -> int:
        """The port."""
        return int(self._parts()[1] or SERVER_PORT)

    @property
    def direct_tls(self) -> bool:
        """Whether TLS begins at once (XEP-0368), instead of by STARTTLS."""
        return self.startswith("xmpps://")

    def _parts(self) -> tuple[str, str]:
        """Split into the host, with its brackets, and the port, empty if there is none."""
        rest = self.removeprefix("xmpps://")
        host, _, port = rest.rpartition(":") if rest.rfind(":") > rest.rfind("]") else (rest, "", "")
        return host, port

    @classmethod
    def parse(cls, written: object) -> ServerAddress:
        """Check; raises ValueError."""
        address = cls(_text(written))
        host, port = address._parts()
        _host(host)
        if port:
            _port(port)
        elif address.direct_tls:
            raise ValueError("expected a port: there is none for direct TLS by default")
        return address


class HostPort(str):
    """A server and a port as an address of the web names them: ``host:port``, in small letters."""

    __slots__ = ()

    @classmethod
    def parse(cls, written: object) -> HostPort:
        """Check; raises ValueError."""
        host, _, port = _text(written).rpartition(":")
        return cls(f"{_host(host).lower()}:{_port(port)}")


class FilePath(str):
    """A file or folder; empty: none."""

    __slots__ = ()

    @classmethod
    def parse(cls, written: object, base: Path) -> FilePath:
        """Make absolute, below `base` if it is relative; raises ValueError."""
        text = _text(written)
        return cls(base / Path(text).expanduser()) if text else cls()


def _jid(written: object) -> Jid:
    try:
        return Jid.parse(_text(written))
    except JidError:
        raise ValueError(f"{written!r} is no valid address") from None


def _text(written: object) -> str:
    if not isinstance(written, str):
        raise ValueError("expected a string")
    return written


def _host(written: str) -> str:
    if not _HOST.fullmatch(written):
        raise ValueError("expected a host name, an IPv4 address or an IPv6 address in brackets")
    if written.startswith("["):
        ip_address(written[1:-1])
    return written


def _port(written: str) -> int:
    if not written.isascii() or not written.isdigit() or not 1 <= int(written[:6]) <= 65535:
        raise ValueError("expected a port from 1 to 65535")
    return int(written)
