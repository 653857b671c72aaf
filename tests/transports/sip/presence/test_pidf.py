"""Documents about how somebody is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.events import Show
from transports.sip.presence.package import Package
from transports.sip.presence.pidf import CLOSED, MAX_NOTE, PIDF, PidfWriter, State, parse_pidf, write_pidf
from transports.sip.wire.uri import Malformed

HEAD = (
    "<?xml version='1.0' encoding='UTF-8'?><p:presence xmlns:p='urn:ietf:params:xml:ns:pidf'"
    " xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' xmlns:r='urn:ietf:params:xml:ns:pidf:rpid'"
    " entity='pres:a@b.example'>"
)


def read(*parts: str) -> State:
    return parse_pidf((HEAD + "".join(parts) + "</p:presence>").encode())


def device(basic: str = "open", show: str = "", note: str = "", priority: str = "", more: str = "") -> str:
    shown = f"<show xmlns='jabber:client'>{show}</show>" if show else ""
    contact = f"<p:contact priority='{priority}'>sip:a@b.example</p:contact>" if priority else ""
    noted = f"<p:note xml:lang='en'>{note}</p:note>" if note else ""
    return f"<p:tuple id='x'><p:status><p:basic>{basic}</p:basic>{shown}</p:status>{contact}{noted}{more}</p:tuple>"


def test_example_of_the_rfc_is_away() -> None:
    """RFC 8048 §5.2.1, example 4."""
    assert read(device(show="away")) == State(is_open=True, show=Show.AWAY)


def test_most_available_device_counts_and_then_the_priority() -> None:
    """RFC 8048 §6.2: of three devices, what people would see."""
    many = (device("closed", note="off"), device(show="dnd", note="busy"), device(note="low", priority="0.2"))
    assert read(*many) == State(is_open=True, note="low")
    assert read(*many, device(note="high", priority="0.8")).note == "high"
    assert read(*many, device(note="odd", priority="7")).note == "low"


def test_nobody_is_there_when_no_device_is_open() -> None:
    """Closed, without a tuple, or with tuples that do not say."""
    assert read() == CLOSED
    assert read(device("closed"), device("closed", note="gone home")) == State(
        is_open=False, note="gone home"
    )
    assert read(device("perhaps"), "<p:tuple id='y'/>") == CLOSED


@pytest.mark.parametrize(
    ("where", "show"),
    [
        ("<dm:person id='p'><r:activities><r:on-the-phone/></r:activities></dm:person>", Show.DND),
        ("<dm:person id='p'><r:activities><r:odd/><r:away/></r:activities></dm:person>", Show.AWAY),
        ("<dm:person id='p'><r:activities><r:odd/></r:activities></dm:person>", Show.AVAILABLE),
    ],
)
def test_activity_of_the_person_is_shown_where_devices_say_open_only(where: str, show: Show) -> None:
    """RFC 4480 §3.2, as phones and PBXes send it; what a device says goes first."""
    assert read(device(), where).show is show
    assert read(device(show="xa"), where).show is Show.XA


def test_note_of_the_document_serves_where_no_device_has_one() -> None:
    """RFC 3863 §4.1.6; a very long one is cut."""
    note = f"<p:note>{'x' * 5000}</p:note>"
    assert read(device(), note).note == "x" * MAX_NOTE
    assert read(device(note="own"), note).note == "own"


@pytest.mark.parametrize("bad", [b"", b"<a/>", b"<presence xmlns='jabber:client'/>", b"<presence"])
def test_what_is_no_pidf_is_refused(bad: bytes) -> None:
    """A body that cannot be read is not taken for a closed one."""
    with pytest.raises(Malformed):
        parse_pidf(bad)


@given(
    st.builds(
        State,
        is_open=st.booleans(),
        show=st.sampled_from(Show),
        note=st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=20),
    )
)
def test_what_is_written_is_read_as_it_was(state: State) -> None:
    """Who is not there shows nothing but his note."""
    wanted = state if state.is_open else State(is_open=False, note=state.note)
    assert parse_pidf(write_pidf("sip:a%40b@gw.example", state)) == wanted


def test_package_reads_what_its_writer_writes() -> None:
    """RFC 3856 §6: there are no parts of a state, and who is told no more knows nothing."""
    writer, here = PidfWriter("sip:a@gw.example"), State(is_open=True)
    assert isinstance(PIDF, Package) and (PIDF.name, PIDF.type) == (writer.package, writer.type)
    assert PIDF.parse(writer.write(here, is_full=False)) == here and PIDF.absent == CLOSED
    assert (writer.last(here), writer.last(None)) == (CLOSED, None)
