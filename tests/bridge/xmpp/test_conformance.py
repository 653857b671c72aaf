"""What is written of the specifications."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from bridge.xmpp.conformance import README_BEGIN, README_END, conformance_table, doap
from bridge.xmpp.specs import SPECS, Status

ROOT = Path(__file__).parents[3]


def test_doap_file_is_up_to_date():
    """conf/doap.xml is what the table says."""
    assert (ROOT / "conf" / "doap.xml").read_text() == doap()


def test_doap_is_well_formed_and_claims_no_background():
    """XEP-0453: each XEP that works, with its status."""
    namespace = "{https://linkmauve.fr/ns/xmpp-doap#}"
    rows = list(ElementTree.fromstring(doap()).iter(f"{namespace}SupportedXep"))
    assert len(rows) == len(
        [s for s in SPECS if s.id.startswith("XEP") and s.status is not Status.BACKGROUND]
    )
    assert {row.findtext(f"{namespace}status") for row in rows} == {"complete", "partial"}


def test_readme_table_is_up_to_date():
    """The README's table is what the table says."""
    text = (ROOT / "README.md").read_text()
    begin, end = text.index(README_BEGIN) + len(README_BEGIN), text.index(README_END)
    assert text[begin:end].strip() == conformance_table().strip()
