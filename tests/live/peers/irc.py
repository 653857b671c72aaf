"""InspIRCd (with services by Atheme), ngIRCd and ircd-hybrid, as Debian packages them."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Protocol

from tests.live.peers.certificates import Certificate
from tests.live.peers.daemon import HOST, Daemon, answers, find_program, free_port

NOBODY = 65534
OPERATOR = ("operator", "operpass")


class Ircd(Protocol):
    """An IRC server under the network name that the gateway's users put behind the ``%``."""

    name: str
    port: int
    daemon: Daemon


def give_to_nobody(folder: Path) -> int | None:
    """Hand `folder` to an unprivileged user for daemons that refuse to be root; None when we are not."""
    if os.geteuid() != 0:
        return None
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    return NOBODY


INSPIRCD_MODULES = (
    "account banexception botmode cap chghost customprefix deaf inviteexception ircv3 ircv3_accounttag "
    "ircv3_batch ircv3_capnotify ircv3_chghost ircv3_ctctags ircv3_echomessage ircv3_invitenotify "
    "ircv3_labeledresponse ircv3_msgid ircv3_servertime knock monitor namesx noctcp redirect sajoin sanick "
    "sasl services_account setname spanningtree ssl_gnutls sslinfo stripcolor uhnames uninvite"
)
INSPIRCD = """
<server name="inspircd.test" description="test" network="InspTest">
<admin name="a" nick="a" email="a@localhost">
<bind address="127.0.0.1" port="{port}" type="clients">
<bind address="127.0.0.1" port="{tls_port}" type="clients" sslprofile="Clients">
<bind address="127.0.0.1" port="{link_port}" type="servers">
<sslprofile name="Clients" provider="gnutls" certfile="{certificate.certificate}" keyfile="{certificate.key}"
 hash="sha256" requestcert="yes">
<connect name="all" allow="*" timeout="30" pingfreq="120" hardsendq="4M" softsendq="8192" recvq="64K"
 threshold="100000" commandrate="1000000" fakelag="no" localmax="5000" globalmax="5000" maxchans="200"
 resolvehostnames="no" useident="no" maxconnwarn="no">
<link name="services.test" ipaddr="127.0.0.1" port="{link_port}" allowmask="127.0.0.1" sendpass="link" recvpass="link">
<uline server="services.test" silent="yes">
<sasl target="services.test" requiressl="no">
<class name="all" commands="*" privs="*" usermodes="*" chanmodes="*">
<type name="NetAdmin" classes="all">
<oper name="{oper[0]}" password="{oper[1]}" host="*@*" type="NetAdmin">
<options defaultmodes="not" hostintopic="no" splitwhois="no">
<performance softlimit="10000" clonesonconnect="no">
<limits maxnick="30" maxchan="60" maxtopic="300" maxkick="250" maxquit="250" maxline="512">
<security allowcoreunload="no" hidewhois="" maxtargets="20">
<whowas groupsize="10" maxgroups="1000" maxkeep="1h">
<log method="file" type="* -USERINPUT -USEROUTPUT" level="default" target="{folder}/inspircd.log">
<pid file="{folder}/inspircd.pid">
<customprefix name="founder" letter="q" prefix="~" rank="50000" ranktoset="50000">
<customprefix name="admin" letter="a" prefix="&amp;" rank="40000" ranktoset="50000">
<customprefix name="halfop" letter="h" prefix="%" rank="20000" ranktoset="30000">
{modules}
"""
ATHEME_MODULES = (
    "backend/opensex crypto/pbkdf2v2 nickserv/main nickserv/register nickserv/identify nickserv/cert "
    "nickserv/set_core nickserv/help saslserv/main saslserv/plain saslserv/external protocol/{protocol}"
)
ATHEME = """
{modules}
serverinfo {{
  name = "services.test"; desc = "services"; numeric = "00A"; recontime = 1; netname = "InspTest";
  adminname = "a"; adminemail = "a@localhost"; registeremail = "a@localhost"; mta = "/bin/true";
  loglevel = {{ all; }}; maxlogins = 1000; maxusers = 1000; maxnicks = 20; maxchans = 20; casemapping = rfc1459;
}};
uplink "inspircd.test" {{ host = "127.0.0.1"; port = {link_port}; send_password = "link"; receive_password = "link"; }};
nickserv {{ nick = "NickServ"; user = "NickServ"; host = "services.test"; real = "Nicknames"; }};
saslserv {{ nick = "SaslServ"; user = "SaslServ"; host = "services.test"; real = "SASL"; }};
database {{ }};
general {{ commit_interval = 60; default_clone_allowed = 1000; flood_msgs = 0; }};
"""


