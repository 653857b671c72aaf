"""Mentions, threads and odd kinds of messages between a real homeserver and XMPP."""

from __future__ import annotations

from urllib.parse import quote

from tests.live.matrix.stage import MatrixStage

NS_REFERENCE = "urn:xmpp:reference:0"


def uri(jid: str) -> str:
    return f"xmpp:{quote(jid, safe='@/')}"


def references(message) -> list[tuple[str, ...]]:
    """The references of a message: type, URI, and the words."""
    body = message.findtext("body")
    return [
        (one.get("type"), one.get("uri"), body[int(one.get("begin", 0)) : int(one.get("end", 0))])
        for one in message.iter(f"{{{NS_REFERENCE}}}reference")
    ]


async def test_mentions_go_both_ways(matrix_stage: MatrixStage):
    """XEP-0372: people are called, by a pill there and a reference here."""
    romeo, juliet, room = await matrix_stage.together()
    ghost = matrix_stage.ghost("romeo")
    html = f'hear, <a href="https://matrix.to/#/{ghost}">romeo</a>!'
    await juliet.send(
        room,
        {
            "msgtype": "m.text",
            "body": "hear, romeo!",
            "format": "org.matrix.custom.html",
            "formatted_body": html,
            "m.mentions": {"user_ids": [ghost]},
        },
    )
    said = await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    assert references(said) == [("mention", uri(f"{matrix_stage.room}/romeo"), "romeo")]
    where = f"uri='{uri(matrix_stage.room)}/Juliet' begin='5' end='11'"
    reference = f"<reference xmlns='{NS_REFERENCE}' type='mention' {where}/>"
    romeo.say(matrix_stage.room, "dear Juliet", extra=reference)
    heard = await juliet.hears(room, "dear Juliet")
    assert heard["content"]["m.mentions"] == {"user_ids": [juliet.id]}
    assert heard["content"]["formatted_body"] == f'dear <a href="https://matrix.to/#/{juliet.id}">Juliet</a>'
    romeo.say(matrix_stage.room, "up, @room")
    assert (await juliet.hears(room, "up, @room"))["content"]["m.mentions"] == {"room": True}


async def test_links_lead_to_the_same_room_on_both_sides(matrix_stage: MatrixStage):
    """A link of Matrix is one to the gateway's address here, and the other way round."""
    romeo, juliet, room = await matrix_stage.together()
    alias = f"#tomb:{matrix_stage.synapse.server_name}"
    await juliet.say(room, f"to https://matrix.to/#/{alias}")
    said = await romeo.message(frm=f"{matrix_stage.room}/Juliet")
    address = uri(f"#tomb\\3a{matrix_stage.synapse.server_name}@{matrix_stage.bridge.domain}")
    assert references(said) == [("data", f"{address}?join", f"https://matrix.to/#/{alias}")]
    romeo.say(matrix_stage.room, f"to {address}?join")
    heard = await juliet.hears(room, f"to {address}?join")
    assert f'<a href="https://matrix.to/#/{alias}">' in heard["content"]["formatted_body"]


async def test_threads_go_both_ways(matrix_stage: MatrixStage):
    """XEP-0201: a thread is named by the message that it begins with."""
    romeo, juliet, room = await matrix_stage.together()
    root = await juliet.say(room, "of names")
    assert (await romeo.message(frm=f"{matrix_stage.room}/Juliet")).find("thread") is None
    relation = {"rel_type": "m.thread", "event_id": root}
    first = await juliet.send(room, {"msgtype": "m.text", "body": "a rose", "m.relates_to": relation})
    assert (await romeo.message(frm=f"{matrix_stage.room}/Juliet")).findtext("thread") == root
    romeo.say(matrix_stage.room, "as sweet", extra=f"<thread>{root}</thread>")
    heard = await juliet.hears(room, "as sweet")
    assert heard["content"]["m.relates_to"] == {
        **relation,
        "is_falling_back": True,
        "m.in_reply_to": {"event_id": first},
    }
    assert (await romeo.message(frm=f"{matrix_stage.room}/romeo")).findtext("thread") == root


async def test_odd_messages_are_shown_as_words(matrix_stage: MatrixStage):
    """Places and polls; what only devices understand is not shown."""
    romeo, juliet, room = await matrix_stage.together()
    await juliet.send(room, {"msgtype": "m.location", "body": "Verona", "geo_uri": "geo:45.4,10.9"})
    await juliet.send(room, {"msgtype": "m.key.verification.request", "body": "verify?", "to": juliet.id})
    answers = [{"m.id": "y", "m.text": [{"body": "Yes"}]}, {"m.id": "n", "m.text": [{"body": "No"}]}]
    question = {"m.text": [{"body": "Tea?"}]}
    poll = await juliet.send(
        room, {"m.poll.start": {"question": question, "answers": answers}}, "m.poll.start"
    )
    relation = {"rel_type": "m.reference", "event_id": poll}
    await juliet.send(room, {"m.selections": ["n"], "m.relates_to": relation}, "m.poll.response")
    await juliet.send(room, {"m.text": [{"body": "No wins"}], "m.relates_to": relation}, "m.poll.end")
    bodies = [(await romeo.message(frm=f"{matrix_stage.room}/Juliet")).findtext("body") for _ in range(4)]
    assert bodies == [
        "Verona\ngeo:45.4,10.9",
        "[poll] Tea?\n1. Yes\n2. No",
        "/me votes for 2. No",
        "[poll] No wins",
    ]
