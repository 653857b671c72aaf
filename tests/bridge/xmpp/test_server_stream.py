from __future__ import annotations

import pytest

from bridge.xmpp.dialback import INVALID, VALID, Pair, Verdict
from bridge.xmpp.element import Element
from bridge.xmpp.stream_events import (
    Acknowledged,
    AcknowledgementRequested,
    DialbackRequested,
    PairAdmitted,
    PairOpened,
    PairRefused,
    Ready,
    ResumeRequested,
    SessionLost,
    SessionOpened,
    SessionResumed,
    StreamEnded,
    StreamFailed,
    TooLarge,
    Verified,
)
from bridge.xmpp.xml import Limits
from tests.bridge.xmpp.streams import (
    CAPULET_KEYS,
    LOCAL,
    MESSAGE,
    REMOTE,
    Link,
    bodies,
    incoming,
    message,
    of_type,
    outgoing,
    session,
)

PAIR = Pair(LOCAL, REMOTE)
ROOMS = Pair("rooms.capulet.example", REMOTE)


def admit(stream, event) -> None:
    stream.answer(event.pair, VALID)


def classic(**changes) -> Link:
    """A link on which neither certificate is worth anything."""
    return Link(capulet_problem="self-signed", montague_problem="self-signed", on_dialback=admit, **changes)


# ---- authentication


def test_valid_certificate_opens_the_pair() -> None:
    """EXTERNAL over TLS, and a session that survives the stream."""
    link = Link().authenticated()
    assert of_type(link.near_events, PairOpened)[0].pair == PAIR
    assert of_type(link.far_events, PairAdmitted) == [PairAdmitted(PAIR, "certificate")]
    assert (
        link.near.session is not None
        and link.near.session.id == of_type(link.far_events, SessionOpened)[0].session.id
    )


def test_untrusted_certificate_leaves_dialback() -> None:
    """EXTERNAL is not offered to whom it would not let in; the key is asked about."""
    link = classic().authenticated()
    assert b"EXTERNAL" not in link.text("far")
    (asked,) = of_type(link.far_events, DialbackRequested)
    assert asked.pair == PAIR
    assert CAPULET_KEYS.knows(PAIR, asked.stream_id, asked.key)
    assert of_type(link.near_events, PairOpened)[0].pair == PAIR


def test_required_certificate_that_is_not_valid_ends_the_stream() -> None:
    """Nothing is sent to whom we cannot trust, and he gets no stanza's byte."""
    link = Link(outgoing(certificate_required=True), montague_problem="expired").start()
    (failed,) = of_type(link.near_events, StreamFailed)
    assert failed.condition == "policy-violation"
    assert not of_type(link.near_events, Ready)


def test_peer_without_tls_is_left_if_encryption_is_required() -> None:
    """There is no silent fall-back to plain text."""
    link = Link(encryption="never").start()
    assert of_type(link.near_events, StreamFailed)[0].text == "TLS is required"


def test_plain_text_is_possible_where_both_allow_it() -> None:
    """Dialback in the clear, for named legacy peers."""
    link = Link(outgoing(encryption="never"), encryption="optional", on_dialback=admit).authenticated()
    assert of_type(link.near_events, PairOpened)
    assert not link.near.is_secure


def test_plain_text_with_a_peer_that_wants_tls_fails() -> None:
    """A policy of no TLS meets one that requires it."""
    link = Link(outgoing(encryption="never")).start()
    assert of_type(link.near_events, StreamFailed)


