"""Fuzzer of the XML front: ``python -m tests.fuzz.fuzz_xml --seconds 60 --seed 1``.

Mutated streams go through the parser in chunks of random sizes. Only XmlError may come out, the
result may not depend on the chunks, and neither time nor memory may get out of hand. A failure
prints the seed of its round.
"""

from __future__ import annotations

import argparse
import gc
import random
import resource
import sys
import time
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bridge.xmpp.element import Element
from bridge.xmpp.stanza import NS_COMPONENT
from bridge.xmpp.xml import NS_STREAMS, Event, Limits, StreamParser, XmlError

SLOWEST = 0.5
"""Seconds of processor time for one input."""
GROWTH = 32 * 1024
"""KiB that a run may add to the process."""
WARM_UP = 300
"""Rounds after which the process has the size that it should keep."""

HEADER = (
    f"<?xml version='1.0'?><stream:stream xmlns='{NS_COMPONENT}' xmlns:stream='{NS_STREAMS}' id='i'>".encode()
)
CORPUS = [
    HEADER
    + b"<handshake/><message from='a@b/c' to='d' type='chat' xml:lang='en'><body>hi &amp; ho</body></message>",
    HEADER + b"<iq type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#info' node='x'/></iq>\n",
    HEADER
    + b"<presence><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>" * 3,
    HEADER
    + b"<p:a xmlns:p='urn:p' p:b='c'><p:d/><![CDATA[<raw>]]>&#128512;\xf0\x9f\x98\x80</p:a></stream:stream>",
    HEADER
    + b"<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
    HEADER + b"<a>" * 60 + b"text" + b"</a>" * 60 + b"<b/>" * 60,
    b"<?xml version='1.0' encoding='UTF-8' standalone='yes'?><stream xmlns='http://etherx.jabber.org/streams'><a/></stream>",
]
PIECES = [
    b"<", b">", b"/>", b"</", b"&", b";", b"'", b'"', b"=", b"\0", b"\xff", b"\xed\xa0\x80", b"\xc3", b"\r\n", b" ", b"]]>",
    b"<!--", b"-->", b"<?x", b"?>", b"<!DOCTYPE a [", b"<!ENTITY a 'b'>", b"]>", b"<![CDATA[", b"&a;", b"&#0;", b"&#x41;",
    b"xmlns=''", b"xmlns:xml='x'", b"xmlns:p='u'", b"p:q='r'", b"<p:x/>", b"</stream:stream>", b"<a b='", b"\xef\xbb\xbf",
]  # fmt: skip
END_OF_TAG = b">'>\">"
"""Ends a tag whatever quotes are open: an error inside a long one is found only then."""
LIMITS = (
    Limits(stanza_bytes=200_000, depth=50, elements=500, attributes=20),
    Limits(stanza_bytes=2_000, skip_bytes=100_000, depth=20, elements=50, attributes=6),
)


def mutated(rng: random.Random) -> bytes:
    """A stream that was once proper."""
    data = bytearray(rng.choice(CORPUS))
    for _ in range(rng.randrange(7)):
        position = rng.randrange(len(data) + 1)
        data[position : position + rng.choice((0, 0, 1, 5, 40))] = rng.choice(
            (
                rng.choice(PIECES),
                rng.choice(PIECES) * rng.choice((2, 30, 3_000)),
                rng.randbytes(rng.randrange(4)),
                rng.choice(CORPUS)[rng.randrange(60) :],
                bytes(data[position : position + rng.randrange(200)]) * rng.choice((1, 2, 200)),
            )
        )
        del data[300_000:]
    return bytes(data)


def chunks_of(data: bytes, rng: random.Random) -> list[bytes]:
    """The data, cut."""
    largest = (
        rng.choice((1, 3, 50, 1_448, 70_000)) if len(data) < 20_000 else rng.choice((100, 1_448, 70_000))
    )
    chunks, position = [], 0
    while position < len(data):
        size = rng.randint(1, largest)
        chunks.append(data[position : position + size])
        position += size
    return chunks


def read(chunks: list[bytes], limits: Limits) -> tuple[list[Event], bool]:
    """What the parser makes of it, and whether it ended in an error; raises whatever should not be."""
    parser, events = StreamParser(limits), []
    began = time.process_time()
    failed = False
    for chunk in chunks:
        try:
            events += parser.feed(chunk)
        except XmlError as error:
            events += error.events
            failed = True
            assert parser.feed(b"<a/>") == [], "it read on after an error"
            break
        if len(chunk) % 3 == 0:
            parser.rest()
    took = time.process_time() - began
    assert took < SLOWEST, f"{took:.2f} s for {sum(map(len, chunks))} bytes"
    return events, failed


def run_round(seed: int) -> int:
    """Try one stream; return its bytes."""
    rng = random.Random(seed)
    data, limits = mutated(rng) + END_OF_TAG, rng.choice(LIMITS)
    events, failed = read(chunks_of(data, rng), limits)
    whole, whole_failed = read([data], limits)
    if failed or whole_failed:  # how soon garbage is noticed depends on expat (see `xml._whole`)
        shorter = min(len(events), len(whole))
        assert events[:shorter] == whole[:shorter], "the chunks changed what came before the error"
    else:
        assert events == whole, "the chunks changed the result"
    for event in events:
        if isinstance(event, Element):
            written = HEADER + event.to_xml(NS_COMPONENT).encode()
            again = read([written], Limits(elements=10**6, depth=10**6, stanza_bytes=10**8))[0]
            assert again[1:] == [event], "written and read again, it is another element"
    return len(data)


def resident() -> int:
    """KiB of memory this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="of the first round; rounds count up"
    )
    arguments = parser.parse_args()
    seed, bytes_, until, before = arguments.seed, 0, time.monotonic() + arguments.seconds, 0
    while time.monotonic() < until:
        try:
            bytes_ += run_round(seed)
        except BaseException:
            print(f"failed: seed {seed}")
            raise
        seed += 1
        if seed - arguments.seed == WARM_UP:
            gc.collect()
            before = resident()
    gc.collect()
    grown = resident() - before if before else 0
    print(f"{seed - arguments.seed} rounds, {bytes_} bytes, {grown} KiB more than after {WARM_UP} rounds")
    assert grown < GROWTH, "memory grows"


if __name__ == "__main__":
    main()