class InspIrcd:
    """InspIRCd 3 with every IRCv3 module of the package and TLS; `services` are Atheme's."""

    name = "inspircd.test"

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        self.port, self.tls_port, self._link_port = free_port(), free_port(), free_port()
        available = {path.name for path in Path("/usr/lib/inspircd/modules").glob("m_*.so")}
        names = [name for name in INSPIRCD_MODULES.split() if f"m_{name}.so" in available]
        config = folder / "inspircd.conf"
        config.write_text(
            '<config format="xml">\n'
            + INSPIRCD.format(
                folder=folder,
                port=self.port,
                tls_port=self.tls_port,
                link_port=self._link_port,
                certificate=certificate,
                oper=OPERATOR,
                modules="\n".join(f'<module name="{name}">' for name in names),
            )
        )
        root = ["--runasroot"] if os.geteuid() == 0 else []
        self.daemon = Daemon(
            "inspircd",
            folder,
            [find_program("inspircd"), "--nofork", *root, f"--config={config}"],
            ready=lambda: answers(self.port) and answers(self.tls_port) and answers(self._link_port),
        )
        self.services = self._atheme(folder / "atheme")

    def _atheme(self, folder: Path) -> Daemon:
        (folder / "data").mkdir(parents=True)
        config = folder / "atheme.conf"
        names = ATHEME_MODULES.format(protocol="inspircd").split()
        modules = "\n".join(f'loadmodule "modules/{name}";' for name in names)
        config.write_text(ATHEME.format(modules=modules, link_port=self._link_port))
        log = folder / "atheme.log"
        argv = ["-n", "-c", config, "-l", log, "-p", folder / "atheme.pid", "-D", folder / "data"]
        return Daemon(
            "atheme",
            folder,
            [find_program("atheme-services"), *map(str, argv)],
            ready=lambda: log.exists() and "finished synching" in log.read_text(errors="replace"),
            user=give_to_nobody(folder),
        )


NGIRCD = """
[Global]
Name = ngircd.test
Info = test
Listen = 127.0.0.1
Ports = {port}
MotdPhrase = hello
Network = NgTest
PidFile = {folder}/ngircd.pid
[Limits]
MaxConnectionsIP = 0
MaxJoins = 200
MaxNickLength = 30
MaxPenaltyTime = 0
PingTimeout = 120
[Options]
DNS = no
Ident = no
PAM = no
ScrubCTCP = no
[Operator]
Name = {oper[0]}
Password = {oper[1]}
"""


class NgIrcd:
    """ngIRCd: IRC as RFC 2812 has it, with multi-prefix for its one capability."""

    name = "ngircd.test"

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        config = folder / "ngircd.conf"
        config.write_text(NGIRCD.format(port=self.port, folder=folder, oper=OPERATOR))
        self.daemon = Daemon(
            "ngircd",
            folder,
            [find_program("ngircd"), "--nodaemon", "--config", str(config)],
            ready=lambda: answers(self.port),
            user=give_to_nobody(folder),
        )


HYBRID = """
serverinfo {{ name = "hybrid.test"; description = "test"; network_name = "HybridTest"; hub = no;
  default_max_clients = 5000; max_nick_length = 30; max_topic_length = 300; }};
admin {{ name = "a"; description = "a"; email = "a@localhost"; }};
class {{ name = "users"; ping_time = 2 minutes; max_number = 5000; max_global = 5000; max_local = 5000;
  sendq = 1 megabyte; recvq = 8000 bytes; }};
listen {{ host = "127.0.0.1"; port = {port}; }};
auth {{ user = "*@*"; class = "users"; flags = exceed_limit, kline_exempt, xline_exempt, no_tilde, can_flood; }};
operator {{ name = "{oper[0]}"; user = "*@*"; password = "{oper[1]}"; encrypted = no; class = "users";
  flags = admin, kill, remote; }};
channel {{ disable_fake_channels = yes; max_channels = 200; default_join_flood_count = 0; }};
general {{ throttle_count = 10000; default_floodcount = 0; anti_nick_flood = no; disable_auth = yes;
  ping_cookie = no; no_oper_flood = yes; anti_spam_exit_message_time = 0; pace_wait = 0; pace_wait_simple = 0;
  caller_id_wait = 0; }};
"""
HYBRID_MODULES = b"/usr/lib/ircd-hybrid/modules/"


def hybrid_root() -> Path:
    """Return the folder of ircd-hybrid's unpacked package, or / when it is installed."""
    for root in (Path(os.environ.get("IRCD_HYBRID_ROOT", ".peers/ircd-hybrid")).absolute(), Path("/")):
        if (root / "usr/sbin/ircd-hybrid").exists():
            return root
    raise FileNotFoundError("ircd-hybrid is neither unpacked nor installed; `make install` gets it")


class Hybrid:
    """ircd-hybrid: many notify capabilities, CASEMAPPING=ascii, no tags.

    Debian lets it be installed only without ngIRCd, hence it runs from an unpacked package: a copy
    of the program whose compiled-in module path is rewritten.
    """

    name = "hybrid.test"

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        program = self._relocate(hybrid_root(), folder)
        config = folder / "ircd.conf"
        config.write_text(HYBRID.format(port=self.port, oper=OPERATOR))
        names = ("log", "pid", "kline", "dline", "xline", "resv")
        files = [part for name in names for part in (f"-{name}file", str(folder / name))]
        self.daemon = Daemon(
            "ircd-hybrid",
            folder,
            [str(program), "-foreground", "-configfile", str(config), *files],
            ready=lambda: answers(self.port),
            user=give_to_nobody(folder),
        )

    @staticmethod
    def _relocate(root: Path, folder: Path) -> Path:
        modules = folder / "m"
        shutil.copytree(root / HYBRID_MODULES.decode().lstrip("/"), modules)
        wanted = f"{modules}/".encode()
        assert len(wanted) <= len(HYBRID_MODULES), f"{modules} is too long a path for ircd-hybrid"

        def replace(found: re.Match[bytes]) -> bytes:
            return found.group().replace(HYBRID_MODULES, wanted).ljust(len(found.group()), b"\0")

        program = folder / "ircd"
        code = (root / "usr/sbin/ircd-hybrid").read_bytes()
        program.write_bytes(re.sub(re.escape(HYBRID_MODULES) + rb"[^\0]*", replace, code))
        program.chmod(0o755)
        return program


__all__ = ["HOST", "Hybrid", "InspIrcd", "Ircd", "NgIrcd"]
