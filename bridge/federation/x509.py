"""One certificate, read: its names, its purposes, its strength (RFC 5280, RFC 6120 §13.7.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from msgspec import Struct

from bridge.federation.resolver import NoServer, a_labels, ip_literal
from bridge.xmpp.jid import Jid, JidError

CACHE_SIZE = 512
"""How many certificates are remembered, read; those of authorities come again and again."""
SIZE_LIMIT = 16_384
"""Bytes of the largest certificate that is read."""
SHORTEST_RSA, SHORTEST_EC = 2048, 224
"""Bits of the shortest keys that are taken: 112 bits of security, as OpenSSL's level 2 wants."""

_XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")
_SRV_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7")
_SERVICE = "_xmpp-server."
_NAME = re.compile(r"(?:\*\.)?[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
"""What a DNS name can be in a certificate (RFC 9525 §6.3): ASCII, "*" as the whole first label only."""
_NAME_LIMIT = 253
_IA5_STRING, _UTF8_STRING = 0x16, 0x0C
_LONG = 0x80
_WEAK_HASHES = ("md5", "sha1")
_PURPOSES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "any",
}
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


class Certificate(Struct, frozen=True, kw_only=True):
    """What stands in a certificate; only names that can match something are kept."""

    der: bytes
    public_key: bytes
    """The SubjectPublicKeyInfo (DER)."""
    dns_names: tuple[str, ...] = ()
    """DNS-IDs, in lower case."""
    srv_names: tuple[str, ...] = ()
    """The domains of SRV-IDs for servers (RFC 4985)."""
    xmpp_addresses: tuple[str, ...] = ()
    """XmppAddrs that are domains, prepared as JIDs are, then in A-labels."""
    ip_addresses: tuple[str, ...] = ()
    usages: tuple[str, ...] | None = None
    """The purposes of the extended key usage extension; None if there is none, which allows all."""
    can_sign: bool = True
    """Whether the key usage extension, if there is one, allows what TLS needs."""
    is_authority: bool = False
    is_constrained: bool = False
    """Whether the names that it may vouch for are limited."""
    has_weak_key: bool = False
    has_weak_signature: bool = False
    valid_from: datetime
    expires: datetime

    @property
    def names(self) -> tuple[str, ...]:
        """Every domain it names, once."""
        return tuple(
            dict.fromkeys((*self.dns_names, *self.srv_names, *self.xmpp_addresses, *self.ip_addresses))
        )

    def allows(self, *purposes: str) -> bool:
        """Tell whether it may be used for one of these."""
        return self.usages is None or not {"any", *purposes}.isdisjoint(self.usages)

    def names_host(self, host: str) -> bool:
        """Tell whether it speaks for a host, in A-labels, whatever is served there (RFC 9525 §6.3, §6.4)."""
        if address := ip_literal(host):
            return address in self.ip_addresses
        return _is_named(host, self.dns_names)

    def names_domain(self, domain: str, constrained: bool = False) -> bool:
        """Tell whether it speaks for a domain, prepared as JIDs are.

        DNS-IDs, SRV-IDs of the service ``_xmpp-server`` and XmppAddrs count, compared as A-labels; the
        common name never does (RFC 9525 §6, RFC 6120 §13.7.1.2). "*" stands for exactly one label of
        the first two. A domain that is an IP address needs that very address in the certificate.
        `constrained`: DNS-IDs alone, for they are what an authority's limits surely bind (§7.6).
        """
        if address := ip_literal(domain):
            return address in self.ip_addresses and not constrained
        try:
            domain = a_labels(domain)
        except NoServer:
            return False
        if constrained:
            return self.names_host(domain)
        return _is_named(domain, (*self.dns_names, *self.srv_names)) or domain in self.xmpp_addresses


def _is_named(domain: str, names: Iterable[str]) -> bool:
    parent = domain.partition(".")[2]
    return any(name == domain or (name[:2] == "*." and name[2:] == parent) for name in names)


@lru_cache(CACHE_SIZE)
def read(der: bytes) -> Certificate | None:
    """Read a certificate; None if it, or any of its extensions, is malformed, or it is too large."""
    if len(der) > SIZE_LIMIT:
        return None
    try:
        certificate = x509.load_der_x509_certificate(der)
        return _read(der, certificate, certificate.extensions)
    except (
        ValueError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ):
        return None


def _read(der: bytes, certificate: x509.Certificate, extensions: x509.Extensions) -> Certificate:
    names = _extension(extensions, x509.SubjectAlternativeName) or x509.SubjectAlternativeName([])
    others = names.get_values_for_type(x509.OtherName)
    constraints = _extension(extensions, x509.BasicConstraints)
    usage = _extension(extensions, x509.KeyUsage)
    purposes = _extension(extensions, x509.ExtendedKeyUsage)
    key = certificate.public_key()
    return Certificate(
        der=der,
        public_key=key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        dns_names=_well_formed(name.lower() for name in names.get_values_for_type(x509.DNSName)),
        srv_names=_well_formed(map(_service, others)),
        xmpp_addresses=_well_formed(map(_xmpp_address, others)),
        ip_addresses=tuple(map(str, names.get_values_for_type(x509.IPAddress))),
        usages=None if purposes is None else tuple(_PURPOSES.get(each, "other") for each in purposes),
        can_sign=usage is None or usage.digital_signature or usage.key_encipherment or usage.key_agreement,
        is_authority=constraints is not None and constraints.ca,
        is_constrained=_extension(extensions, x509.NameConstraints) is not None,
        has_weak_key=_is_weak(key),
        has_weak_signature=_hash(certificate) in _WEAK_HASHES,
        valid_from=certificate.not_valid_before_utc,
        expires=certificate.not_valid_after_utc,
    )


def _extension(extensions: x509.Extensions, kind: type[_Extension]) -> _Extension | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _well_formed(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if _NAME.fullmatch(name) and len(name) <= _NAME_LIMIT)


def _service(name: x509.OtherName) -> str:
    """Return the domain of an SRV-ID for servers, "" of any other name (RFC 9525 §6.5)."""
    text = _text(name, _SRV_NAME, _IA5_STRING).lower()
    return text.removeprefix(_SERVICE) if text.startswith(_SERVICE) else ""


def _xmpp_address(name: x509.OtherName) -> str:
    """Return the domain that an XmppAddr is, "" if it is no domain; "*" means nothing in it."""
    try:
        jid = Jid.parse(_text(name, _XMPP_ADDR, _UTF8_STRING))
        return "" if jid.local or jid.resource or ip_literal(jid.domain) else a_labels(jid.domain)
    except (JidError, NoServer):
        return ""


def _text(name: x509.OtherName, kind: x509.ObjectIdentifier, tag: int) -> str:
    """Decode a string of this tag and nothing else (X.690 §8.1.3); "" if it is not well-formed."""
    value = name.value
    if name.type_id != kind or len(value) < 2 or value[0] != tag:
        return ""
    start, length = 2, value[1]
    if length > _LONG:
        start += length - _LONG
        length = int.from_bytes(value[2:start], "big")
    if len(value) != start + length:
        return ""
    try:
        return value[start:].decode("utf-8" if tag == _UTF8_STRING else "ascii")
    except UnicodeError:
        return ""


def _is_weak(key: object) -> bool:
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey):
        return key.key_size < SHORTEST_RSA
    return isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < SHORTEST_EC


def _hash(certificate: x509.Certificate) -> str:
    """Return the hash that was signed, "" where the signature's algorithm has it built in."""
    algorithm = certificate.signature_hash_algorithm
    return algorithm.name if algorithm else ""
