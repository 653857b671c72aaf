"""When the stream that we open carries stanzas, and what becomes of a session if it breaks before."""

from __future__ import annotations

from bridge.xmpp.dialback import Pair
from bridge.xmpp.stream_events import PairOpened, SessionLost
from tests.bridge.xmpp.streams import (
    LOCAL,
    MESSAGE,
    REMOTE,
    Link,
    bodies,
    message,
    of_type,
    outgoing,
    session,
)

PAIR = Pair(LOCAL, REMOTE)


def enabling(**changes) -> Link:
    """A link that breaks before the answer to our wish for stream management has arrived."""
    link = Link(outgoing(**changes)).start()
    link.near.authenticate()
    while link.near._management != "enabling":
        for here, there in ((link.near, link.far), (link.far, link.near)):
            link._take_events(here)
            there.receive_data(here.data_to_send())
    link._take_events(link.near)
    return link


def test_nothing_is_sent_before_the_session_has_its_name() -> None:
    """Else nobody could tell, after a break, whether it had arrived."""
    link = enabling()
    assert not of_type(link.near_events, PairOpened)
    assert not link.near.may_send(PAIR)
    link.pump()
    assert of_type(link.near_events, PairOpened) == [PairOpened(PAIR)]
    assert link.near.may_send(PAIR) and link.near.session.id


def test_peer_without_sessions_gets_stanzas_all_the_same() -> None:
    """XEP-0198 §4: it may refuse what it offers."""
    link = enabling()
    link.near.receive_data(b"<failed xmlns='urn:xmpp:sm:3'/>")
    link._take_events(link.near)
    assert of_type(link.near_events, PairOpened) == [PairOpened(PAIR)]
    assert link.near.session is None


def test_peer_need_not_wait_for_the_session() -> None:
    """It knows already that the stream is for both directions."""
    link = enabling()
    link.near.receive_data(message("romeo@montague.example", "juliet@capulet.example"))
    link._take_events(link.near)
    assert bodies(link.near_events) == ["hi"]


def test_former_session_is_kept_until_there_is_another_way() -> None:
    """A break before that leaves it as it was."""
    former = session(MESSAGE)
    link = Link(outgoing(session=former)).start()
    link.near.authenticate()
    link.pump()
    link.far.refuse_resume(None)
    link.near.receive_data(link.far.data_to_send())
    link.near.receive_eof()
    link._take_events(link.near)
    assert not of_type(link.near_events, SessionLost)
    assert link.near.former is former and len(former.outbox) == 1


def test_stanza_after_a_farewell_in_mid_resumption_is_not_taken() -> None:
    """The peer sends it again, for it was not acknowledged."""
    theirs = session(message("romeo@montague.example", "juliet@capulet.example"))
    link = Link(outgoing(session=session())).start()
    link.near.authenticate()
    link.pump()
    assert link.far.resume(theirs, 0)
    link.near.close()
    link.pump()
    assert bodies(link.near_events) == []
    assert len(theirs.outbox) == 1


def test_further_pairs_of_the_peer_are_refused_with_an_error() -> None:
    """XEP-0288 §2.3: it may ask for them on a stream for both directions, and must not wait in vain."""
    link = Link().authenticated()
    pair = "from='chat.montague.example' to='capulet.example'"
    link.near.receive_data(f"<db:result {pair}>{'0' * 64}</db:result>".encode())
    answer = link.near.data_to_send()
    assert b"from='capulet.example' to='chat.montague.example' type='error'" in answer
    assert b"policy-violation" in answer and link.near.state == "ready"
    link.near.receive_data(message("x@chat.montague.example", "juliet@capulet.example"))
    assert b"invalid-from" in link.near.data_to_send()
