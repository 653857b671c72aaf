"""XEP-0377 Blocking Command Reports 0.4.1, as servers forward them to the domain that a report is about."""

from __future__ import annotations

from msgspec import Struct

from bridge.xmpp.element import Element

NS_REPORTING = "urn:xmpp:reporting:1"
NS_JID = "urn:xmpp:jid:0"


class Report(Struct, frozen=True):
    """Somebody was reported: for `reason`, "spam", "abuse" or a URN of others, with words "" if none."""

    jid: str
    reason: str
    text: str


def parse_report(message: Element) -> Report | None:
    """Read a forwarded report; None if it does not say who is reported, or why.

    XEP-0377 §5 (report-origin) leaves the form open. COMPAT Prosody's mod_report_forward, whose form
    others follow: a message with the report, and in that the address.
    """
    report = message.child("report", NS_REPORTING)
    if report is None:
        return None
    jid = (report.child_text("jid", NS_JID) or "").strip()
    reason = (report.get("reason") or "").removeprefix("urn:xmpp:reporting:").strip()
    text = " ".join((report.child_text("text", NS_REPORTING) or "").split())
    return Report(jid, reason, text) if jid and reason else None
