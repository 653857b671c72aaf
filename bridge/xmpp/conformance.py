"""What people and programs are told of the specifications that the bridge follows (`bridge.xmpp.specs`)."""

from __future__ import annotations

from bridge.xmpp.element import escape, quote
from bridge.xmpp.specs import SPECS, Spec, Status

README_BEGIN, README_END = "<!-- specs:begin -->", "<!-- specs:end -->"


def conformance_table() -> str:
    """Return the table of the README, in Markdown; it stands between `README_BEGIN` and `README_END`."""
    lines = ["| Specification | Name | Version | Status | Note |", "|---|---|---|---|---|"]
    for spec in SPECS:
        if spec.status is not Status.BACKGROUND:
            cells = (spec.id, spec.name, spec.version, spec.status.value, spec.note)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


_DOAP_HEAD = """\
<?xml version='1.0' encoding='UTF-8'?>
<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'
         xmlns='http://usefulinc.com/ns/doap#'
         xmlns:xmpp='https://linkmauve.fr/ns/xmpp-doap#'>
  <Project>
    <name>xmppbridge</name>
    <shortdesc xml:lang='en'>XMPP gateway: IRC and Matrix rooms as MUC rooms, calls over SIP</shortdesc>
    <programming-language>Python</programming-language>
    <os>Linux</os>
    <license rdf:resource='https://www.apache.org/licenses/LICENSE-2.0'/>
    <category rdf:resource='https://linkmauve.fr/ns/xmpp-doap#category-component'/>
"""
_DOAP_TAIL = """\
  </Project>
</rdf:RDF>
"""


def doap() -> str:
    """Return the description of the project (DOAP, XEP-0453)."""
    return _DOAP_HEAD + "".join(_doap_row(spec) for spec in SPECS) + _DOAP_TAIL


def _doap_row(spec: Spec) -> str:
    if spec.status is Status.BACKGROUND:
        return ""
    if spec.id.startswith("RFC "):
        address = f"https://www.rfc-editor.org/info/rfc{spec.id.removeprefix('RFC ')}"
        return f"    <implements rdf:resource='{address}'/>\n"
    if not spec.id.startswith("XEP-"):
        return ""
    note = f"        <xmpp:note xml:lang='en'>{escape(spec.note)}</xmpp:note>\n" if spec.note else ""
    return (
        "    <implements>\n"
        "      <xmpp:SupportedXep>\n"
        f"        <xmpp:xep rdf:resource='https://xmpp.org/extensions/{quote(spec.id.lower())}.html'/>\n"
        f"        <xmpp:status>{spec.status.value}</xmpp:status>\n"
        f"        <xmpp:version>{escape(spec.version)}</xmpp:version>\n"
        f"{note}"
        "      </xmpp:SupportedXep>\n"
        "    </implements>\n"
    )
