"""Entity capabilities."""

from __future__ import annotations

from bridge.xmpp.payloads.caps import NS_CAPS, build_caps, verification
from bridge.xmpp.payloads.disco import Identity, Info, build_info, parse_info
from bridge.xmpp.payloads.forms import build_result

SIMPLE = Info(
    identities=(Identity("client", "pc", "Exodus 0.9.1"),),
    features=(
        "http://jabber.org/protocol/caps",
        "http://jabber.org/protocol/disco#info",
        "http://jabber.org/protocol/disco#items",
        "http://jabber.org/protocol/muc",
    ),
)


def test_simple_example_has_its_verification_string():
    """XEP-0115 §5.2."""
    assert verification(SIMPLE) == "QgayPKawpkPSDYmwT/WM94uAlu0="


def test_complex_example_has_its_verification_string():
    """XEP-0115 §5.3: languages and a form."""
    info = Info(
        identities=(Identity("client", "pc", "Psi 0.11", "en"), Identity("client", "pc", "Ψ 0.11", "el")),
        features=SIMPLE.features,
        forms=(
            build_result(
                "urn:xmpp:dataforms:softwareinfo",
                [
                    ("ip_version", ["ipv4", "ipv6"]),
                    ("os", "Mac"),
                    ("os_version", "10.5.1"),
                    ("software", "Psi"),
                    ("software_version", "0.11"),
                ],
            ),
        ),
    )
    assert verification(info) == "q07IKJEyjvHSyhy//CH0CxmKi8w="


def test_order_does_not_matter():
    """The same capabilities in another order are the same capabilities."""
    turned = Info(identities=SIMPLE.identities, features=tuple(reversed(SIMPLE.features)))
    assert verification(turned) == verification(SIMPLE)


def test_info_survives_writing():
    """A disco answer is read as it was written."""
    info = Info(
        identities=(Identity("client", "pc", "Ψ", "el"),),
        features=("a", "b"),
        forms=(build_result("urn:f", []),),
    )
    assert parse_info(build_info(info, "node")) == info
    assert build_info(info, "node").get("node") == "node"


def test_presence_names_the_node_and_the_hash():
    """The element of a presence says how it was hashed."""
    assert build_caps("urn:n", SIMPLE).attributes == {
        "hash": "sha-1",
        "node": "urn:n",
        "ver": "QgayPKawpkPSDYmwT/WM94uAlu0=",
    }
    assert build_caps("urn:n", SIMPLE).namespace == NS_CAPS
