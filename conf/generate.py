"""Write what is generated anew, in this folder and in the README: PYTHONPATH=. python conf/generate.py"""

from __future__ import annotations

from pathlib import Path

from bridge import capabilities
from bridge.cli.snippets import EXAMPLE, SNIPPETS
from bridge.config import network_module, network_names
from bridge.config.sample import sample
from bridge.secret import Secret
from bridge.xmpp import conformance
from transports.matrix import files, mapping
from transports.matrix.config import MatrixConfig
from transports.sip import files as sip_files
from transports.sip import mapping as sip_mapping
from transports.sip.config import SipConfig, TrunkConfig
from transports.sip.media.config import MediaConfig

HERE = Path(__file__).parent

(HERE / "xmppbridge.sample.toml").write_text(sample(), "utf-8")
for snippet in SNIPPETS.values():
    (HERE / snippet.file).write_text(snippet.lines(EXAMPLE), "utf-8")

MATRIX = MatrixConfig(
    homeserver="http://127.0.0.1:8008",
    server_name="example.org",
    as_token=Secret("a token of xmppbridge.toml"),
    hs_token=Secret("the other token of xmppbridge.toml"),
)
MEDIA = MediaConfig(
    rtpengine=("127.0.0.1:22222",), sip_interface="int", xmpp_interface="pub", dtmf_listen="127.0.0.1:22444"
)
SIP = SipConfig(
    domain="sip.example.org",
    media=MEDIA,
    trunks={
        "pbx": TrunkConfig(
            server="sip:pbx.example.org",
            users=("example.org",),
            caller_ids=("romeo@example.org 8100",),
        )
    },
)
for name, text in {**files(MATRIX), **sip_files(SIP)}.items():
    (HERE / name).write_text(text, "utf-8")

(HERE / "doap.xml").write_text(conformance.doap(), "utf-8")

README = HERE.parent / "README.md"
NETWORKS = {
    name: levels
    for network in network_names()
    for name, levels in network_module(network).CAPABILITIES.items()
}
TABLES = (
    (conformance.README_BEGIN, conformance.README_END, conformance.conformance_table()),
    (capabilities.README_BEGIN, capabilities.README_END, capabilities.capability_table(NETWORKS)),
    (mapping.README_BEGIN, mapping.README_END, mapping.mapping_table()),
    (sip_mapping.README_BEGIN, sip_mapping.README_END, sip_mapping.mapping_table()),
    (sip_mapping.ENDINGS_BEGIN, sip_mapping.ENDINGS_END, sip_mapping.endings_table()),
)
text = README.read_text("utf-8")
for begin, end, table in TABLES:
    head, rest = text.split(begin)
    text = f"{head}{begin}\n{table}{end}{rest.partition(end)[2]}"
README.write_text(text, "utf-8")
