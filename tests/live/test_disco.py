"""Service discovery (XEP-0030), the channel list, versions and times."""

from tests.live.cast.stanzas import value, values
from tests.live.stage import Stage

INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
ITEMS = "http://jabber.org/protocol/disco#items"


def page(*, limit: int, after: str | None = None, before: str | None = None) -> str:
    """Return a disco#items query for one page (XEP-0059)."""
    where = "" if after is None else f"<after>{after}</after>"
    where += "" if before is None else f"<before>{before}</before>" if before else "<before/>"
    rsm = f"<set xmlns='http://jabber.org/protocol/rsm'><max>{limit}</max>{where}</set>"
    return f"<query xmlns='{ITEMS}'>{rsm}</query>"


async def test_gateway_says_what_it_is(stage: Stage):
    """The gateway is conference/irc and gateway/irc, with MUC, commands and ping."""
    romeo = await stage.on_xmpp("romeo")
    info = await romeo.result(stage.domain, INFO)
    kinds = {
        (one.get("category"), one.get("type"))
        for one in info.iter("{http://jabber.org/protocol/disco#info}identity")
    }
    assert ("conference", "irc") in kinds
    features = set(values(info, "discoinfo:query/discoinfo:feature/@var"))
    assert features >= {
        "http://jabber.org/protocol/disco#info",
        "http://jabber.org/protocol/muc",
        "http://jabber.org/protocol/commands",
        "urn:xmpp:ping",
    }


async def test_room_says_what_it_offers(stage: Stage):
    """A joined channel has archive, stable ids and occupant ids."""
    romeo, _ = await stage.together()
    info = await romeo.result(stage.room, INFO)
    features = set(values(info, "discoinfo:query/discoinfo:feature/@var"))
    assert features >= {"http://jabber.org/protocol/muc", "urn:xmpp:mam:2", "urn:xmpp:sid:0"}
    assert value(info, "discoinfo:query/discoinfo:identity[@category='conference']/@type") == "irc"


async def test_own_nick_in_a_room_is_unknown_before_joining(stage: Stage):
    """disco#info of a room's traffic node has no features (XEP-0045 §6.6)."""
    romeo, _ = await stage.together()
    node = "http://jabber.org/protocol/muc#traffic"
    query = f"<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>"
    info = await romeo.iq(stage.room, query)
    assert values(info, "discoinfo:query/discoinfo:feature/@var") == []


async def test_channel_list_pages_forward_and_backward(stage: Stage):
    """disco#items of a server is LIST, paged: every channel once, in one order."""
    juliet = await stage.on_irc("juliet")
    channels = [f"#list{stage.number}x{number}" for number in range(7)]
    for channel in channels:
        await juliet.join(channel)
    romeo = await stage.on_xmpp("romeo")
    await romeo.join(stage.room, stage.nick("romeo"))
    seen: list[str] = []
    after: str | None = None
    while True:
        answer = await romeo.result(stage.server, page(limit=3, after=after))
        jids = values(answer, "discoitems:query/discoitems:item/@jid")
        if not jids:
            break
        assert len(jids) <= 3
        seen += jids
        after = value(answer, "discoitems:query/rsm:set/rsm:last")
    assert len(seen) == len(set(seen))
    assert {stage.room_of(channel) for channel in channels} <= set(seen)
    last = await romeo.result(stage.server, page(limit=3, before=""))
    assert values(last, "discoitems:query/discoitems:item/@jid") == seen[-3:]


async def test_channel_list_without_connection_is_an_error(stage: Stage):
    """Who is not on the server gets no list, and is told."""
    romeo = await stage.on_xmpp("romeo")
    answer = await romeo.iq(stage.server, f"<query xmlns='{ITEMS}'/>")
    assert answer.get("type") in ("error", "result")


async def test_version_and_time_of_the_gateway(stage: Stage):
    """XEP-0092 and XEP-0202 are answered."""
    romeo = await stage.on_xmpp("romeo")
    version = await romeo.result(stage.domain, "<query xmlns='jabber:iq:version'/>")
    assert value(version, "version:query/version:name")
    time = await romeo.result(stage.domain, "<time xmlns='urn:xmpp:time'/>")
    assert value(time, "time:time/time:utc").endswith("Z")


async def test_unknown_questions_are_refused(stage: Stage):
    """RFC 6120 §8.2.3: every request is answered."""
    romeo, _ = await stage.together()
    for address in (stage.domain, stage.server, stage.room):
        assert await romeo.error(address, "<query xmlns='urn:example:unknown'/>") in (
            "service-unavailable",
            "feature-not-implemented",
        )
