"""Fuzzer of the streams between servers: ``python -m tests.fuzz.fuzz_s2s --seconds 60 --seed 1``.

A conversation that was once proper is mutated and said to either side of a stream, in chunks of
random sizes, while the side's owner does what owners do, at random. Nothing may be raised, every
answer must be XML, nobody may say a stanza in a name that he has not proven, and neither time nor
memory may get out of hand. A failure prints the seed of its round.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import time
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bridge.federation.acceptor import STRANGER
from bridge.xmpp.dialback import INVALID, VALID, Pair, Verdict
from bridge.xmpp.element import Element
from bridge.xmpp.incoming import Greeting, IncomingStream
from bridge.xmpp.jid import Jid
from bridge.xmpp.outgoing import OutgoingStream
from bridge.xmpp.stream_events import (
    AcknowledgementRequested,
    DialbackRequested,
    Opened,
    PairAdmitted,
    Ready,
    ResumeRequested,
    StartTls,
    StreamEnded,
    StreamFailed,
)
from bridge.xmpp.xml import Limits, StreamParser
from tests.bridge.xmpp.hostile import attack, header
from tests.bridge.xmpp.streams import LOCAL, REMOTE, incoming, message, outgoing, session
from tests.fuzz.fuzz_xml import PIECES, chunks_of, resident

SLOWEST = 0.5
"""Seconds of processor time for one conversation."""
GROWTH = 32 * 1024
"""KiB that a run may add to the process."""
WARM_UP = 300
"""Rounds after which the process has the size that it should keep."""
SHORT = Limits(stanza_bytes=2_000, skip_bytes=20_000, depth=20, elements=50, attributes=10)
READING = Limits(stanza_bytes=10**8, elements=10**7, depth=10**4, attributes=10**4)

TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
FEATURES = (
    f"<stream:features><starttls xmlns='{TLS}'/><mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>"
    "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback><bidi xmlns='urn:xmpp:features:bidi'/>"
    "<sm xmlns='urn:xmpp:sm:3'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>9000</max-bytes></limits></stream:features>"
)


def _said(here: str, there: str) -> dict[str, bytes]:
    """What a server `here` may say to one `there`."""
    both = f"from='{here}' to='{there}'"
    forbidden = "<error type='cancel'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    words = {
        "header": header(" id='id1'", origin=here, to=there),
        "request": f"<db:result {both}>key</db:result>",
        "valid": f"<db:result {both} type='valid'/>",
        "error": f"<db:result {both} type='error'>{forbidden}</db:result>",
        "question": f"<db:verify {both} id='id1'>key</db:verify>",
        "answer": f"<db:verify {both} id='id1' type='valid'/>",
        "message": f"<message from='x@{here}' to='y@{there}' xml:lang='en'><body>hi &amp; ho</body></message>",
        "iq": f"<iq from='{here}' to='{there}' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
        "large": f"<message from='x@{here}' to='y@{there}'><body>{'x' * 4_000}</body></message>",
        "starttls": f"<starttls xmlns='{TLS}'/>",
        "proceed": f"<proceed xmlns='{TLS}'/>",
        "tls failure": f"<failure xmlns='{TLS}'/>",
        "auth": f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>",
        "success": f"<success xmlns='{SASL}'/>",
        "failure": f"<failure xmlns='{SASL}'><not-authorized/></failure>",
        "features": FEATURES,
        "plain features": FEATURES.replace(f"<starttls xmlns='{TLS}'/>", ""),
        "bidi": "<bidi xmlns='urn:xmpp:bidi'/>",
        "enable": "<enable xmlns='urn:xmpp:sm:3' resume='true'/>",
        "enabled": "<enabled xmlns='urn:xmpp:sm:3' resume='true' id='s1' max='300'/>",
        "resume": "<resume xmlns='urn:xmpp:sm:3' previd='s1' h='1'/>",
        "resumed": "<resumed xmlns='urn:xmpp:sm:3' previd='s1' h='1'/>",
        "failed": "<failed xmlns='urn:xmpp:sm:3'/>",
        "r": "<r xmlns='urn:xmpp:sm:3'/>",
        "a": "<a xmlns='urn:xmpp:sm:3' h='0'/>",
        "much": "<a xmlns='urn:xmpp:sm:3' h='4294967295'/>",
        "end": "</stream:stream>",
    }
    return {name: text.encode() for name, text in words.items()}


NEAR, FAR, MALLORY = _said(LOCAL, REMOTE), _said(REMOTE, LOCAL), _said("mallory.example", REMOTE)
CORPUS = [*NEAR.values(), *FAR.values(), *MALLORY.values()]
SCRIPTS = {
    IncomingStream: (
        "header bidi request message enable r iq a large message end",
        "header starttls header bidi auth header enable message r a large iq end",
        "header starttls header request question resume message r a iq end",
        "header request starttls header message request message end",
    ),
    OutgoingStream: (
        "header plain_features valid enabled message a r large iq end",
        "header features proceed header plain_features success header plain_features enabled message a r large end",
        "header features proceed header plain_features failure valid resumed message answer r a iq end",
        "header plain_features valid failed enabled message a end",
        "header plain_features error request end",
    ),
}
"""Conversations as they should go, by the words of the one that speaks."""


class Owner:
    """Owns one side of a stream; does at random what the bridge might."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.stream: IncomingStream | OutgoingStream
        if rng.random() < 0.6:
            self.stream = incoming(STRANGER)
            self.stream._trusted = SHORT
        else:
            former = session(message(f"a@{LOCAL}", f"b@{REMOTE}")) if rng.random() < 0.3 else None
            encryption = rng.choice(("required", "optional", "optional", "never"))
            required = rng.random() < 0.2
            self.stream = outgoing(encryption=encryption, certificate_required=required, session=former)
            self.stream.start()
            self._open, self.stream._open = self.stream._open, self._accepted  # type: ignore[method-assign]
        self.written: list[bytes] = []
        self.proven: set[str] = set()
        """Domains of the peer's for which there was any evidence."""
        self.waiting: list[Any] = []
        """Events that are answered later."""
        self.ends = 0

    def _accepted(self, pair: Pair) -> None:
        """The peer may use the stream at once, before we do."""
        if self.stream.is_bidirectional:
            self.proven.add(pair.target)
        self._open(pair)

    def go_on(self) -> None:
        """Deal with what happened, sooner or later."""
        while events := self.stream.take_events():
            for event in events:
                self._happened(event)
        while self.waiting and self.rng.random() < 0.9:
            self._answer(self.waiting.pop(self.rng.randrange(len(self.waiting))))
        if self.rng.random() < 0.03:
            self._act()
        data = self.stream.data_to_send()
        if data:
            self.written.append(data)

    def _happened(self, event: Any) -> None:
        if isinstance(event, Element):
            spelt = (event.get("from") or "").partition("/")[0].rpartition("@")[2]
            sender = Jid.parse(spelt).domain
            assert sender in self.proven, f"a stanza of {sender}, which has proven nothing"
        elif isinstance(event, PairAdmitted):
            self.proven.add(event.pair.sender)
        elif isinstance(event, StreamFailed | StreamEnded):
            self.ends += 1
            assert self.ends == 1, "it ended twice"
        else:
            self.waiting.append(event)

    def _answer(self, event: Any) -> None:
        stream, rng = self.stream, self.rng
        problem = rng.choice(("", "self-signed"))
        if isinstance(event, AcknowledgementRequested):
            stream.acknowledge(event.handled)
        elif isinstance(stream, OutgoingStream):
            if isinstance(event, StartTls) and stream.state == "starting_tls":
                self.proven.clear()
                stream.tls_started(problem)
            elif isinstance(event, Ready) and stream.state == "ready":
                stream.authenticate()
        elif isinstance(event, StartTls) and stream.state == "starting_tls":
            self.proven.clear()
            stream.tls_started()
        elif isinstance(event, Opened) and stream.state == "awaiting_greeting":
            encryption = rng.choice(("required", "optional", "optional", "never"))
            refused = "policy-violation" if rng.random() < 0.05 else ""
            stream.greet(Greeting(encryption=encryption, problem=problem, refused=refused))
        elif isinstance(event, DialbackRequested) and stream.id == event.stream_id:
            stream.answer(event.pair, rng.choice((VALID, INVALID, Verdict(False, "forbidden"))))
        elif isinstance(event, ResumeRequested) and stream.session is None and stream.state == "ready":
            if rng.random() < 0.5:
                stream.resume(session(b"<message/>"), event.handled)
            else:
                stream.refuse_resume(rng.choice((None, session())))

    def _act(self) -> None:
        stream, pair = self.stream, Pair(*self.rng.sample((LOCAL, REMOTE, f"rooms.{LOCAL}"), 2))
        for action in self.rng.sample(
            (
                stream.request_acknowledgement,
                stream.probe,
                stream.rest,
                lambda: stream.may_send(pair) and stream.send(pair, b"<message/>"),
                lambda: stream.verify(pair, "id1", "key"),
                lambda: stream.may_send(Pair(stream.local, stream.remote)) and stream.request_pair(pair),
                stream.close,
                lambda: stream.fail("policy-violation", "<&'"),
                stream.receive_eof,
            ),
            self.rng.choice((1, 1, 3)),
        ):
            action()


