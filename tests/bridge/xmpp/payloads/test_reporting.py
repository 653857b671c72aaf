"""Forwarded abuse reports."""

from __future__ import annotations

import pytest

from bridge.xmpp.payloads.reporting import Report, parse_report
from bridge.xmpp.split import parse_stanza

REPORT = """<message><report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'>
<jid xmlns='urn:xmpp:jid:0'> nurse@gw.example </jid>
<text xml:lang='en'>
  Never came trouble
  to my house like this.
</text><report-origin/></report></message>"""


def test_report_is_read_as_prosody_forwards_it() -> None:
    """Its layout is no part of what was said."""
    assert parse_report(parse_stanza(REPORT.encode())) == Report(
        "nurse@gw.example", "spam", "Never came trouble to my house like this."
    )


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        (" nurse@gw.example ", ""),
        (" reason='urn:xmpp:reporting:spam'", ""),
        ("urn:xmpp:reporting:1", "urn:xmpp:reporting:0"),
        ("urn:xmpp:jid:0", "urn:x"),
    ],
)
def test_report_of_nobody_or_for_nothing_is_none(there: str, instead: str) -> None:
    """Nor is one of another version."""
    assert there in REPORT
    assert parse_report(parse_stanza(REPORT.replace(there, instead).encode())) is None
