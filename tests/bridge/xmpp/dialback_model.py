"""A model of dialback among honest servers and one attacker: ``python -m tests.bridge.xmpp.dialback_model``.

The servers' streams are real; TCP, TLS and the DNS are played, and cannot be tampered with. The
attacker has a domain and a certificate of his own, knows every key and every stream id as soon as
they are written, opens streams in any name and says anything at any time on those that end at him.

Whatever happens, in whatever order: a pair is admitted only on a stream that the sender's own server
has opened, after its authoritative server has said "valid" to a question that was put to it.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from bridge.xmpp.dialback import VALID, Keys, Pair
from bridge.xmpp.element import Element
from bridge.xmpp.incoming import Greeting, IncomingStream
from bridge.xmpp.jid import Jid
from bridge.xmpp.outgoing import OutgoingStream
from bridge.xmpp.stream_events import (
    DialbackRequested,
    Event,
    Opened,
    PairAdmitted,
    PairOpened,
    StartTls,
    Verified,
)
from bridge.xmpp.xml import NS_STREAMS, Limits

MALLORY = "mallory.example"
HOUSES = (("capulet.example", "rooms.capulet.example"), ("montague.example",), ("verona.example",))
DOMAINS = tuple(domain for house in HOUSES for domain in house)
LIMITS = Limits()
STEPS = 40
"""Things that happen in one interleaving, before it is let come to an end."""
KEY = re.compile(rb"<db:(?:result|verify) from='([^']*)'[^>]*>([0-9a-f]{64})<")
VOUCHED = re.compile(rb"<db:verify from='([^']*)' to='([^']*)' id='([^']*)' type='valid'")
FEATURES = (
    "<stream:features><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
    "<bidi xmlns='urn:xmpp:features:bidi'/></stream:features>"
)
STARTTLS = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
EXTERNAL = b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
Stream = IncomingStream | OutgoingStream


class Wire:
    """A connection; the stream of an end that is the attacker's is None."""

    def __init__(self, opener: Server | None, answerer: Server | None) -> None:
        self.ends = (opener, answerer)
        self.streams: list[Stream | None] = [None, None]
        self.queues: tuple[list[bytes], list[bytes]] = ([], [])
        """What is on its way to either end."""
        self.jobs: list[Callable[[OutgoingStream], object]] = []
        """What the opener does when its stream is ready."""
        self.is_cut = False


class Server:
    """An honest server, with as much of a pool as dialback needs."""

    def __init__(self, world: World, domains: Sequence[str]) -> None:
        self.world = world
        self.domains = frozenset(domains)
        self.keys = Keys(domains[0].encode())
        self.incoming: list[IncomingStream] = []
        self.asked: dict[tuple[Pair, str, Wire], None] = {}
        """In order, so that a seed is all that a run depends on."""

    def new_id(self) -> str:
        self.world.ids.append(f"id{len(self.world.ids)}")
        return self.world.ids[-1]

    def send(self, pair: Pair) -> None:
        """Want to send stanzas of a pair: the one that a stream is for is asked for first."""
        wire = self._wire(pair)
        stream = wire.streams[0]
        assert isinstance(stream, OutgoingStream)
        if stream.pair != pair and not stream.may_send(stream.pair):
            wire = self.world.dial(self, self.world.server_of(pair.target), pair)
            stream = wire.streams[0]
            assert isinstance(stream, OutgoingStream)
        if stream.pair == pair:
            wire.jobs.append(lambda stream: stream.authenticate())
        else:
            wire.jobs.append(lambda stream: stream.request_pair(pair))

    def ask(self, event: DialbackRequested) -> None:
        """Ask the authority about a key."""
        wire = self._wire(event.pair.inverse)

        def ask(stream: OutgoingStream) -> None:
            if stream.verify(event.pair, event.stream_id, event.key):
                self.asked[event.pair, event.stream_id, wire] = None

        wire.jobs.append(ask)

    def answer(self, event: Verified) -> None:
        """Believe what the stream says: it has to know what it was asked."""
        for stream in self.incoming:
            if stream.id == event.stream_id:
                stream.answer(event.pair, event.verdict)

    def _wire(self, pair: Pair) -> Wire:
        """Use a connection that leads to the same server, or make one."""
        target = self.world.server_of(pair.target)
        for wire in self.world.wires:
            if wire.ends == (self, target) and not wire.is_cut and self.world.rng.random() < 0.7:
                return wire
        return self.world.dial(self, target, pair)