def test_external_that_fails_is_followed_by_dialback() -> None:
    """COMPAT ejabberd: it offers EXTERNAL always, and refuses afterwards."""
    near, ours = outgoing(), MESSAGE
    near.start()
    near.receive_data(
        b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0'>"
        b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"
    )
    near.receive_data(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    near.tls_started("")
    near.receive_data(
        b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' id='2' version='1.0'>"
        b"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism>"
        b"</mechanisms><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback></stream:features>"
    )
    near.data_to_send()
    near.authenticate()
    assert b"<auth" in near.data_to_send()
    near.receive_data(b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>")
    assert near.data_to_send().startswith(b"<db:result")
    near.receive_data(
        b"<db:result xmlns:db='jabber:server:dialback' from='montague.example' to='capulet.example' type='valid'/>"
    )
    near.send(PAIR, ours)
    assert near.data_to_send() == ours


def test_peer_that_is_refused_hears_why_and_offers_end() -> None:
    """The operator's list: a stream error before any feature."""
    link = Link(refused="policy-violation").start()
    assert of_type(link.near_events, StreamFailed)[0] == StreamFailed("policy-violation", "", by_peer=True)
    assert b"features" not in link.text("far")


# ---- what may be sent


def test_stanza_of_another_domain_ends_the_stream() -> None:
    """Nobody speaks for a domain that he has not proven (RFC 6120 §8.1.2.2)."""
    link = Link().authenticated()
    link.far.receive_data(message("mallory@verona.example", "romeo@montague.example"))
    assert bodies(link.far.take_events()) == []
    assert link.far.state == "closed"
    assert b"invalid-from" in link.far.data_to_send()


@pytest.mark.parametrize(
    ("sender", "to"), [("", "romeo@montague.example"), ("juliet@capulet.example", ""), ("@", "x")]
)
def test_stanza_without_both_addresses_ends_the_stream(sender: str, to: str) -> None:
    """RFC 6120 §8.1.1.2."""
    link = Link().authenticated()
    link.far.receive_data(message(sender, to))
    assert b"improper-addressing" in link.far.data_to_send()


def test_stanza_before_authentication_is_not_taken() -> None:
    """Whoever has proven nothing may say nothing."""
    link = Link().start()
    link.far.receive_data(MESSAGE)
    assert bodies(link.far.take_events()) == []
    assert link.far.state == "closed"


def test_dialback_admits_its_own_pair_only() -> None:
    """A key is for one target; another one is asked for anew."""
    link = classic().authenticated()
    link.far.receive_data(message("juliet@capulet.example", "lobby@chat.montague.example"))
    assert link.far.state == "closed"


def test_sending_without_an_open_pair_is_an_error() -> None:
    """The pool must ask first."""
    link = Link().start()
    with pytest.raises(ValueError, match="no stanzas"):
        link.near.send(PAIR, MESSAGE)


def test_addresses_are_compared_prepared() -> None:
    """Spelling is not identity."""
    link = Link().authenticated()
    link.far.receive_data(message("Juliet@CAPULET.example/x", "romeo@Montague.Example"))
    assert bodies(link.far.take_events()) == ["hi"]


def test_large_stanza_concerns_its_sender_only() -> None:
    """He is answered; the stream, which many share, goes on."""
    link = Link(far=incoming(Limits(stanza_bytes=1_000, skip_bytes=100_000)))
    link.far._trusted = Limits(stanza_bytes=1_000, skip_bytes=100_000)
    link.authenticated()
    big = MESSAGE.replace(b"Romeo!", b"x" * 5_000)
    link.far.receive_data(big + MESSAGE)
    events = link.far.take_events()
    assert of_type(events, TooLarge)[0].stanza.get("from") == "juliet@capulet.example/balcony"
    assert bodies(events) == ["Romeo!"]


# ---- both directions


def test_bidirectional_stream_carries_answers() -> None:
    """One connection for both (XEP-0288)."""
    link = Link().authenticated()
    assert of_type(link.far_events, PairOpened)[0].pair == PAIR.inverse
    link.far.send(PAIR.inverse, message("romeo@montague.example", "juliet@capulet.example"))
    link.pump()
    assert bodies(link.near_events) == ["hi"]


def test_one_way_stream_admits_no_answers() -> None:
    """Without XEP-0288 the peer needs a stream of its own."""
    link = Link(outgoing(bidirectional=False)).authenticated()
    assert not of_type(link.far_events, PairOpened)
    link.near.receive_data(message("romeo@montague.example", "juliet@capulet.example"))
    assert bodies(link.near.take_events()) == []
    assert link.near.state == "closed"


def test_answers_for_another_pair_are_not_taken() -> None:
    """A bidirectional stream is for the inverse of what was asked, no more."""
    link = Link().authenticated()
    link.near.receive_data(message("mallory@verona.example", "juliet@capulet.example"))
    assert bodies(link.near.take_events()) == []
    assert link.near.state == "closed"


# ---- dialback


def test_second_domain_shares_the_stream() -> None:
    """Piggybacking (XEP-0220 §2.6.1)."""
    link = Link(capulet_problem="", on_dialback=admit).authenticated()
    assert link.near.request_pair(ROOMS)
    link.pump()
    link.near.send(ROOMS, message("lobby@rooms.capulet.example", "romeo@montague.example"))
    link.pump()
    assert bodies(link.far_events) == ["hi"]


def test_refused_pair_leaves_the_stream_alone() -> None:
    """XEP-0220 §2.5: an error is about its pair."""
    link = Link(
        on_dialback=lambda stream, event: stream.answer(event.pair, Verdict(False, "forbidden"))
    ).authenticated()
    link.near.request_pair(ROOMS)
    link.pump()
    assert of_type(link.near_events, PairRefused) == [PairRefused(ROOMS, "forbidden")]
    link.near.send(PAIR, MESSAGE)
    link.pump()
    assert bodies(link.far_events) == ["Romeo!"]


def test_pair_of_a_domain_not_hosted_is_refused() -> None:
    """The error names the domain that was asked for, though it is not ours."""
    link = Link().authenticated()
    link.near.request_pair(Pair(LOCAL, "verona.example"))
    link.pump()
    assert of_type(link.near_events, PairRefused) == [
        PairRefused(Pair(LOCAL, "verona.example"), "item-not-found")
    ]


def test_peer_that_claims_one_of_our_domains_is_refused() -> None:
    """Loops, and liars."""
    link = Link().authenticated()
    link.near.request_pair(Pair("chat.montague.example", REMOTE))
    link.pump()
    assert of_type(link.near_events, PairRefused)[0].condition == "not-authorized"


def test_unsolicited_answers_let_nobody_in() -> None:
    """CVE-2012-3525's kind: valid, says somebody whom nobody asked."""
    link = classic().start()
    for stream in (link.near, link.far):
        stream.receive_data(
            b"<db:result xmlns:db='jabber:server:dialback' from='montague.example' to='capulet.example' type='valid'/>"
            b"<db:verify xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example' id='x' type='valid'/>"
        )
        assert stream.take_events() == []
    assert not link.near.may_send(PAIR)


def test_authority_knows_its_own_keys_only() -> None:
    """Asked by the receiving server, we answer by what the key is made of (XEP-0185)."""
    link = Link().authenticated()
    answers = []
    for key in (CAPULET_KEYS.make(PAIR, "s"), "0" * 64):
        # the Montagues ask back over a stream of theirs, on which the roles are turned
        link.near.receive_data(
            f"<db:verify xmlns:db='jabber:server:dialback' from='{REMOTE}' to='{LOCAL}' id='s'>{key}</db:verify>".encode()
        )
        answers.append(link.near.data_to_send())
    assert b"type='valid'" in answers[0]
    assert b"type='invalid'" in answers[1]


def test_question_about_a_key_is_answered_once() -> None:
    """The verdict comes with pair and stream id, and a second answer is nothing."""
    link = Link().authenticated()
    pair = Pair(REMOTE, LOCAL)
    assert link.near.verify(pair, "s9", "some key")
    link.pump()
    assert of_type(link.near_events, Verified) == [Verified(pair, "s9", INVALID)]
    link.near.receive_data(
        b"<db:verify xmlns:db='jabber:server:dialback' from='montague.example' to='capulet.example' id='s9' type='valid'/>"
    )
    assert link.near.take_events() == []


def test_answer_after_tls_has_begun_anew_is_void() -> None:
    """What was asked in the clear does not count under TLS."""
    asked = []
    link = Link(
        outgoing(encryption="never"), encryption="optional", on_dialback=lambda _, event: asked.append(event)
    ).authenticated()
    link.far.receive_data(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    link.far.tls_started()
    link.far.take_events()
    link.far.answer(asked[0].pair, VALID)
    assert not link.far.is_authenticated


# ---- stream management


def test_acknowledgement_empties_the_outbox() -> None:
    """What has arrived is forgotten."""
    link = Link().authenticated()
    link.near.send(PAIR, MESSAGE)
    link.near.request_acknowledgement()
    link.pump()
    (asked,) = of_type(link.far_events, AcknowledgementRequested)
    link.far.acknowledge(asked.handled)
    link.pump()
    assert of_type(link.near_events, Acknowledged)
    assert len(link.near.session.outbox) == 0


def test_resumed_stream_sends_what_was_lost_and_no_more() -> None:
    """The link broke; one of two stanzas had arrived."""
    former = session(MESSAGE, MESSAGE.replace(b"Romeo!", b"Wherefore?"))
    link = Link(outgoing(session=former)).start()
    theirs = session()
    theirs.handled = 1
    link.near.authenticate()
    link.pump()
    (asked,) = of_type(link.far_events, ResumeRequested)
    assert (asked.id, asked.handled) == ("s1", 0)
    assert not of_type(link.near_events, PairOpened), "nothing new before what is old"
    link.far.resume(theirs, asked.handled)
    link.pump()
    assert bodies(link.far_events) == ["Wherefore?"]
    assert of_type(link.near_events, SessionResumed, PairOpened) == [PairOpened(PAIR), SessionResumed()]


def test_pairs_go_on_with_their_session() -> None:
    """Those that were asked for later on the former stream need no new proof (XEP-0198 §5)."""
    former, theirs, second = session(), session(), Pair("rooms.capulet.example", REMOTE)
    former.opened, theirs.admitted = {PAIR, second}, {PAIR, second}
    link = Link(outgoing(session=former)).start()
    link.near.authenticate()
    link.pump()
    assert not link.near.may_send(second)
    assert link.far.resume(theirs, 0)
    link.pump()
    assert of_type(link.near_events, SessionResumed, PairOpened)[-1] == SessionResumed()
    assert link.near.may_send(second)
    link.near.send(second, message("lobby@rooms.capulet.example", "romeo@montague.example"))
    link.pump()
    assert bodies(link.far_events) == ["hi"]


def test_session_that_was_under_tls_does_not_go_on_without() -> None:
    """Somebody on the way may have left TLS out."""
    former = session(MESSAGE)
    former.is_secure = True
    link = Link(outgoing(encryption="never", session=former), encryption="optional").start()
    link.near.authenticate()
    link.far.on_dialback = None
    link.pump()
    (asked,) = of_type(link.far_events, DialbackRequested)
    link.far.answer(asked.pair, VALID)
    link.pump()
    assert not of_type(link.far_events, ResumeRequested)
    assert [lost.session for lost in of_type(link.near_events, SessionLost)] == [former]
    assert not link.far.resume(former, 0)


def test_tls_does_not_begin_after_authentication() -> None:
    """What is carried already would have no proof under it."""
    asked = []
    link = Link(
        outgoing(encryption="never"), encryption="optional", on_dialback=lambda _, event: asked.append(event)
    ).authenticated()
    link.far.answer(asked[0].pair, VALID)
    link.pump()
    assert link.far.session is not None
    link.far.receive_data(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    assert b"<failure" in link.far.data_to_send()


def test_session_is_resumable_only_if_that_was_asked_for() -> None:
    """XEP-0198 §5."""
    link = Link().authenticated()
    link.far.session = None
    link.far.receive_data(b"<enable xmlns='urn:xmpp:sm:3'/>")
    assert link.far.take_events() == []
    assert link.far.data_to_send() == b"<enabled xmlns='urn:xmpp:sm:3'/>"


def test_bidirectional_stream_is_used_when_what_goes_by_it_counts() -> None:
    """Before the peer has asked for that, or sent something itself, a break would lose our stanzas."""
    link = Link()
    link.near._manage = link.near._settle  # type: ignore[method-assign]
    link.authenticated()
    assert not of_type(link.far_events, PairOpened)
    link.near.send(PAIR, MESSAGE)
    link.pump()
    assert of_type(link.far_events, PairOpened) == [PairOpened(PAIR.inverse)]


def test_lost_session_gives_back_what_had_not_arrived() -> None:
    """The peer knows the session no more, but its count."""
    former = session(MESSAGE, MESSAGE.replace(b"Romeo!", b"Wherefore?"))
    link = Link(outgoing(session=former)).start()
    link.near.authenticate()
    link.pump()
    theirs = session()
    theirs.handled = 1
    link.far.refuse_resume(theirs)
    link.pump()
    (lost,) = of_type(link.near_events, SessionLost)
    assert [stanza for _, stanza in lost.session.outbox.pending()] == [
        MESSAGE.replace(b"Romeo!", b"Wherefore?")
    ]
    assert of_type(link.near_events, PairOpened)
    assert link.near.session is not former


def test_resuming_before_authentication_is_refused() -> None:
    """A session is taken up by whose it is."""
    link = Link().start()
    link.far.receive_data(b"<resume xmlns='urn:xmpp:sm:3' previd='s1' h='0'/>")
    assert link.far.take_events() == []
    assert b"unexpected-request" in link.far.data_to_send()


def test_peer_that_acknowledges_too_much_is_left() -> None:
    """It cannot count; what was sent is kept for another stream."""
    link = Link().authenticated()
    link.near.receive_data(b"<a xmlns='urn:xmpp:sm:3' h='5'/>")
    assert of_type(link.near.take_events(), StreamFailed)


# ---- ends


def test_closing_is_answered_and_ends_well() -> None:
    """RFC 6120 §4.4."""
    link = Link().authenticated()
    link.near.close()
    link.pump()
    assert of_type(link.near_events, StreamEnded) and of_type(link.far_events, StreamEnded)


def test_farewell_that_is_not_answered_leaves_a_session_in_doubt() -> None:
    """The peer may not know what of its stanzas had arrived: that is told by resuming."""
    link = Link().authenticated()
    link.near.close()
    link.near.receive_eof()
    link._take_events(link.near)
    assert [failed.condition for failed in of_type(link.near_events, StreamFailed)] == [""]
    assert not of_type(link.near_events, StreamEnded)


def test_closing_takes_what_was_still_under_way() -> None:
    """The other side may finish its sentence, if nobody counts what arrives."""
    link = Link().authenticated()
    link.near.session = link.far.session = None
    link.far.send(PAIR.inverse, message("romeo@montague.example", "juliet@capulet.example"))
    link.near.close()
    link.near.receive_data(link.far.data_to_send())
    assert bodies(link.near.take_events()) == ["hi"]


def test_what_comes_after_the_last_acknowledgement_is_left_to_the_sender() -> None:
    """It knows from the count that came with the end that this was not taken (XEP-0198 §5)."""
    link = Link().authenticated()
    link.far.send(PAIR.inverse, message("romeo@montague.example", "juliet@capulet.example"))
    link.near.close()
    link.pump()
    assert bodies(link.near_events) == []
    assert len(link.far.session.outbox) == 1


def test_error_that_ends_a_stream_tells_what_was_taken() -> None:
    """So that the peer sends the rest again, and nothing twice."""
    link = Link().authenticated()
    link.near.send(PAIR, MESSAGE)
    link.far.receive_data(link.near.data_to_send())
    link.far.fail("system-shutdown")
    link.near.receive_data(link.far.data_to_send())
    assert len(link.near.session.outbox) == 0


def test_broken_connection_is_a_failure() -> None:
    """Nobody said goodbye."""
    link = Link().authenticated()
    link.near.receive_eof()
    assert of_type(link.near.take_events(), StreamFailed)
    link.near.receive_eof()
    assert link.near.take_events() == []


def test_garbage_ends_the_stream_with_its_error() -> None:
    """And says what it was."""
    link = Link().authenticated()
    link.far.receive_data(b"<message from='juliet@capulet.example' to='romeo@montague.example'></iq>")
    assert b"not-well-formed" in link.far.data_to_send()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("<max-bytes>10000</max-bytes><idle-seconds>1800</idle-seconds>", (10_000, 1800)),
        ("<idle-seconds>60</idle-seconds>", (0, 60)),
        ("<max-bytes>-1</max-bytes><idle-seconds>soon</idle-seconds>", (0, 0)),
        (f"<max-bytes>{'9' * 5000}</max-bytes><idle-seconds>\u0661</idle-seconds>", (0, 0)),
        ("", (0, 0)),
    ],
)
def test_limits_of_the_peer_are_read(written: str, read: tuple[int, int]) -> None:
    """In features and in the wish for both directions; nonsense is no limit."""
    near, far = outgoing(), Link().start().far
    near.start()
    limits = f"<limits xmlns='urn:xmpp:stream-limits:0'>{written}</limits>"
    near.receive_data(
        "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0'>"
        f"<stream:features>{limits}</stream:features>".encode()
    )
    far.receive_data(f"<bidi xmlns='urn:xmpp:bidi'>{limits}</bidi>".encode())
    for stream in (near, far):
        assert (stream.peer_stanza_bytes, stream.peer_idle_seconds) == read


def test_unknown_element_is_refused() -> None:
    """RFC 6120 §4.9.3.24."""
    link = Link().authenticated()
    link.far.receive_data(
        b"<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>"
    )
    assert b"unsupported-stanza-type" in link.far.data_to_send()


def test_elements_in_the_stream_are_normalised() -> None:
    """Inside the bridge every stanza has one namespace."""
    link = Link().authenticated()
    link.far.receive_data(MESSAGE)
    (stanza,) = of_type(link.far.take_events(), Element)
    assert stanza.namespace == "jabber:component:accept"
