"""Dialogs from both ends."""

import pytest
from msgspec.structs import replace

from tests.transports.sip.samples import request
from transports.sip.dialogs.dialog import (
    MAX_ROUTE,
    Dialog,
    DialogId,
    DialogState,
    contact,
    ends_dialog,
    id_of_request,
)
from transports.sip.wire.message import Request, respond
from transports.sip.wire.uri import Malformed, parse_uri

CONTACT = ("Contact", "<sip:bob@192.0.2.2:5070;ob>")


def client(*fields: tuple[str, str], status: int = 180) -> Dialog:
    invite = request("INVITE", number=7)
    return Dialog.of_client(invite, respond(invite, status, "b2", fields=(CONTACT, *fields)))


def server(*fields: tuple[str, str]) -> Dialog:
    ann = ("Contact", "<sip:ann@192.0.2.1>")
    return Dialog.of_server(request("INVITE", number=7, fields=(ann, *fields)), "b2", 100)


@pytest.mark.spec("RFC 3261 §12.1")
def test_both_ends_name_the_dialog_mirrored():
    """Each end's own tag is its local one."""
    asking, serving = client(), server()
    assert asking.id == DialogId(call_id="c1@pc.ann.example", local_tag="a1", remote_tag="b2")
    assert serving.id == DialogId(call_id="c1@pc.ann.example", local_tag="b2", remote_tag="a1")
    assert id_of_request(asking.request("BYE")) == serving.id
    assert id_of_request(serving.request("BYE")) == asking.id


@pytest.mark.spec("RFC 3261 §12.2.1.1")
def test_requests_count_on_their_own_side():
    """Each end has its own numbers; the ACK has its INVITE's, and its credentials."""
    asking, serving = client(), server()
    assert [asking.request("INFO").cseq.number for _ in range(2)] == [8, 9]
    assert serving.request("BYE").cseq.number == 101
    invite = request("INVITE", number=7, fields=(("Authorization", "Digest x=y"), ("Subject", "x")))
    ack = asking.ack(invite, fields=(("Content-Type", "application/sdp"),), body=b"v")
    assert (ack.method, ack.cseq.number, ack.body) == ("ACK", 7, b"v")
    assert ack.fields == (("Content-Type", "application/sdp"), ("Authorization", "Digest x=y"))
    asking.retried(replace(invite, cseq=replace(invite.cseq, number=20)))
    assert asking.request("BYE").cseq.number == 21


def test_a_request_goes_to_the_peers_contact():
    """With tags, without Via, and with nothing else of From and To."""
    bye = client().request("BYE")
    assert (str(bye.uri), bye.via, str(bye.from_), str(bye.to)) == (
        "sip:bob@192.0.2.2:5070;ob",
        (),
        "<sip:ann@ann.example>;tag=a1",
        "<sip:bob@bob.example>;tag=b2",
    )
    assert client().next_hop == bye.uri


@pytest.mark.parametrize(
    ("recorded", "uri", "route", "hop"),
    [
        (
            "<sip:p3;lr>, <sip:p2>, <sip:p1;lr;x=1>",
            "sip:bob@192.0.2.2:5070;ob",
            "<sip:p1;lr;x=1>, <sip:p2>, <sip:p3;lr>",
            "sip:p1;lr;x=1",
        ),
        (
            "<sip:p3>, <sip:p2;lr>, <sip:p1;method=INVITE;transport=tcp?x=y>",
            "sip:p1;transport=tcp",
            "<sip:p2;lr>, <sip:p3>, <sip:bob@192.0.2.2:5070;ob>",
            "sip:p1;method=INVITE;transport=tcp?x=y",
        ),
    ],
)
@pytest.mark.spec("RFC 3261 §12.2.1.1")
def test_proxies_stay_on_the_way(recorded, uri, route, hop):
    """Loose routers keep the Request-URI, a strict one is it."""
    dialog = client(("Record-Route", recorded))
    bye = dialog.request("BYE")
    assert (str(bye.uri), bye.get("Route")) == (uri, route)
    assert str(dialog.next_hop) == hop
    assert (
        server(("Record-Route", "<sip:p1;lr>, <sip:p2;lr>")).request("BYE").get("Route")
        == "<sip:p1;lr>, <sip:p2;lr>"
    )


