"""`xmppbridge probe`: what a stream tells of itself."""

from __future__ import annotations

from bridge.cli.attempt import ToldStream
from bridge.xmpp.dialback import Keys
from bridge.xmpp.xml import Limits

HEADER = (
    "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
    "xmlns:db='jabber:server:dialback' id='77' from='example.net' to='irc.example.org' version='1.0'>"
)
SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
FEATURES = (
    f"<stream:features><mechanisms {SASL}><mechanism>EXTERNAL</mechanism></mechanisms>"
    "<dialback xmlns='urn:xmpp:features:dialback'/><sm xmlns='urn:xmpp:sm:2'/><sm xmlns='urn:xmpp:sm:3'/>"
    "</stream:features>"
)


def secured(*, external: bool = True) -> tuple[ToldStream, list[str]]:
    """Return a stream under TLS that has been offered EXTERNAL, and the steps that it told."""
    steps: list[str] = []
    stream = ToldStream(
        "irc.example.org", "example.net", Keys(b"hush"), {"irc.example.org"}.__contains__, Limits(),
        encryption="required", certificate_required=True, external=external, bidirectional=False,
    )  # fmt: skip
    stream.tell = steps.append
    stream.tls_started("")
    stream.start()
    stream.receive_data((HEADER + FEATURES).encode())
    stream.authenticate()
    return stream, steps


def test_what_the_peer_offers_is_told_once() -> None:
    """With what stands inside."""
    _, steps = secured()
    assert steps == ["stream: id 77, version 1.0", "features: mechanisms (EXTERNAL), dialback, sm"]


def test_certificate_that_is_accepted_is_told() -> None:
    """Then the stream begins anew."""
    stream, steps = secured()
    stream.receive_data(f"<success {SASL}/>".encode())
    stream.receive_data((HEADER + FEATURES).encode())
    assert steps[2] == "EXTERNAL: our certificate is accepted" and len(steps) == 5


def test_certificate_that_is_refused_is_told_with_the_reason_and_what_is_left() -> None:
    """Dialback is, if the peer offers it."""
    stream, steps = secured()
    stream.receive_data(f"<failure {SASL}><invalid-authzid/></failure>".encode())
    assert steps[2] == "EXTERNAL: our certificate is refused (invalid-authzid)"
    assert steps[3].startswith("dialback: asked for")
    assert b"<db:result" in stream.data_to_send()


def test_certificate_that_we_do_not_have_is_told() -> None:
    """The peer may offer what it likes."""
    _, steps = secured(external=False)
    assert steps[2] == "EXTERNAL: not offered, or we have no certificate"
