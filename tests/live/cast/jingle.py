"""People who call by Jingle, as clients do: proposals to all devices, ICE, DTLS-SRTP, and tones that are heard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4
from xml.sax.saxutils import escape, quoteattr

from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import MediaStreamTrack
from lxml import etree

from tests.live.cast.jingle_wire import (
    DTMF,
    ERRORS,
    INFO,
    JINGLE,
    MESSAGE,
    RTP,
    candidates_of,
    contents_of,
    reason_of,
    sdp_of,
    trickled,
)
from tests.live.cast.stanzas import TIMEOUT, Stanza, normalise, show
from tests.live.cast.tones import Ear, Tone
from tests.live.cast.witness import Witness
from tests.live.cast.xmpp import Person

AUDIO = ("audio",)
UNKNOWN = (
    "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
    f"<unknown-session xmlns='{ERRORS}'/></error>"
)


@dataclass
class Habits:
    """How a client goes about it: `codecs` are those that it offers and takes, the preferred first."""

    codecs: Sequence[str] = ("opus", "PCMU")
    trickles: bool = False
    """Candidates come in requests of their own, with the news that they are complete."""
    rings: bool = True
    """Who is called says that his device rings."""
    proposes: bool = True
    """Calls are proposed to all devices before there is a session (XEP-0353)."""
    frequency: float = 440
    """Of the tone before the microphone."""


class Call(Witness):
    """One call of a person's."""

    def __init__(self, person: JinglePerson, sid: str, peer: str, media: Sequence[str], me: str) -> None:
        super().__init__(person.jid)
        self.person, self.sid, self.peer, self.media, self.me = person, sid, peer, tuple(media), me
        self.other = "responder" if me == "initiator" else "initiator"
        self.proposed = False
        self.over = False
        self.microphone = Tone(person.habits.frequency)
        self.ear: Ear | None = None
        self.eye: Ear | None = None
        self._answered = False
        self._closed = False
        self._offer: Stanza | None = None
        self._connection: RTCPeerConnection | None = None
        self._early: list[Stanza] = []
        self._steps: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._task = asyncio.ensure_future(self._work())

    # ---- what a test sees

    async def hears(self, frequency: float, timeout: float = TIMEOUT) -> None:
        """Wait until that tone is what is heard."""
        await self.until(lambda: self.ear is not None, "sound", timeout)
        assert self.ear is not None
        await self.ear.hears(frequency, timeout)

    async def hears_nothing(self, timeout: float = TIMEOUT) -> None:
        """Wait until it is silent in the line."""
        assert self.ear is not None
        await self.ear.hears_nothing(timeout)

    async def sees_moves(self, timeout: float = TIMEOUT) -> None:
        """Wait until pictures come."""
        await self.until(lambda: self.eye is not None, "pictures", timeout)
        assert self.eye is not None
        await self.eye.sees(2, timeout)

    async def connected(self, timeout: float = TIMEOUT) -> None:
        """Wait until ICE and DTLS are done."""
        await self.until(lambda: self._state() == "connected", "a connection", timeout)

    def _state(self) -> str:
        return "none" if self._connection is None else self._connection.connectionState

    async def codec(self) -> str:
        """Return what sound is sent as."""
        assert self._connection is not None
        (audio,) = (one for one in self._connection.getTransceivers() if one.kind == "audio")
        return str(audio._codecs[0].name)

    # ---- what a test does

    def answer(self) -> None:
        """Take the call: at once, or as soon as its session begins."""
        self._answered = True
        if self._offer is None:
            self.step("proceed")
        else:
            self._steps.put_nowait(self._accept)

    def refuse(self, reason: str = "busy") -> None:
        """Refuse the call."""
        if self._offer is None:
            self.step("reject", reason)
            self.end()
        else:
            self.hang_up("decline" if reason == "busy" else reason)

    def retract(self) -> None:
        """Give up before anybody has answered."""
        if self._connection is None:
            self.step("retract", "cancel")
            self.end()
        else:
            self.hang_up("cancel")

    def hang_up(self, reason: str = "success", text: str = "") -> asyncio.Future[Stanza]:
        """End the session, and tell all devices of both that it has ended; return what gives the answer."""
        words = f"<text>{escape(text)}</text>" if text else ""
        answered = self.ask("session-terminate", f"<reason><{reason}/>{words}</reason>")
        if self.proposed:
            self.step("finish", reason)
        self.end()
        return answered

    async def inform(self, payload: str) -> Stanza:
        """Tell something in the session; return the answer."""
        return await self.ask("session-info", payload)

    async def hold(self) -> None:
        """Stop to listen, and to speak."""
        self.microphone.frequency = 0
        assert (await self.inform(f"<hold xmlns='{INFO}'/>")).get("type") == "result"

    async def resume(self) -> None:
        """Listen and speak again."""
        self.microphone.frequency = self.person.habits.frequency
        assert (await self.inform(f"<active xmlns='{INFO}'/>")).get("type") == "result"

    async def press(self, keys: str, duration: int = 100) -> None:
        """Press keys (XEP-0181)."""
        for key in keys:
            told = await self.inform(f"<dtmf xmlns='{DTMF}' code='{key}' duration='{duration}'/>")
            assert told.get("type") == "result", show(told)

    def ask(self, action: str, inside: str = "", *, sid: str | None = None) -> asyncio.Future[Stanza]:
        """Send a request of this session; return what gives its answer."""
        ident = self.person.fresh_id()
        answered = self.person.expect_answer(ident)
        about = f" initiator={quoteattr(self.person.jid)}" if action == "session-initiate" else ""
        about += f" responder={quoteattr(self.person.jid)}" if action == "session-accept" else ""
        jingle = (
            f"<jingle xmlns='{JINGLE}' action='{action}' sid={quoteattr(self.sid if sid is None else sid)}{about}>"
            f"{inside}</jingle>"
        )
        written = show(self.person.rewrite(normalise(jingle)))
        self.person.send(f"<iq type='set' id='{ident}' to={quoteattr(self.peer)}>{written}</iq>")
        return answered

    def step(self, name: str, reason: str = "", inside: str = "") -> None:
        """Tell all devices of both a step of the call (XEP-0353)."""
        why = f"<reason xmlns='{JINGLE}'><{reason}/></reason>" if reason else ""
        self.person.send(
            f"<message type='chat' id='{self.person.fresh_id()}' to={quoteattr(self.peer)}>"
            f"<{name} xmlns='{MESSAGE}' id={quoteattr(self.sid)}>{inside}{why}</{name}>"
            "<store xmlns='urn:xmpp:hints'/></message>"
        )

    def begin(self) -> None:
        """Propose the call, or begin its session."""
        if self.person.habits.proposes:
            self.proposed = True
            kinds = "".join(f"<description xmlns='{RTP}' media='{kind}'/>" for kind in self.media)
            self.step("propose", inside=kinds)
        else:
            self._steps.put_nowait(self._initiate)

    def end(self) -> None:
        """Let go of the media."""
        if not self.over:
            self.over = True
            self._steps.put_nowait(self._close)

    # ---- what the other side tells

    def stepped(self, message: Stanza, step: Stanza) -> None:
        """Take a step that a device of the other one tells."""
        name = etree.QName(step).localname
        self.told(f"{name} {reason_of(step)}".strip())
        if name == "proceed" and self.me == "initiator" and not self.over:
            self.peer = message.get("from", "")
            self._steps.put_nowait(self._initiate)
        elif name in ("reject", "retract", "finish"):
            self.end()

    def asked(self, jingle: Stanza) -> None:
        """Take a request of the session, which was acknowledged."""
        action = jingle.get("action", "")
        infos = [etree.QName(one).localname for one in jingle] if action == "session-info" else []
        words = f"info {' '.join(infos)}" if action == "session-info" else f"{action} {reason_of(jingle)}"
        if action == "session-initiate":
            self._offer = jingle
            self.told(words.strip())
            if self._answered:
                self._steps.put_nowait(self._accept)
            elif self.person.habits.rings:
                self.ask("session-info", f"<ringing xmlns='{INFO}'/>")
            return
        self.told(words.strip())
        if action == "session-accept":
            self._steps.put_nowait(lambda: self._take_answer(jingle))
        elif action == "transport-info":
            self._steps.put_nowait(lambda: self._take_candidates(jingle))
        elif action == "session-terminate":
            if self.proposed and not self.over:
                self.step("finish", reason_of(jingle))
            self.end()

    # ---- media

    async def _work(self) -> None:
        """Do one step after the other until the last; what goes wrong is seen by whoever waits."""
        while not self._closed:
            try:
                await (await self._steps.get())()
            except Exception as error:
                self.told(repr(error))
                self.end()

    def _connect(self) -> RTCPeerConnection:
        made = self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        made.on("track", self._heard)
        made.on("connectionstatechange", self._news.set)
        return made

    def _heard(self, track: MediaStreamTrack) -> None:
        listener = Ear(track)
        if track.kind == "audio":
            self.ear = listener
        else:
            self.eye = listener
        self._news.set()

    def _prefer(self, connection: RTCPeerConnection) -> None:
        known = RTCRtpSender.getCapabilities("audio").codecs
        wanted = [
            codec
            for name in self.person.habits.codecs
            for codec in known
            if codec.mimeType.lower() == f"audio/{name.lower()}"
        ]
        for transceiver in connection.getTransceivers():
            if transceiver.kind == "audio":
                transceiver.setCodecPreferences(wanted)

    async def _initiate(self) -> None:
        connection = self._connect()
        for kind in self.media:
            connection.addTrack(self.microphone if kind == "audio" else VideoStreamTrack())
        self._prefer(connection)
        await connection.setLocalDescription(await connection.createOffer())
        self._describe(connection, "session-initiate")

    async def _accept(self) -> None:
        assert self._offer is not None
        connection = self._connect()
        offer = RTCSessionDescription(sdp_of(self._offer, "initiator"), "offer")
        await connection.setRemoteDescription(offer)
        for transceiver in connection.getTransceivers():
            track = self.microphone if transceiver.kind == "audio" else VideoStreamTrack()
            connection.addTrack(track)
        self._prefer(connection)
        await self._take_early()
        await connection.setLocalDescription(await connection.createAnswer())
        self._describe(connection, "session-accept")

    def _describe(self, connection: RTCPeerConnection, action: str) -> None:
        sdp, trickles = connection.localDescription.sdp, self.person.habits.trickles
        self.ask(action, contents_of(sdp, self.me, self.other, candidates=not trickles))
        for content in trickled(sdp) if trickles else ():
            self.ask("transport-info", content)

    async def _take_answer(self, jingle: Stanza) -> None:
        assert self._connection is not None
        answer = RTCSessionDescription(sdp_of(jingle, "responder"), "answer")
        await self._connection.setRemoteDescription(answer)
        await self._take_early()

    async def _take_candidates(self, jingle: Stanza) -> None:
        if self._connection is None or self._connection.remoteDescription is None:
            self._early.append(jingle)
            return
        for candidate in candidates_of(jingle):
            await self._connection.addIceCandidate(candidate)

    async def _take_early(self) -> None:
        early, self._early = self._early, []
        for jingle in early:
            await self._take_candidates(jingle)

    async def _close(self) -> None:
        self.microphone.stop()
        for listener in (self.ear, self.eye):
            if listener is not None:
                listener.close()
        self._closed = True
        if self._connection is not None:
            await self._connection.close()

    async def close(self) -> None:
        """End it whatever its state; for the end of a test."""
        self.end()
        await self._task


