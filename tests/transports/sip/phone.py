"""A phone in memory that does only what a test tells it."""

from __future__ import annotations

from itertools import count

from msgspec.structs import replace

from tests.transports.sip.samples import SDP
from tests.transports.sip.wires import Reactor
from transports.sip.dialogs.dialog import Dialog
from transports.sip.wire.headers import CSeq, NameAddr, Via
from transports.sip.wire.message import Request, Response, parse, respond, write
from transports.sip.wire.uri import parse_uri

CONTENT = ("Content-Type", "application/sdp")


class Phone:
    """See the module's docstring. It keeps what it got until it is asked for."""

    def __init__(self, reactor: Reactor, host: str) -> None:
        self.reactor, self.host = reactor, host
        self.contact = ("Contact", f"<sip:phone@{host}>")
        self.content = CONTENT
        self.got: list[Request | Response] = []
        self.dialog: Dialog
        self.last: Request
        self.sent: Response
        self._branches = count(1)

    def _read(self) -> None:
        port = self.reactor.ports[0]
        sent, port.sent = port.sent, []
        self.got += [parse(data) for data, _ in sent]

    def _send(self, message: Request | Response) -> None:
        self.reactor.arrive(write(message), self.host)

    def _via(self, request: Request) -> Request:
        params = {"branch": f"z9hG4bKphone{next(self._branches)}"}
        return replace(request, via=(Via(transport="UDP", host=self.host, port=5060, params=params),))

    # ---- what it gets

    def asked(self, method: str) -> Request:
        """Take the first request of a method that came."""
        self._read()
        found = [one for one in self.got if isinstance(one, Request) and one.method == method]
        assert found, [one.start_line() for one in self.got]
        self.got.remove(found[0])
        return found[0]

    def take(self, status: int) -> Response:
        """Take the final response that came."""
        self._read()
        found = [one for one in self.got if isinstance(one, Response) and one.is_final]
        assert [one.status for one in found] == [status], [one.start_line() for one in self.got]
        self.got.remove(found[0])
        self.sent = found[0]
        return found[0]

    def take_of(self, method: str) -> Response:
        """Take the response to a request of that method."""
        self._read()
        [found] = [one for one in self.got if isinstance(one, Response) and one.cseq.method == method]
        self.got.remove(found)
        return found

    def dialog_of(self, response: Response) -> Dialog:
        """Return the dialog that a response to our INVITE makes."""
        return Dialog.of_client(self.last, response)

    def answer_all(self, status: int) -> None:
        """Answer what the gateway asks by itself, as whether the trunk is there."""
        self._read()
        for one in self.got:
            if isinstance(one, Request):
                self._send(respond(one, status, "trunk"))
        self.got.clear()

    # ---- what it does

    def respond(
        self, request: Request, status: int, *fields: tuple[str, str], tag: str = "far", body: bytes = b""
    ) -> None:
        """Answer a request."""
        described = (self.content,) if body else ()
        own = () if any(name == "Contact" for name, _ in fields) else (self.contact,)
        self._send(respond(request, status, tag, (*own, *fields, *described), body))

    def pass_on(self, request: Request) -> None:
        """Send a request of the gateway's back to it, as a proxy does."""
        via = self._via(request).via
        self._send(replace(request, via=(*via, *request.via)))

    def accept(self, invite: Request, *fields: tuple[str, str], tag: str = "far", body: bytes = SDP) -> None:
        """Answer a call."""
        self.dialog = Dialog.of_server(invite, tag, 100)
        self.respond(invite, 200, *fields, tag=tag, body=body)

    def invite(
        self,
        uri: str,
        *fields: tuple[str, str],
        tag: str = "far",
        call_id: str = "call",
        body: bytes = SDP,
        sender: str = "sip:juliet@b.gw",
    ) -> None:
        """Call a user."""
        described = (self.content,) if body else ()
        self.last = self._via(
            Request(
                uri=parse_uri(uri),
                via=(),
                from_=NameAddr(uri=parse_uri(sender), display="Juliet").with_tag(tag),
                to=NameAddr(uri=parse_uri(uri)),
                call_id=call_id,
                cseq=CSeq(number=1, method="INVITE"),
                fields=(self.contact, *fields, *described),
                body=body,
            )
        )
        self._send(self.last)

    def request_outside(self, method: str, uri: str, sender: str, *fields: tuple[str, str]) -> None:
        """Send a request that begins a dialog by itself."""
        number = next(self._branches)
        self.last = self._via(
            Request(
                uri=parse_uri(uri),
                via=(),
                from_=NameAddr(uri=parse_uri(sender)).with_tag(f"far{number}"),
                to=NameAddr(uri=parse_uri(uri)),
                call_id=f"outside{number}",
                cseq=CSeq(number=1, method=method),
                fields=(self.contact, *fields),
            )
        )
        self._send(self.last)

    def acknowledge(self, body: bytes = b"") -> None:
        """Send the ACK of the 200 that came last; from then on the dialog is this one."""
        self.dialog = Dialog.of_client(self.last, self.sent)
        described = (self.content,) if body else ()
        self._send(self._via(self.dialog.ack(self.last, described, body)))

    def acknowledge_again(self, body: bytes = b"") -> None:
        """Send the ACK of the 200 to an INVITE in the dialog."""
        described = (self.content,) if body else ()
        self._send(self._via(self.dialog.ack(self.last, described, body)))

    def acknowledge_failure(self) -> None:
        """Send the ACK of the refusal that came last."""
        cseq = CSeq(number=self.last.cseq.number, method="ACK")
        self._send(replace(self.last, to=self.sent.to, cseq=cseq, fields=(), body=b""))

    def cancel(self, *fields: tuple[str, str]) -> None:
        """Give up the INVITE that was sent last."""
        cseq = CSeq(number=self.last.cseq.number, method="CANCEL")
        self._send(replace(self.last, cseq=cseq, fields=fields, body=b""))

    def request(self, method: str, *fields: tuple[str, str], body: bytes = b"") -> Request:
        """Send a request in the dialog."""
        fields = (self.contact, *fields)
        self.last = self._via(self.dialog.request(method, fields, body))
        self._send(self.last)
        return self.last

    def offer(self, body: bytes, method: str = "INVITE") -> Request:
        """Offer anew."""
        return self.request(method, *((self.content,) if body else ()), body=body)

    def notify(self, line: str) -> None:
        """Tell how a call goes that we were asked to make."""
        self.request(
            "NOTIFY",
            ("Event", "refer"),
            ("Subscription-State", "active"),
            ("Content-Type", "message/sipfrag"),
            body=line.encode(),
        )
