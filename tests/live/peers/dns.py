"""A name server for the tests: authoritative for everything, editable while it runs."""

from __future__ import annotations

import socketserver
import struct
import threading
from collections import defaultdict

from twisted.names import dns

from tests.live.peers.daemon import HOST, free_port

TTL = 1
"""Seconds that answers, negative ones too, may be remembered."""
TLSA = 52
"""A record type (RFC 6698 §2.1) that Twisted has no class for."""
TYPES = {
    **{"A": dns.A, "AAAA": dns.AAAA, "CNAME": dns.CNAME},
    **{"SRV": dns.SRV, "NAPTR": dns.NAPTR, "TLSA": TLSA},
}


class _Datagrams(socketserver.ThreadingUDPServer):
    max_packet_size = 4096
    daemon_threads = True


class _Connections(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class Nameserver:
    """Answers over UDP and TCP from two threads; names that nobody published do not exist."""

    def __init__(self) -> None:
        self.port = free_port()
        self.is_authentic = False
        """Whether it sets AD, as a resolver does that has validated the answer (RFC 4035 §3.2.3)."""
        self.asked: list[tuple[str, str]] = []
        """Names and types of all questions, in order."""
        self._records: dict[str, dict[int, list[dns.IEncodableRecord]]] = defaultdict(dict)
        self._servers = (
            _Datagrams((HOST, self.port), self._make("datagram")),
            _Connections((HOST, self.port), self._make("stream")),
        )
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.publish("localhost", "A", HOST)

    def publish(self, name: str, kind: str, *values: str) -> None:
        """Have `name` answer with `values` (as in a zone file) and nothing else of that kind."""
        self._records[name.lower()][TYPES[kind]] = [_record(kind, value) for value in values]

    def withdraw(self, name: str, kind: str) -> None:
        """Have no such records any more."""
        records = self._records[name.lower()]
        records.pop(TYPES[kind], None)
        if not records:
            del self._records[name.lower()]

    def serves(self, domain: str, port: int, direct: int | None = None) -> None:
        """Publish where the XMPP server of a domain takes other servers, and where with direct TLS."""
        self.publish(domain, "A", HOST)
        self.publish(f"_xmpp-server._tcp.{domain}", "SRV", f"0 5 {port} localhost")
        if direct is not None:
            self.publish(f"_xmpps-server._tcp.{domain}", "SRV", f"0 5 {direct} localhost")

    def answer(self, question: bytes) -> bytes:
        """Return the answer to a question."""
        message = dns.Message()
        message.fromStr(question)
        query = message.queries[0]
        name = query.name.name.decode("latin-1").lower()
        self.asked.append((name, dns.QUERY_TYPES.get(query.type, str(query.type))))
        answer = dns.Message(message.id, answer=1, auth=1, recDes=message.recDes, recAv=1)
        answer.authenticData = int(self.is_authentic)
        answer.queries = [query]
        answer.answers = self._find(name, query.type)
        if not answer.answers:
            soa = dns.Record_SOA(b"ns.test", b"root.test", 1, 60, 60, 60, TTL, ttl=TTL)
            answer.authority = [dns.RRHeader(b"test", dns.SOA, dns.IN, TTL, soa, auth=True)]
            answer.rCode = dns.OK if self._exists(name) else dns.ENAME
        return bytes(answer.toStr())

    def _find(self, name: str, kind: int) -> list[dns.RRHeader]:
        records = self._records.get(name, {})
        found = [
            dns.RRHeader(name.encode(), kind, dns.IN, TTL, record, auth=True)
            for record in records.get(kind, ())
        ]
        for alias in records.get(dns.CNAME, ()) if not found else ():
            found.append(dns.RRHeader(name.encode(), dns.CNAME, dns.IN, TTL, alias, auth=True))
            found += self._find(alias.name.name.decode("latin-1"), kind)
        return found

    def _exists(self, name: str) -> bool:
        return any(known == name or known.endswith(f".{name}") for known in list(self._records))

    def _make(self, kind: str) -> type[socketserver.BaseRequestHandler]:
        answer = self.answer

        class Datagram(socketserver.DatagramRequestHandler):
            def handle(self) -> None:
                self.wfile.write(answer(self.rfile.read()))

        class Stream(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while len(size := self.rfile.read(2)) == 2:
                    back = answer(self.rfile.read(struct.unpack("!H", size)[0]))
                    self.wfile.write(struct.pack("!H", len(back)) + back)

        return Datagram if kind == "datagram" else Stream

    def close(self) -> None:
        """Answer nothing more."""
        for server in self._servers:
            server.shutdown()
            server.server_close()


def _record(kind: str, value: str) -> dns.IEncodableRecord:
    if kind == "A":
        return dns.Record_A(value, TTL)
    if kind == "AAAA":
        return dns.Record_AAAA(value, TTL)
    if kind == "CNAME":
        return dns.Record_CNAME(value.encode(), TTL)
    if kind == "NAPTR":
        order, preference, flags, service, replacement = value.split()
        return dns.Record_NAPTR(
            int(order), int(preference), flags.encode(), service.encode(), b"", replacement.encode(), TTL
        )
    first, second, third, last = value.split()
    if kind == "SRV":
        return dns.Record_SRV(int(first), int(second), int(third), last.rstrip(".").encode(), TTL)
    return dns.UnknownRecord(bytes([int(first), int(second), int(third)]) + bytes.fromhex(last), TTL)