class World:
    """One interleaving, by its seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.servers = [Server(self, house) for house in HOUSES]
        self.wires: list[Wire] = []
        self.ids: list[str] = []
        self.keys: list[tuple[str, str, str]] = [(DOMAINS[0], "", "0" * 64)]
        """Who wrote which key, and on which stream."""
        self.vouched: set[tuple[Pair, str, Wire]] = set()
        """What authorities have said "valid" to, and on which connection."""
        self.wanted: set[Pair] = set()
        self.opened: set[Pair] = set()
        self.admitted: set[Pair] = set()
        self.cuts = 0
        self.certificates = self.rng.random() < 0.3
        """Whether the honest servers have good ones."""
        self.encryption = self.rng.choice(("never", "optional", "optional"))

    def server_of(self, domain: str) -> Server | None:
        """What DNS says; None is the attacker's."""
        return next((server for server in self.servers if domain in server.domains), None)

    # what happens

    def run(self) -> None:
        for _ in range(STEPS):
            draw = self.rng.random()
            if draw < 0.12:
                self._want()
            elif draw < 0.2:
                self._intrude()
            elif draw < 0.55:
                self._attack()
            elif draw < 0.57:
                self._cut()
            else:
                self._carry()
        while self._carry():
            continue
        if not self.cuts:
            assert self.wanted <= self.opened, f"not opened: {self.wanted - self.opened}"
            assert self.wanted <= self.admitted, f"not admitted: {self.wanted - self.admitted}"

    def _want(self) -> None:
        server = self.rng.choice(self.servers)
        target = self.rng.choice((*DOMAINS, MALLORY))
        pair = Pair(self.rng.choice(sorted(server.domains)), target)
        if target not in server.domains and pair not in self.wanted:
            if target != MALLORY:
                self.wanted.add(pair)
            server.send(pair)
            self._settle()

    def dial(self, opener: Server, answerer: Server | None, pair: Pair) -> Wire:
        wire = Wire(opener, answerer)
        stream = OutgoingStream(
            *(pair.sender, pair.target, opener.keys, opener.domains.__contains__, LIMITS),
            encryption="optional",
            certificate_required=False,
            external=self.certificates,
            bidirectional=self.rng.random() < 0.5,
        )
        wire.streams[0] = stream
        if answerer is not None:
            wire.streams[1] = self._listen(answerer)
        else:
            his = [wire.streams[1].id for wire in self.wires if wire.ends[0] is None and wire.streams[1]]
            ident = self.rng.choice([*(his or self.ids)[-3:], "x"])
            wire.queues[0].append(self._header("", pair.sender, f" id='{ident}'") + FEATURES.encode())
        self.wires.append(wire)
        stream.start()
        return wire

    def _listen(self, server: Server) -> IncomingStream:
        hosts = server.domains.__contains__
        stream = IncomingStream(server.keys, hosts, LIMITS, LIMITS, 900.0, server.new_id)
        server.incoming.append(stream)
        return stream

    def _carry(self) -> bool:
        """Let something arrive; False if nothing is on its way."""
        ways = [(wire, end) for wire in self.wires for end in (0, 1) if wire.queues[end]]
        if not ways:
            return False
        wire, end = self.rng.choice(ways)
        stream, data = wire.streams[end], wire.queues[end].pop(0)
        if stream is not None:
            stream.receive_data(data)
            self._settle()
        return True

    def _cut(self) -> None:
        if self.wires:
            wire = self.rng.choice(self.wires)
            wire.is_cut = True
            self.cuts += 1
            for end, stream in enumerate(wire.streams):
                wire.queues[end].clear()
                if stream is not None:
                    stream.receive_eof()
            self._settle()

    # what the attacker does

    @staticmethod
    def _header(sender: str, to: str, more: str = "") -> bytes:
        return (
            f"<stream:stream xmlns='jabber:server' xmlns:stream='{NS_STREAMS}' xmlns:db='jabber:server:dialback'"
            f" from='{sender}' to='{to}' version='1.0'{more}>"
        ).encode()

    def _intrude(self) -> None:
        """Open a stream, in his own name or in another's."""
        server = self.rng.choice(self.servers)
        wire = Wire(None, server)
        wire.streams[1] = stream = self._listen(server)
        self.wires.append(wire)
        name, to = self.rng.choice((self._domain(), MALLORY)), self.rng.choice(sorted(server.domains))
        self._say(stream, self._header(name, to))
        if self.rng.random() < 0.4:
            self._say(stream, STARTTLS)
            self._say(stream, self._header(name, to))
            if self.rng.random() < 0.5:
                self._say(stream, EXTERNAL)

    def _say(self, stream: Stream, data: bytes) -> None:
        stream.receive_data(data)
        self._settle()

    def _attack(self) -> None:
        """Say something on one of his connections."""
        mine = [wire for wire in self.wires if None in wire.ends and not wire.is_cut]
        if mine:
            wire = self.rng.choice(mine)
            stream = wire.streams[0] or wire.streams[1]
            assert stream is not None
            asked = [question for server in self.servers for question in server.asked if question[2] is wire]
            if asked and self.rng.random() < 0.5:
                pair, ident, _ = self.rng.choice(asked)
                about = f"from='{pair.sender}' to='{pair.target}' id='{ident}'"
                self._say(stream, f"<db:verify {about} type='valid'/>".encode())
            else:
                self._say(stream, self._words(stream))

    def _domain(self) -> str:
        return self.rng.choice((*DOMAINS, MALLORY))

    def _pair(self, stream: Stream) -> Pair:
        """Mostly one that could be of use to him."""
        rng = self.rng
        if rng.random() < 0.5:
            return Pair(self._domain(), self._domain())
        return Pair(rng.choice(DOMAINS), stream.local or rng.choice(DOMAINS))

    def _words(self, stream: Stream) -> bytes:
        rng, pair = self.rng, self._pair(stream)
        ident, (_, _, key) = rng.choice([stream.id, *self.ids[-8:]]), rng.choice(self.keys[-8:])
        relayed = [known for known in self.keys if known[1] == stream.id] or self.keys[-1:]
        about = f"from='{pair.sender}' to='{pair.target}'"
        words = (
            f"<db:result {about}>{key}</db:result>",
            f"<db:result from='{relayed[-1][0]}' to='{stream.local}'>{relayed[-1][2]}</db:result>",
            f"<db:result {about}>{key}</db:result><db:verify {about} id='{stream.id}' type='valid'/>",
            f"<db:result {about} type='{rng.choice(('valid', 'invalid', 'error'))}'/>",
            f"<db:verify {about} id='{ident}'>{key}</db:verify>",
            f"<db:verify {about} id='{ident}' type='{rng.choice(('valid', 'valid', 'invalid'))}'/>",
            f"<message from='x@{pair.sender}' to='y@{pair.target}'/>",
            f"<db:result from='{MALLORY}' to='{stream.local}'>{key}</db:result>",
            f"<db:verify from='{MALLORY}' to='{stream.local}' id='{ident}' type='valid'/>",
            "<bidi xmlns='urn:xmpp:bidi'/>",
            STARTTLS.decode(),
            EXTERNAL.decode(),
            self._header(pair.sender, stream.local).decode(),
        )
        return rng.choice(words if stream.state == "ready" else (words[-1], *words)).encode()

    # what the honest servers do

    def _settle(self) -> None:
        """Let them deal with what happened, until nobody has anything more to say."""
        is_settled = False
        while not is_settled:
            is_settled = True
            for wire in list(self.wires):
                for end, stream in enumerate(wire.streams):
                    if stream is not None and self._speak(wire, end, stream):
                        is_settled = False

    def _speak(self, wire: Wire, end: int, stream: Stream) -> bool:
        data, events = stream.data_to_send(), stream.take_events()
        if data and not wire.is_cut:
            self.keys += [(name.decode(), stream.id, key.decode()) for name, key in KEY.findall(data)]
            for sender, target, ident in VOUCHED.findall(data):
                self.vouched.add((Pair(sender.decode(), target.decode()), ident.decode(), wire))
            wire.queues[1 - end].append(data)
        for event in events:
            self._happened(wire, end, stream, event)
        if isinstance(stream, OutgoingStream) and stream.state == "ready" and wire.jobs:
            wire.jobs.pop(0)(stream)
            return True
        return bool(data or events)

    def _happened(self, wire: Wire, end: int, stream: Stream, event: Event) -> None:
        server, peer = wire.ends[end], wire.ends[1 - end]
        assert server is not None
        if isinstance(event, Opened | StartTls | DialbackRequested):
            self._negotiate(server, peer, stream, event)
        elif isinstance(event, Verified):
            server.answer(event)
        elif isinstance(event, PairAdmitted):
            self._check_admitted(server, peer, stream, event)
        elif isinstance(event, PairOpened):
            assert event.pair.sender in server.domains
            assert self.server_of(event.pair.target) is peer, f"{event} on a stream to another"
            self.opened.add(event.pair)
        elif isinstance(event, Element):
            sender = Jid.parse(event.get("from") or "").domain
            assert self.server_of(sender) is peer, f"{event} came from another"

    def _negotiate(
        self,
        server: Server,
        peer: Server | None,
        stream: Stream,
        event: Opened | StartTls | DialbackRequested,
    ) -> None:
        if isinstance(stream, OutgoingStream):
            return stream.tls_started("" if self.certificates else "self-signed")
        if isinstance(event, StartTls):
            return stream.tls_started()
        if isinstance(event, Opened):
            problem = "" if self._shows(peer, stream, event.remote) else "it is for another domain"
            return stream.greet(Greeting(encryption=self.encryption, problem=problem))  # type: ignore[arg-type]
        if self._shows(peer, stream, event.pair.sender):
            return stream.answer(event.pair, VALID)
        return server.ask(event)

    def _shows(self, peer: Server | None, stream: Stream, domain: str) -> bool:
        """Whether the peer has a good certificate for a domain."""
        if not stream.is_secure or self.server_of(domain) is not peer:
            return False
        return domain == MALLORY if peer is None else self.certificates

    def _check_admitted(
        self, server: Server, peer: Server | None, stream: Stream, event: PairAdmitted
    ) -> None:
        pair = event.pair
        assert pair.target in server.domains
        authority = self.server_of(pair.sender)
        assert authority is peer, f"{event}: the stream is another's"
        self.admitted.add(pair)
        if not self._shows(peer, stream, pair.sender):
            asked = {
                question
                for question in server.asked
                if question[:2] == (pair, stream.id) and question[2].ends == (server, authority)
            }
            assert asked, f"{event}: nobody was asked"
            assert authority is None or asked & self.vouched, f"{event}: nobody said so"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="interleavings")
    parser.add_argument("--seed", type=int, default=0, help="of the first; they count up")
    arguments = parser.parse_args()
    began, admitted = time.monotonic(), 0
    for seed in range(arguments.seed, arguments.seed + arguments.count):
        world = World(seed)
        try:
            world.run()
        except BaseException:
            print(f"failed: seed {seed}")
            raise
        admitted += len(world.admitted)
    took = time.monotonic() - began
    print(f"{arguments.count} interleavings, {admitted} pairs admitted, {took:.0f} s")


if __name__ == "__main__":
    main()
