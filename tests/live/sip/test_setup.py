"""The way of an operator: `xmppbridge init`, what it writes for Kamailio and rtpengine, `check`, `run`, a first call."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.cast.jingle import Habits, JinglePerson
from tests.live.conftest import MakeTelephone
from tests.live.peers.daemon import HOST, Daemon, answers, find_program, free_port
from tests.live.peers.dns import Nameserver
from tests.live.peers.gateway import CONNECTED, ROOT
from tests.live.peers.rtpengine import Rtpengine, own_address
from tests.live.peers.xmpp import PASSWORD, Prosody

XMPP, PBX = "setup.test", "pbx.setup.test"
GATEWAY = f"phones.{XMPP}"
EXTENSION = "a password of the PBX"
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
COMMAND = [sys.executable, "-m", "bridge.cli"]
KAMAILIO = """#!KAMAILIO
debug=1
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
alias="{domain}"
listen=udp:{host}:{port}
listen=tcp:{host}:{port}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "auth.so"
modparam("auth", "qop", "auth")
request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (has_totag()) {{
    if (loose_route() || (is_method("ACK") && t_check_trans())) t_relay();
    exit;
  }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  route(XMPPBRIDGE);
  if (is_method("REGISTER")) {{
    if (!pv_auth_check("$td", "{password}", "0", "0")) {{ auth_challenge("$td", "1"); exit; }}
    save("location");
    exit;
  }}
  if (!pv_auth_check("$fd", "{password}", "0", "0")) {{ proxy_challenge("$fd", "1"); exit; }}
  consume_credentials();
  if (is_method("INVITE")) record_route();
  if (!lookup("location")) {{ sl_send_reply("404", "Not Found"); exit; }}
  t_relay();
}}
include_file "xmppbridge.cfg"
"""
"""A PBX as many are: passwords for everybody, and what we ask an operator to add."""


class Operator:
    """Does what the README says, in a folder of his own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, folder / "xmppbridge.toml"
        for name in ("prosody", "kamailio"):
            (folder / name).mkdir()
        self.prosody = Prosody(folder / "prosody", XMPP)
        self.pbx_port, self._ng_port, self._keys_port = free_port(), free_port(), free_port()
        self._init()
        with (folder / "prosody/prosody.cfg.lua").open("a") as config:
            config.write((folder / "xmppbridge.prosody.cfg.lua").read_text())
        self.daemons = [self.prosody.daemon, self._kamailio(), self._rtpengine()]
        self.bridge = Daemon(
            "xmppbridge",
            folder,
            [*COMMAND, "run", "--config", str(self.config)],
            ready=lambda: (
                "the trunk pbx answers" in self.bridge.output() and CONNECTED in self.bridge.output()
            ),
            environment=ENVIRONMENT,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `xmppbridge` with these."""
        return subprocess.run(
            [*COMMAND, *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=90
        )

    def _init(self) -> None:
        port = free_port()
        trunk = (
            f'server = "sip:{HOST}:{self.pbx_port}", domain = "{PBX}", users = ["{XMPP}"], numbers = ["1??"], '
            f'caller_ids = ["romeo@{XMPP} 8100"]'
        )
        media = (
            f'rtpengine = ["{HOST}:{self._ng_port}"], dtmf_listen = "{HOST}:{self._keys_port}", '
            'sip_interface = "int", xmpp_interface = "pub"'
        )
        values = {
            "listen": f'["udp {HOST}:{port}", "tcp {HOST}:{port}"]',
            "media": f"{{ {media} }}",
            "trunks": f"{{ pbx = {{ {trunk} }} }}",
        }
        options = [part for key, value in values.items() for part in ("--option", f"{key}={value}")]
        where = (
            "--server",
            "prosody",
            "--port",
            str(self.prosody.component_port),
            "--output",
            str(self.config),
        )
        made = self.run("init", "--yes", "--network", "sip", "--domain", GATEWAY, *where, *options)
        assert made.returncode == 0, made.stderr

    def _kamailio(self) -> Daemon:
        folder = self.folder / "kamailio"
        (folder / "xmppbridge.cfg").write_text((self.folder / f"{GATEWAY}.kamailio.cfg").read_text())
        text = KAMAILIO.format(domain=PBX, host=HOST, port=self.pbx_port, password=EXTENSION)
        (folder / "kamailio.cfg").write_text(text)
        return Daemon(
            "kamailio",
            folder,
            [
                *(find_program("kamailio"), "-f", str(folder / "kamailio.cfg"), "-DD", "-E", "-m", "16"),
                *("-M", "4", "-Y", str(folder), "-P", str(folder / "kamailio.pid"), "-w", str(folder)),
            ],
            ready=lambda: answers(self.pbx_port),
        )

    def _rtpengine(self) -> Daemon:
        """Put the two addresses into the file, and other ports, since other tests have theirs."""
        path = self.folder / f"{GATEWAY}.rtpengine.conf"
        text = path.read_text().replace("192.0.2.1", HOST).replace("198.51.100.1", own_address())
        first = 30000 + self._ng_port % 300 * 100
        text = text.replace("30000", str(first)).replace("40000", str(first + 99))
        path.write_text(text)
        made = Rtpengine(self.folder, self._keys_port)
        made.port = self._ng_port
        pid = self.folder / "rtpengine.pid"
        command = [find_program("rtpengine"), f"--config-file={path}", "--foreground", "--log-stderr"]
        made.daemon = Daemon("rtpengine", self.folder, [*command, f"--pidfile={pid}"], ready=made.answers)
        return made.daemon

    def check(self) -> tuple[int, str]:
        """Return the code and the words of `xmppbridge check --live`."""
        found = self.run("check", "--live", "--config", str(self.config))
        return found.returncode, found.stdout


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator whose servers run with what `init` wrote; the bridge does not yet."""
    made = Operator(tmp_path_factory.mktemp("operator"))
    for daemon in made.daemons:
        daemon.start()
    yield made
    for daemon in (made.bridge, *made.daemons):
        daemon.close()


async def test_what_init_writes_is_a_gateway_that_calls(operator: Operator, telephone: MakeTelephone):
    """Each server takes its part as it is, the check is content, and a first call goes each way, with sound."""
    code, words = await asyncio.to_thread(operator.check)
    assert f"{GATEWAY}: {HOST}:{operator.prosody.component_port} accepts the secret" in words
    assert "trunk pbx" in words and "answers OPTIONS with 200 over UDP" in words
    assert f"media at {HOST} for SIP and {own_address()} for XMPP" in words
    assert code == 0, words
    await asyncio.to_thread(operator.bridge.start)
    operator.prosody.register("romeo")
    port = operator.prosody.client_port
    romeo = JinglePerson(f"romeo@{XMPP}/a", PASSWORD, port, GATEWAY, Habits())
    await romeo.log_in()
    way = f';auth_pass="{EXTENSION}";outbound="sip:{HOST}:{operator.pbx_port}"'
    phone = await telephone("101", domain=PBX, account=way)
    call = romeo.call(f"101@{GATEWAY}")
    await phone.sees("CALL_INCOMING")
    await phone.answer()
    await call.hears(1000)
    await call.hang_up()
    await phone.sees("CALL_CLOSED")
    # COMPAT baresip 1.0: it takes %40s of another form of his address for a format
    await phone.dial(f"sip:8100@{PBX}")
    back = await romeo.is_called()
    back.answer()
    await back.hears(1000)
    await back.hang_up()
    await phone.sees("CALL_CLOSED")
    await romeo.log_out()


def test_what_is_wrong_is_named(operator: Operator, tmp_path: Path):
    """A PBX that is not there, rtpengine by a name that it does not have, a name of ours that nobody knows."""
    wrong = tmp_path / "wrong.toml"
    text = operator.config.read_text()
    text = text.replace(f'"sip:{HOST}:{operator.pbx_port}"', f'"sip:{HOST}:{free_port()};transport=tcp"')
    text = text.replace('xmpp_interface = "pub"', 'xmpp_interface = "outside"')
    wrong.write_text(text)
    found = operator.run("check", "--live", "--config", str(wrong))
    assert found.returncode == 1 and "cannot be reached" in found.stdout, found.stdout
    assert f"media at {HOST} for SIP and {HOST} for XMPP: the same" in found.stdout, found.stdout
    unknown = tmp_path / "unknown.toml"
    table = f'[gateways."{GATEWAY}".sip]\n'
    names = Nameserver()
    lines = f'advertised = "nowhere.invalid"\nnameservers = ["{HOST}:{names.port}"]\n'
    unknown.write_text(operator.config.read_text().replace(table, table + lines))
    found = operator.run("check", "--live", "--config", str(unknown))
    names.close()
    assert found.returncode == 1 and "nowhere.invalid, which has no address" in found.stdout, found.stdout