@pytest.mark.spec("RFC 3261 §13.2.2.4")
def test_a_success_confirms_and_says_the_way_anew():
    """But only the first; a dialog that is over stays so."""
    dialog = client(("Record-Route", "<sip:p1;lr>"))
    assert dialog.state is DialogState.EARLY
    invite = request("INVITE", number=7)
    dialog.confirm(
        respond(invite, 200, "b2", fields=(("Contact", "<sip:bob@h2>"), ("Record-Route", "<sip:p2;lr>")))
    )
    assert dialog.state is DialogState.CONFIRMED
    dialog.confirm(respond(invite, 200, "b2", fields=(CONTACT,)))
    bye = dialog.request("BYE")
    assert (str(bye.uri), bye.get("Route")) == ("sip:bob@h2", "<sip:p2;lr>")
    dialog.terminate()
    dialog.confirm()
    assert dialog.state is DialogState.TERMINATED
    assert client(status=200).state is DialogState.CONFIRMED
    answered = server()
    answered.confirm()
    assert answered.state is DialogState.CONFIRMED


@pytest.mark.spec("RFC 3261 §12.2.2")
def test_requests_that_come_too_late_are_out_of_order():
    """Gaps are none of our business; ACK and CANCEL have others' numbers."""
    dialog = server()
    found = [
        dialog.is_out_of_order(request(method, number=number))
        for method, number in (("INFO", 9), ("INFO", 8), ("INFO", 9), ("ACK", 7), ("CANCEL", 7), ("INFO", 10))
    ]
    assert found == [False, True, True, False, False, False]
    assert not client().is_out_of_order(request("BYE", number=1))


@pytest.mark.spec("RFC 3261 §12.2.2")
def test_a_target_is_refreshed_by_some_methods():
    """INVITE says where the peer is now, INFO does not; without Contact all stays."""
    dialog = server()
    for method, where in (("INFO", "one"), ("UPDATE", "two"), ("INVITE", "three")):
        dialog.refresh_target(request(method, fields=(("Contact", f"<sip:{where}>"),)))
    dialog.refresh_target(request("INVITE"))
    assert dialog.target == parse_uri("sip:three")
    dialog.refresh_target(respond(request("UPDATE"), 200, fields=(("Contact", "<sip:four>"),)))
    assert dialog.target == parse_uri("sip:four")


@pytest.mark.parametrize("value", [None, "*", "<sip:a>, <sip:b>", "<tel:+1>", "nobody"])
def test_without_one_address_there_is_no_dialog(value):
    """Nobody could send a request in it."""
    invite = request("INVITE", fields=(("Contact", value),) if value else ())
    with pytest.raises(Malformed):
        Dialog.of_server(invite, "b2", 1)


def test_headers_of_a_contact_are_not_taken_over():
    """A peer does not choose what we send."""
    assert contact(request("INVITE", fields=(("Contact", "<sip:a?Subject=x>"),))) == parse_uri("sip:a")


def test_a_long_record_route_is_malformed():
    """It would be sent with every request."""
    with pytest.raises(Malformed):
        client(("Record-Route", ", ".join(["<sip:p;lr>"] * (MAX_ROUTE + 1))))


@pytest.mark.parametrize(("status", "ends"), [(481, True), (408, True), (486, False), (200, False)])
@pytest.mark.spec("RFC 3261 §12.2.1.2")
def test_some_failures_end_the_dialog(status, ends):
    """The peer does not know it any more."""
    assert ends_dialog(respond(request("BYE"), status)) is ends
    assert isinstance(client().request("BYE"), Request)