def mutated(rng: random.Random, side: type) -> list[bytes]:
    """A conversation that was once proper, or an opening that never was."""
    if rng.random() < 0.1:
        return [attack(rng)[0]]
    script = rng.choice(SCRIPTS[side]).split()
    vocabulary = FAR if side is OutgoingStream else rng.choice((NEAR, NEAR, NEAR, MALLORY))
    words = [vocabulary[name.replace("_", " ")] for name in script]
    for _ in range(rng.choice((0, 0, 1, 2, 5))):
        position = rng.randrange(len(words) + 1)
        words[position : position + rng.randrange(2)] = rng.choices(CORPUS, k=rng.randrange(3))
    for _ in range(rng.choice((0, 0, 1, 2))):
        position = rng.randrange(len(words) or 1)
        words[position : position + 1] = [_damaged(word, rng) for word in words[position : position + 1]]
    return words


def _damaged(word: bytes, rng: random.Random) -> bytes:
    data, position = bytearray(word), rng.randrange(len(word) + 1)
    data[position : position + rng.choice((0, 0, 1, 5, 40))] = rng.choice(
        (
            rng.choice(PIECES) * rng.choice((1, 2, 30, 1_000)),
            rng.randbytes(rng.randrange(4)),
            rng.choice(CORPUS),
            bytes(data[position : position + rng.randrange(200)]) * rng.choice((1, 2, 50)),
        )
    )
    return bytes(data)


def run_round(seed: int) -> int:
    """Try one conversation; return its bytes."""
    rng = random.Random(seed)
    owner = Owner(rng)
    words = mutated(rng, type(owner.stream))
    data = b"".join(words)
    chunks = chunks_of(data, rng) if rng.random() < 0.3 else words  # what begins a stream anew stands alone
    began = time.process_time()
    for chunk in chunks:
        owner.stream.receive_data(chunk)
        owner.go_on()
    owner.stream.receive_eof()
    owner.go_on()
    took = time.process_time() - began
    assert took < SLOWEST, f"{took:.2f} s for {len(data)} bytes"
    assert owner.stream.state in ("closed", "starting_tls"), "it did not end"
    for number, part in enumerate(b"".join(owner.written).split(b"<?xml version='1.0'?>")):
        StreamParser(READING).feed(part if number else header().encode() + part)
    return len(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="of the first round; they count up"
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
