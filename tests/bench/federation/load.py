"""Load on one path, from a source link to a sink link, without parsing anything."""

from __future__ import annotations

import random
import re
import select
import time
from collections.abc import Sequence

from tests.bench.federation.links import Link, Refused

BODY = 100
"""Bytes of a body."""
USERS = 500
PATIENCE = 5.0
"""Seconds without progress after which a measurement is given up."""
GRACE = 8.0
"""Seconds that the last stanzas may take."""
TOKEN = b"</body>"
BODIES = re.compile(rb"<body>(.*?)</body>", re.S)
FAULT = re.compile(rb"""type=["']error["']|<stream:error""")


class Messages:
    """Equally long messages, made in advance: each has a body of its own, and users of both domains vary."""

    def __init__(self, sender: str, receiver: str, count: int) -> None:
        letters, parts = random.Random(count), []
        self.bodies: list[bytes] = []
        for number in range(count):
            user, body = f"u{number % USERS:03d}", f"{letters.getrandbits(BODY * 4):0{BODY}x}"
            self.bodies.append(body.encode())
            parts.append(
                f"<message from='{user}@{sender}' to='{user}@{receiver}/x' type='chat' id='m{number:07d}'>"
                f"<body>{body}</body></message>"
            )
        self.count = count
        self.size = len(parts[0])
        self.bytes = memoryview("".join(parts).encode())


class Tally:
    """Counts messages in chunks that may cut them anywhere, and keeps the chunks."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.count = 0
        self._carried = b""

    def feed(self, chunks: Sequence[bytes]) -> int:
        """Take chunks and return how many messages ended in them."""
        before = self.count
        for chunk in chunks:
            data = self._carried + chunk
            self.count += data.count(TOKEN)
            self._carried = data[1 - len(TOKEN) :]
        self.chunks += chunks
        return self.count - before

    def check(self, messages: Messages) -> None:
        """Raise Refused unless each message came once, in order and whole."""
        came = BODIES.findall(b"".join(self.chunks))
        if came != messages.bodies:
            missing = len(set(messages.bodies) - set(came))
            raise Refused(f"{len(came)} messages of {messages.count}, {missing} missing, or out of order")


def _wait(poll: select.poll, source: Link, sink: Link, seconds: float) -> None:
    """Wait until something can be done; what the server tells the source must be no error."""
    if sink.pending():
        return
    for number, _ in poll.poll(seconds * 1000):
        if number == source.fileno():
            told = b"".join(source.read())
            if FAULT.search(told):
                raise Refused(told.decode(errors="replace")[:300])


def _poll(source: Link, sink: Link) -> select.poll:
    poll = select.poll()
    poll.register(source, select.POLLIN)
    poll.register(sink, select.POLLIN)
    return poll


def flood(source: Link, sink: Link, messages: Messages, window: int) -> float:
    """Send all messages, `window` of them under way at most, and return the seconds it took."""
    poll, tally, position = _poll(source, sink), Tally(), 0
    began = progress = time.perf_counter()
    while tally.count < messages.count:
        end = min(tally.count + window, messages.count) * messages.size
        position += source.write(messages.bytes[position:end])
        poll.modify(source, select.POLLIN | select.POLLOUT if position < end else select.POLLIN)
        _wait(poll, source, sink, 1.0)
        now = time.perf_counter()
        if tally.feed(sink.read()):
            progress = now
        elif now - progress > PATIENCE:
            raise Refused(f"stuck at {tally.count} of {position // messages.size}")
    taken = time.perf_counter() - began
    tally.check(messages)
    return taken


def pace(source: Link, sink: Link, messages: Messages, rate: float) -> list[float]:
    """Send at a steady rate and return how long each message took, in seconds."""
    poll, tally, position = _poll(source, sink), Tally(), 0
    due_at: list[float] = []
    taken: list[float] = []
    began = time.perf_counter()
    last = began + messages.count / rate + GRACE
    while len(taken) < messages.count:
        now = time.perf_counter()
        if now > last:
            raise Refused(f"{len(taken)} of {len(due_at)} came in time")
        due = min(int((now - began) * rate) + 1, messages.count)
        due_at += [now] * (due - len(due_at))
        position += source.write(messages.bytes[position : due * messages.size])
        poll.modify(
            source, select.POLLIN | select.POLLOUT if position < due * messages.size else select.POLLIN
        )
        _wait(poll, source, sink, max(0.0, began + due / rate - time.perf_counter()))
        came = tally.feed(sink.read())
        now = time.perf_counter()
        taken += [now - due_at[number] for number in range(len(taken), min(len(taken) + came, len(due_at)))]
    tally.check(messages)
    return taken


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
