"""Fuzzer of what calls are described by: ``python -m tests.fuzz.fuzz_calls --seconds 60 --seed 1``.

SDP, Jingle and what an rtpengine says are mutated and go all the way to the other side. A failure prints
the seed of its round.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import Deferred

from bridge.errors import BridgeError
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.jingle import INITIATOR, Action, Jingle, parse_jingle
from bridge.xmpp.payloads.jingle_info import parse_info, parse_press
from bridge.xmpp.payloads.jingle_rtp import build_contents, build_groups, parse_description
from bridge.xmpp.payloads.jingle_transfer import parse_transfer
from tests.fuzz.fuzz_sip import mutated
from tests.fuzz.rounds import main
from tests.transports.sip.media.engines import ADDRESSES, ANSWER, OFFER, PHONE, SECURE, House
from tests.transports.sip.samples import SDP
from tests.transports.sip.wires import PEER
from transports.sip.calls.translate import from_sdp, lines_of_contents, lines_of_media, plain, to_sdp
from transports.sip.media.rtpengine import Keys
from transports.sip.wire.sdp import Origin, parse_sdp, write_sdp
from transports.sip.wire.uri import Malformed

ORIGIN = Origin("-", 1, 1, "192.0.2.1")
WEB = SECURE.replace("AB:CD", ":".join(["AB"] * 32)).encode() + (
    b"a=candidate:1 1 udp 2130706431 192.0.2.5 50000 typ host generation 0\r\n"
    b"a=rtcp-fb:* nack pli\r\na=extmap:1/sendonly urn:x\r\na=ssrc:7 cname:a\r\na=ssrc-group:FID 7 8\r\n"
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4\r\n"
    b"a=fmtp:0 minptime=10;useinbandfec=1\r\na=ptime:20\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=sendonly\r\n"
    b"m=video 9 RTP/AVPF 96 97\r\na=rtpmap:96 VP8/90000\r\na=mid:v\r\na=bundle-only\r\n"
)
ODD = (
    *(
        "",
        "0",
        "-1",
        "99999999999999999999",
        "a b",
        "\x00",
        "\u2028",
        "\ud800",
        "::1",
        "192.0.2.1",
        "é" * 999,
    ),
    *("1/2/3", "nan", "1e999", "audio", "both", "initiator", "'", "<", ";=;", "\r\n", "x" * 5000),
)
VALUES: tuple[Any, ...] = (None, True, 0, -1, 10**400, 1e308, float("inf"), float("nan"), [], {}, [[]], *ODD)


def check_sdp(rng: random.Random) -> None:
    """A phone's or a browser's description is told to XMPP, and from there back, or it is malformed."""
    try:
        sdp = parse_sdp(mutated(rng, rng.choice((SDP, WEB))))
        lines = lines_of_media(sdp)
        described = from_sdp(sdp, lines, is_answer=rng.random() < 0.5)
        plain(sdp)
        jingle = Jingle(
            action=Action.SESSION_INITIATE,
            sid="a",
            contents=build_contents(described, INITIATOR, is_initiator=True),
            payloads=build_groups(described),
        )
        assert [element.to_xml() for element in (*jingle.contents, *jingle.payloads)]
        parse_sdp(write_sdp(to_sdp(described, lines, ORIGIN)))
        parse_description(jingle, is_initiator=True)
    except (Malformed, BridgeError):
        pass


def elements(parent: Element) -> Iterator[Element]:
    yield parent
    for child in parent.elements():
        yield from elements(child)


def mutate(rng: random.Random, root: Element) -> None:
    """Change attributes, texts, and how many there are of a child."""
    for _ in range(rng.randrange(1, 6)):
        one = rng.choice(list(elements(root)))
        match rng.randrange(4):
            case 0 if one.attributes:
                one.attributes[rng.choice(list(one.attributes))] = rng.choice(ODD)
            case 1 if one.children:
                one.children.remove(rng.choice(one.children))
            case 2 if one.children:
                one.children += [rng.choice(one.children)] * rng.choice((1, 2, 200))
            case 3:
                one.children.append(rng.choice(ODD))


def check_jingle(rng: random.Random) -> None:
    """What a client asks for is written in SDP that can be read, or is refused."""
    sdp = parse_sdp(WEB)
    described = from_sdp(sdp, lines_of_media(sdp), is_answer=False)
    root = Element("jingle", "urn:xmpp:jingle:1", {"action": "session-initiate", "sid": "a"})
    root.children += [*build_contents(described, INITIATOR, is_initiator=True), *build_groups(described)]
    mutate(rng, root)
    try:
        told = parse_jingle(root)
        for read in (parse_info, parse_press, parse_transfer):
            read(told)
        found = parse_description(told, is_initiator=True)
        parse_sdp(write_sdp(to_sdp(found, lines_of_contents(found), ORIGIN)))
    except (BridgeError, Malformed):
        pass


def changed(rng: random.Random, reply: Any) -> Any:
    """Put something odd somewhere into a reply."""
    if isinstance(reply, dict) and reply and rng.random() < 0.8:
        key = rng.choice(list(reply))
        return {**reply, key: changed(rng, reply[key])}
    if isinstance(reply, str) and rng.random() < 0.6:
        return mutated(rng, reply.encode()).decode("utf-8", "surrogateescape")
    return rng.choice(VALUES)


def written(rng: random.Random, reply: Any) -> bytes:
    data = json.dumps(changed(rng, reply)).encode()
    if rng.random() < 0.1:
        return b"[" * 50_000
    return mutated(rng, data) if rng.random() < 0.3 else data


def check_ng(rng: random.Random) -> None:
    """Whatever an rtpengine answers, a call gets its media or is refused, and goes on to be looked at."""
    house = House()
    [engine] = house.engines
    port = house.reactor.ports[0]

    def serve() -> None:
        sent, port.sent = port.sent, []
        for data, _ in sent:
            cookie, _, body = data.partition(b" ")
            reply = engine._reply(json.loads(body))
            said = written(rng, reply) if rng.random() < 0.6 else json.dumps(reply).encode()
            port.protocol.datagramReceived(cookie + b" " + said, ADDRESSES[0])

    anchor, _ = house.call()
    steps: list[Callable[[], Deferred[Any]]] = [
        lambda: anchor.offer_to_sip(OFFER),
        lambda: anchor.answer_to_xmpp(parse_sdp(ANSWER.encode())),
        lambda: anchor.offer_to_xmpp(PHONE),
        lambda: anchor.answer_to_sip(OFFER),
    ]
    for step in steps:
        came: list[Any] = []
        step().addBoth(came.append)
        for _ in range(8):
            serve()
            house.reactor.advance(0.5)
        [result] = came
        failure = getattr(result, "value", None)
        if isinstance(failure, BaseException):
            assert isinstance(failure, BridgeError), result.getTraceback()
    anchor.end()
    for _ in range(8):
        serve()
        house.reactor.advance(0.5)
    house.pass_time(5)
    assert house.backend.trouble == "" and house.reactor.getDelayedCalls(), "it is looked at no more"


def check_keys(rng: random.Random) -> None:
    """Anybody can send to the port where keys are told."""
    report = {"callid": "c", "source_tag": "sip", "event": 5}
    Keys(lambda host, id: None).datagramReceived(written(rng, report), (PEER, 9))


CHECKS = [check_sdp, check_jingle, check_ng, check_keys]


if __name__ == "__main__":
    main(__doc__, CHECKS)
