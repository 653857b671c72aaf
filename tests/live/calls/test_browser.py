"""People who call from a browser can do so with others, and the bridge reads and writes what they say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lxml import etree
from msgspec.structs import replace

from bridge.calls import Endpoint
from bridge.xmpp.payloads.jingle import Action, build_content, build_jingle, parse_jingle
from bridge.xmpp.payloads.jingle_ice import build_transport, parse_endpoints
from bridge.xmpp.payloads.jingle_rtp import NS_RTP, build_contents, build_groups, parse_description
from tests.bridge.services.scene import read_stanzas
from tests.live.calls.conftest import MakePerson, MakeSurfer
from tests.live.cast.stanzas import Stanza, normalise


def rewriter() -> Callable[[Stanza], Stanza]:
    """Return what has a session's requests as the bridge understands them, in its own words."""
    known: dict[tuple[str, str], Endpoint] = {}

    def rewritten(jingle: Stanza) -> Stanza:
        (element,) = read_stanzas(etree.tostring(jingle))
        request = parse_jingle(element)
        by_initiator = request.action is Action.SESSION_INITIATE
        if by_initiator or request.action is Action.SESSION_ACCEPT:
            description = parse_description(request, by_initiator)
            known.update({(request.sid, one.name): one.endpoint for one in description.contents})
            contents = build_contents(description, "initiator", by_initiator)
            request = replace(request, contents=contents, payloads=build_groups(description))
        elif request.action is Action.TRANSPORT_INFO:
            contents = tuple(
                build_content("initiator", name, build_transport(later(known[request.sid, name], one)))
                for name, one in parse_endpoints(request).items()
            )
            request = replace(request, contents=contents)
        return normalise(build_jingle(request).to_xml())

    return rewritten


def later(endpoint: Endpoint, more: Endpoint) -> Endpoint:
    """Return further candidates with the credentials that hold."""
    if more.ufrag:
        return more
    return replace(more, ufrag=endpoint.ufrag, password=endpoint.password)


@pytest.mark.parametrize(("codec", "proposes"), [("opus", True), ("PCMU", False)])
async def test_browser_calls_somebody(
    somebody: MakePerson, surfer: MakeSurfer, codec: str, proposes: bool
) -> None:
    """Both hear each other, and see when one of them holds; what the browser says is as the bridge reads it."""
    romeo = await surfer("romeo", frequency=440, codecs=[codec], proposes=proposes)
    juliet = await somebody("juliet", frequency=1000)
    juliet.rewrite = rewriter()
    call = await romeo.call(juliet.bare if proposes else juliet.jid)
    taken = await juliet.is_called()
    await call.sees("ringing" if proposes else "info ringing")
    taken.answer()
    await call.sees("session-accept")
    await call.hears(1000)
    await taken.hears(440)
    assert [(await call.codec()).lower(), (await taken.codec()).lower()] == [codec.lower()] * 2
    await call.hold()
    await taken.sees("info hold")
    await call.resume()
    await taken.sees("info active")
    taken.hang_up()
    await call.sees("session-terminate success")
    if proposes:
        await taken.sees("finish success")


async def test_browser_is_called(somebody: MakePerson, surfer: MakeSurfer) -> None:
    """By sound and picture; it answers, and hangs up."""
    romeo, juliet = await somebody("romeo", frequency=440), await surfer("juliet", frequency=1000)
    romeo.rewrite = rewriter()
    call = romeo.call(juliet.bare, ["audio", "video"])
    taken = await juliet.is_called()
    await call.sees("ringing")
    await taken.answer()
    await call.sees("session-accept")
    await call.hears(1000)
    await taken.hears(440)
    await call.sees_moves()
    await taken.sees_moves()
    await taken.hang_up()
    await call.sees("finish success")
    assert call.over


async def test_browser_takes_what_a_telephone_offers(somebody: MakePerson, surfer: MakeSurfer) -> None:
    """Keys among the formats, with the value that telephones have, and a redundancy of browsers' own."""
    romeo, juliet = await somebody("romeo", proposes=False, codecs=["PCMU"]), await surfer("juliet")
    rewritten = rewriter()
    romeo.rewrite = lambda jingle: rewritten(with_nameless(jingle))
    call = romeo.call(juliet.jid)
    taken = await juliet.is_called()
    await taken.answer()
    await call.sees("session-accept")
    await taken.hears(440)


def with_nameless(jingle: Stanza) -> Stanza:
    """Add formats with values that have no name."""
    for description in jingle.iter(f"{{{NS_RTP}}}description"):
        for number, name, value in (("101", "telephone-event", "0-15"), ("63", "red", "0/0")):
            facts = {"id": number, "name": name, "clockrate": "8000"}
            added = etree.SubElement(description, f"{{{NS_RTP}}}payload-type", facts)
            etree.SubElement(added, f"{{{NS_RTP}}}parameter", {"name": "", "value": value})
    return jingle