class JinglePerson(Person):
    """One who calls and is called; see `Habits` for how."""

    def __init__(
        self,
        jid: str,
        password: str,
        port: int,
        gateways: str | tuple[str, ...],
        habits: Habits | None = None,
    ) -> None:
        super().__init__(jid, password, port, gateways)
        self.habits = habits or Habits()
        self.calls: dict[str, Call] = {}
        self.rewrite: Callable[[Stanza], Stanza] = lambda jingle: jingle
        """What becomes of a request of either side before it is read."""
        self._incoming: asyncio.Queue[Call] = asyncio.Queue()

    def call(self, to: str, media: Sequence[str] = AUDIO) -> Call:
        """Call somebody: all his devices by a bare JID, one by a full one."""
        sid = str(uuid4())
        call = self.calls[sid] = Call(self, sid, to, media, "initiator")
        call.begin()
        return call

    async def is_called(self, timeout: float = TIMEOUT) -> Call:
        """Return the next call that comes in."""
        try:
            return await asyncio.wait_for(self._incoming.get(), timeout)
        except TimeoutError:
            raise AssertionError(f"nobody calls {self.jid}") from None

    def received(self, stanza: Stanza) -> None:
        """Take what is of a call out of the other stanzas."""
        for step in stanza if stanza.tag == "message" and stanza.get("type") != "error" else ():
            if etree.QName(step).namespace == MESSAGE:
                self._stepped(stanza, step)
                return
        super().received(stanza)

    def _stepped(self, message: Stanza, step: Stanza) -> None:
        sid, sender = step.get("id", ""), message.get("from", "")
        if etree.QName(step).localname == "propose" and sid not in self.calls:
            media = [one.get("media", "") for one in step.iterfind(f"{{{RTP}}}description")]
            call = self._is_called(sid, sender, media)
            call.proposed = True
            call.told("propose")
            if self.habits.rings:
                call.step("ringing")
        elif sid in self.calls:
            self.calls[sid].stepped(message, step)
        else:
            self.mailbox.put(message)

    def _is_called(self, sid: str, sender: str, media: Sequence[str]) -> Call:
        call = self.calls[sid] = Call(self, sid, sender, media, "responder")
        self._incoming.put_nowait(call)
        return call

    def _answer(self, request: Stanza) -> None:
        if etree.QName(request[0]).namespace != JINGLE:
            super()._answer(request)
            return
        jingle, sender = self.rewrite(request[0]), request.get("from", "")
        sid, action = jingle.get("sid", ""), jingle.get("action")
        back = f"id={quoteattr(request.get('id', ''))} to={quoteattr(sender)}"
        call = self.calls.get(sid)
        if call is None and action == "session-initiate":
            media = [one.get("media", "") for one in jingle.iter(f"{{{RTP}}}description")]
            call = self._is_called(sid, sender, media)
        if call is None or (call.over and action != "session-terminate"):
            self.send(f"<iq type='error' {back}>{UNKNOWN}</iq>")
            return
        self.send(f"<iq type='result' {back}/>")
        call.peer = sender
        call.asked(jingle)

    async def log_out(self) -> None:
        """End all calls and the session."""
        await asyncio.gather(*(call.close() for call in self.calls.values()))
        await super().log_out()
