"""What clients send in calls, as XML, and what they see."""

from __future__ import annotations

from tests.scenarios.stage import GATEWAY, ROMEO, SERVER, Seen, Stage

USER = ROMEO.partition("/")[0]
SID = "a73sjjvkla37jfea"
JINGLE = "urn:xmpp:jingle:1"
RTP = "urn:xmpp:jingle:apps:rtp:1"
JMI = "urn:xmpp:jingle-message:0"
SEEN = {"j": JINGLE, "m": JMI, "rtp": RTP, "info": "urn:xmpp:jingle:apps:rtp:info:1"}
ECHO, BUSY, BELL, STUBBORN, NOBODY = (
    f"{name}%{SERVER}@{GATEWAY}" for name in ("echo", "busy", "bell", "stubborn", "nobody")
)
FINGERPRINT = ":".join(["3E"] * 32)
TRANSPORT = f"""
    <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' pwd='asd88fgpdd777uzjYhagZg' ufrag='8hhy'>
      <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>{FINGERPRINT}</fingerprint>
      <candidate component='1' foundation='1' generation='0' id='el0747fg11' ip='10.0.1.1' network='1' port='8998'
                 priority='2130706431' protocol='udp' type='host'/>
    </transport>"""
VOICE = f"""
  <content creator='initiator' name='voice'>
    <description xmlns='{RTP}' media='audio'>
      <payload-type id='111' name='opus' clockrate='48000' channels='2'/>
      <payload-type id='0' name='PCMU' clockrate='8000'/>
      <rtcp-mux/>
    </description>{TRANSPORT}
  </content>"""
FILM = VOICE.replace("'voice'", "'webcam'").replace("'audio'", "'video'").replace("opus", "VP8")
ANSWER = VOICE.replace("actpass", "active")


def jingle(
    stage: Stage, action: str, inside: str = "", to: str = ECHO, sid: str = SID, who: str = ROMEO
) -> list[Seen]:
    """Send a request of Jingle; return all that comes of it, its answer first."""
    stage.say(
        f"<iq type='set' from='{who}' to='{to}' id='j1'>"
        f"<jingle xmlns='{JINGLE}' action='{action}' sid='{sid}' initiator='{who}'>{inside}</jingle></iq>"
    )
    return stage.take()


def tell(stage: Stage, step: str, to: str = ECHO, sid: str = SID, who: str = ROMEO) -> list[Seen]:
    """Send a step of XEP-0353; return all that comes of it."""
    stage.say(
        f"<message type='chat' from='{who}' to='{to}' id='m1'>{step_of(step, sid)}"
        "<store xmlns='urn:xmpp:hints'/></message>"
    )
    return stage.take()


def step_of(step: str, sid: str) -> str:
    """Return a step as it is written; a proposal is of audio."""
    inside = f"<description xmlns='{RTP}' media='audio'/>" if step == "propose" else ""
    return f"<{step} xmlns='{JMI}' id='{sid}'>{inside}</{step}>"


def acknowledge(stage: Stage, stanza: Seen) -> None:
    """Answer a request as clients do."""
    get = stanza.element.get
    stage.say(f"<iq type='result' from='{get('to')}' to='{get('from')}' id='{get('id')}'/>")


def press(stage: Stage, key: str, to: str = ECHO, sid: str = SID) -> list[Seen]:
    """Press a key (XEP-0181)."""
    return jingle(stage, "session-info", f"<dtmf xmlns='urn:xmpp:jingle:dtmf:0' code='{key}'/>", to, sid)


def words(stanzas: list[Seen]) -> list[str]:
    """Return stanzas in a word or two each: answers, actions with what they inform of, steps, bodies."""
    return [_word(stanza) for stanza in stanzas]


def _word(stanza: Seen) -> str:
    element = stanza.element
    for child in element:
        name = child.tag.partition("}")[2]
        reason = child.find(f"{{{JINGLE}}}reason")
        ending = "" if reason is None else f" {reason[0].tag.partition('}')[2]}"
        if name == "jingle":
            infos = "".join(f" {one.tag.partition('}')[2]}" for one in child if JINGLE not in one.tag)
            return f"{child.get('action')}{infos}{ending}"
        if JMI in child.tag:
            return f"<{name}{ending}>"
        if name == "body":
            return str(child.text)
        if name == "error":
            return (
                child[-1].tag.partition("}")[2]
                if JINGLE[:-2] in child[-1].tag
                else child[0].tag.partition("}")[2]
            )
    return str(element.get("type"))
