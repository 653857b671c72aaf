"""What of SIP has which counterpart on XMPP, and why calls end: the tables of the README."""

from __future__ import annotations

from msgspec import Struct

from bridge.calls import Ending
from bridge.capabilities import Level
from transports.sip.calls.ending import ENDINGS, STATUSES

README_BEGIN, README_END = "<!-- sip:begin -->", "<!-- sip:end -->"
ENDINGS_BEGIN, ENDINGS_END = "<!-- sip-endings:begin -->", "<!-- sip-endings:end -->"

_WELL, _PART, _WORDS, _GONE, _NO = Level


class Row(Struct, frozen=True):
    """One kind of thing; `of` is the field of `Capabilities` that speaks of it, "" if none does.

    None stands for what the other side has not.
    """

    sip: str
    xmpp: str
    to_sip: Level | None
    to_xmpp: Level | None
    note: str = ""
    of: str = ""


MAPPING = (
    Row("INVITE, 180, 200, CANCEL, BYE", "calls (0166, 0167, 0353)", _WELL, _WELL, "", "calls"),
    Row("183 with media", "ringing, or the answer", None, _PART, "as `early_media` of the trunk says"),
    Row("RTP, SDES, DTLS, ICE", "ICE, DTLS-SRTP (0176, 0320)", _WELL, _WELL, "as `media` of the trunk says"),
    Row("re-INVITE sendonly, sendrecv", "hold, active (0167)", _WELL, _WELL),
    Row("re-INVITE with other media", "content-add, content-remove", _WELL, _WELL),
    Row("telephone-event", "the same (RFC 4733)", _WELL, _WELL),
    Row("INFO dtmf-relay", "dtmf (0181)", _WELL, _WELL, "where keys are not in the media"),
    Row("REFER", "transfer (0251)", _WELL, _WELL, "the user's client sees none of the telephone's"),
    Row("re-INVITE, UPDATE to refresh", "—", None, None, "is answered, and sent, by the gateway"),
    Row("MESSAGE", "chat", _PART, _PART, "plain words, 1300 bytes unless `max_message` says more",
        "direct_messages"),
    Row("MSRP sessions", "chat", _PART, _PART, "with `msrp`, and `chat` of the trunk; plain words"),
    Row("BYE with MSRP", "gone (0085)", _WELL, _WELL, "the next word begins another chat"),
    Row("Subject", "subject", _PART, _PART, "of MESSAGE; in a chat it is the first line", "subjects"),
    Row("Call-ID of a chat", "thread (0201)", _PART, _PART, "answers have the user's, if he names one",
        "threads"),
    Row("MSRP reports", "receipts (0184), stanza errors", _PART, _PART, "what is not sent back is delivered",
        "receipts"),
    Row("INVITE, BYE with MSRP and isfocus", "join, leave (0045)", _PART, None, "of what `conferences` says",
        "rooms"),
    Row("INVITE, BYE with MSRP and chatroom", "guests in rooms (0045)", _PART, _PART,
        "the gateway is their focus", "guests"),
    Row("MSRP SEND with CPIM", "groupchat, private messages (0045)", _PART, _PART, "plain words"),
    Row("MSRP NICKNAME", "nicks (0045)", _WELL, _WELL),
    Row("SUBSCRIBE, NOTIFY (conference)", "occupants, subject (0045)", _PART, _PART,
        "up to 200 people of a room by name"),
    Row("REFER to a conference", "mediated invitation (0045)", _PART, _PART,
        "who is invited on SIP gets a MESSAGE"),
    Row("isComposing", "chat states (0085)", _PART, _PART, "to those who show it themselves", "typing"),
    Row("SUBSCRIBE, NOTIFY (presence)", "contacts in the roster", _PART, _PART,
        "several devices as one", "subscriptions"),
    Row("PUBLISH", "presence", _PART, None, "of accounts, with `publish`", "presence"),
    Row("status of an answer", "stanza error", _WELL, _WELL, "RFC 7247 §7"),
    Row("OPTIONS", "ping (0199), version (0092)", _WELL, _PART, "the gateway answers for users"),
)  # fmt: skip


def mapping_table() -> str:
    """Return the table in Markdown; it stands between `README_BEGIN` and `README_END`."""
    lines = ["| SIP | XMPP | to SIP | to XMPP | note |", "|---|---|---|---|---|"]
    for row in MAPPING:
        levels = ("—" if level is None else level.value for level in (row.to_sip, row.to_xmpp))
        lines.append(f"| {' | '.join((row.sip, row.xmpp, *levels, row.note))} |")
    return "\n".join(lines) + "\n"


def endings_table() -> str:
    """Return the reasons of Jingle, what of SIP leads to each, and what each becomes, in Markdown."""
    lines = [
        "| Jingle | SIP's answers that are told so | what a caller on SIP is answered |",
        "|---|---|---|",
    ]
    for ending in Ending:
        statuses = [str(status) for status, one in ENDINGS.items() if one is ending]
        lines.append(
            f"| {ending.value} | {_others(ending) or ', '.join(statuses) or '—'} | {STATUSES[ending]} |"
        )
    return "\n".join(lines) + "\n"


def _others(ending: Ending) -> str:
    """Name what no list of statuses says."""
    return {
        Ending.SUCCESS: "BYE",
        Ending.ALTERNATIVE: "3xx that cannot be followed",
        Ending.CONNECTIVITY: "nobody to be reached",
        Ending.GENERAL: "all others",
    }.get(ending, "")
