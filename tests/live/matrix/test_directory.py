"""Public rooms of a real homeserver, as XMPP sees them."""

from __future__ import annotations

from lxml import etree

from tests.live.cast.stanzas import Stanza
from tests.live.matrix.stage import MatrixStage

INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
SEARCH = "jabber:iq:search"


def search(term: str) -> str:
    fields = {"FORM_TYPE": SEARCH, "term": term}
    inside = "".join(f"<field var='{var}'><value>{text}</value></field>" for var, text in fields.items())
    return f"<query xmlns='{SEARCH}'><x xmlns='jabber:x:data' type='submit'>{inside}</x></query>"


def rows(answer: Stanza) -> list[dict[str, str | None]]:
    """What a search found."""
    return [
        {field.get("var"): field[0].text for field in item} for item in answer.iter("{jabber:x:data}item")
    ]


async def test_public_rooms_are_listed_and_found_by_words(matrix_stage: MatrixStage):
    """XEP-0045 §6.3 and XEP-0055: name, topic and number of people."""
    juliet = await matrix_stage.on_matrix("Juliet")
    word = f"word{matrix_stage.number}"
    await matrix_stage.open_room(juliet, name=f"Verona {word}", topic="a fair place")
    romeo = await matrix_stage.on_xmpp("romeo")
    gateway = matrix_stage.bridge.domain
    listed = await romeo.result(gateway, f"<query xmlns='{ITEMS}'/>")
    assert {"jid": matrix_stage.room, "name": f"Verona {word}"} in [dict(one.attrib) for one in listed[0]]
    (found,) = rows(await romeo.result(gateway, search(word), "set"))
    assert found == {
        "jid": matrix_stage.room,
        "name": f"Verona {word}",
        "description": "a fair place",
        "occupants": "1",
    }
    assert rows(await romeo.result(gateway, search(f"no{word}"), "set")) == []
    form = await romeo.result(gateway, f"<query xmlns='{SEARCH}'/>")
    assert {one.get("var") for one in form.iter("{jabber:x:data}field")} == {"FORM_TYPE", "term", "server"}
    offered = await romeo.result(gateway, f"<query xmlns='{INFO}'/>")
    assert SEARCH in [one.get("var") for one in offered.iter(f"{{{INFO}}}feature")]


async def test_room_that_one_is_not_in_tells_what_it_is(matrix_stage: MatrixStage):
    """XEP-0045 §6.4: before joining."""
    juliet = await matrix_stage.on_matrix("Juliet")
    await matrix_stage.open_room(juliet, name="Verona", topic="a fair place")
    romeo = await matrix_stage.on_xmpp("romeo")
    info = await romeo.result(matrix_stage.room, f"<query xmlns='{INFO}'/>")
    assert [one.get("name") for one in info.iter(f"{{{INFO}}}identity")] == ["Verona"]
    words = etree.tostring(info, method="text", encoding="unicode")
    assert "a fair place" in words


async def test_room_that_there_is_not_is_told_to_be_none(matrix_stage: MatrixStage):
    """XEP-0030 §7: no alias of the homeserver leads there."""
    romeo = await matrix_stage.on_xmpp("romeo")
    assert await romeo.error(matrix_stage.room, f"<query xmlns='{INFO}'/>") == "item-not-found"


async def test_link_becomes_the_address_of_its_room(matrix_stage: MatrixStage):
    """XEP-0100 §6.3: as people copy it from their clients."""
    romeo = await matrix_stage.on_xmpp("romeo")
    alias = f"#{matrix_stage.alias}:{matrix_stage.synapse.server_name}"
    prompt = f"<query xmlns='jabber:iq:gateway'><prompt>https://matrix.to/#/{alias}</prompt></query>"
    answer = await romeo.result(matrix_stage.bridge.domain, prompt, "set")
    assert [one.text for one in answer.iter("{jabber:iq:gateway}jid")] == [matrix_stage.room]
