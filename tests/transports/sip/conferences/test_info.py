"""The documents of conferences, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.sip.conferences.info import (
    CONFERENCE,
    MAX_USERS,
    NS_INFO,
    Conference,
    ConferenceWriter,
    Info,
    User,
    key_of,
    key_of_entity,
    parse_info,
)
from transports.sip.wire.headers import parse_name_addr
from transports.sip.wire.uri import Malformed

EXAMPLE = b"""<?xml version="1.0" encoding="UTF-8"?>
<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" version="0" state="full"
    entity="sip:3402934234@chat.example.org">
  <conference-description>
    <subject>Today in Verona</subject>
    <conf-uris><entry><uri>tel:+18882934234</uri></entry></conf-uris>
  </conference-description>
  <users>
    <user entity="sip:montague@chat.example.org;gr=Romeo" state="full">
      <display-text>Romeo</display-text>
      <roles><entry>participant</entry></roles>
      <endpoint entity="sip:montague@chat.example.org;gr=Romeo" state="full">
        <status>connected</status><media id="211835820"><type>message</type></media>
      </endpoint>
    </user>
    <user entity="sip:ben@example.org"><endpoint><status>disconnected</status></endpoint></user>
  </users>
</conference-info>"""
"""As RFC 7702 §5.4 has it, and somebody who has hung up."""


def document(users: str = "", attributes: str = "", more: str = "") -> bytes:
    return f"<conference-info xmlns='{NS_INFO}' {attributes}>{more}<users>{users}</users></conference-info>".encode()


def test_example_of_the_specification_is_read() -> None:
    """RFC 7702 §5.4, example 9; whose last endpoint is disconnected is not there."""
    assert CONFERENCE.parse(EXAMPLE) == Info(
        version=0,
        is_full=True,
        subject="Today in Verona",
        users=(User("sip:montague@chat.example.org;gr=Romeo", "Romeo"),),
        gone=("sip:ben@example.org",),
    )


def test_partial_document_tells_only_what_it_has() -> None:
    """RFC 4575 §4.4: what is not in it has not changed; state deleted is who went, and a conference that is over."""
    users = "<user entity='sip:a@x'/><user entity='sip:b@x' state='deleted'/><user/>"
    info = parse_info(document(users, "state='partial' version='7'"))
    assert info == Info(version=7, is_full=False, users=(User("sip:a@x"),), gone=("sip:b@x",))
    assert parse_info(document(attributes="state='deleted'")).is_over


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<a/>",
        b"<conference-info xmlns='x'/>",
        document(attributes="version='-1'"),
        document(attributes="version='99999999999'"),
        b"<!DOCTYPE a>" + document(),
    ],
)
def test_garbage_is_refused(data: bytes) -> None:
    """Nothing of it is believed."""
    with pytest.raises(Malformed):
        parse_info(data)


def test_people_are_bounded() -> None:
    """Who comes after the limit is left out."""
    many = "".join(f"<user entity='sip:u{number}@x'/>" for number in range(MAX_USERS + 5))
    assert len(parse_info(document(many)).users) == MAX_USERS


def test_people_are_told_apart_by_user_host_and_gruu() -> None:
    """RFC 7702 has the GRUU's end in the URI, and beside it."""
    beside = parse_name_addr("<sip:montague@chat.example.org>;gr=Romeo")
    assert key_of(beside.uri, beside) == key_of_entity("sip:montague@CHAT.example.org;gr=Romeo;x=y")
    assert key_of_entity("bob@x") == key_of_entity("sip:bob@x") != key_of_entity("sip:bob@x;gr=1")
    assert key_of_entity("tel:+1") == "tel:+1" and key_of_entity("a b") == "a b"


PEOPLE = st.dictionaries(
    st.sampled_from([f"sip:p{number}@x" for number in range(6)]), st.text("ab<&' é", max_size=4), max_size=6
)


@given(st.lists(st.tuples(st.text("ab<&é", max_size=4), PEOPLE, st.booleans()), max_size=12))
def test_changes_lead_to_the_same_state(steps: list[tuple[str, dict[str, str], bool]]) -> None:
    """Whoever applies each document in its turn knows what we know (RFC 4575 §4.4)."""
    writer, known, subject, version = ConferenceWriter("sip:room@x"), dict[str, str](), "", -1
    for topic, people, is_full in steps:
        state = Conference(topic, tuple(people.items()), len(people))
        data = writer.write(state, is_full=is_full)
        if data:
            info = parse_info(data)
            assert info.version == version + 1 and (info.is_full or not is_full)
            version = info.version
            if info.is_full:
                known.clear()
            for user in info.users:
                known[user.entity] = user.name
            for entity in info.gone:
                del known[entity]
            subject = subject if info.subject is None else info.subject
        assert subject == topic.strip()
        assert known == {uri: " ".join(name.split()) for uri, name in people.items()}
    assert writer.last(None) is None
