"""Records of calls."""

from __future__ import annotations

import json
from pathlib import Path

from transports.sip.calls.records import CallLog, CallRecord

RECORD = CallRecord(
    call="c1",
    direction="to-sip",
    user="romeo@example.org",
    contact="+15551234",
    trunk="pbx",
    began=1e9,
    rang=0.5,
    answered=None,
    lasted=0.0,
    ending="busy",
    text='SIP 486 "Busy"\n',
)


def test_record_is_a_line_of_its_file(tmp_path: Path) -> None:
    """In JSON, whatever is in it; a file that was moved away is begun anew."""
    path = tmp_path / "calls.jsonl"
    log = CallLog(str(path))
    log.start()
    log.write(RECORD)
    log.stop()
    [line] = path.read_text().splitlines()
    assert json.loads(line)["text"] == RECORD.text and json.loads(line)["answered"] is None
    path.rename(tmp_path / "old")
    log.start()
    log.write(RECORD)
    log.stop()
    assert path.read_text().splitlines() == [line]


def test_without_a_file_a_call_is_only_logged() -> None:
    """The operator named none."""
    log = CallLog("")
    log.start()
    log.write(RECORD)
    log.stop()
