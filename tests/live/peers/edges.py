"""A SIP provider of several machines: a registrar behind two edge proxies, all of them Kamailio.

The registrar reaches who is registered by the edge that he came by (Path), tells him to come by itself
(Service-Route), and knows his GRUU within dialogs, too.
"""

from __future__ import annotations

from pathlib import Path

from tests.live.peers.daemon import HOST, Daemon, answers, find_program, free_port

DOMAIN = "edge.test"
PASSWORD = "provider"
HEAD = """#!KAMAILIO
debug=1
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
listen=udp:{host}:{port}
listen=tcp:{host}:{port}
loadmodule "tm.so"
loadmodule "tmx.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "xlog.so"
"""
EDGE = """
loadmodule "path.so"
modparam("path", "use_received", 1)
request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  xlog("L_ERR", "{name} $rm $sp\\n");
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (is_method("REGISTER")) {{
    loose_route();
    add_path_received("edge", "ob");
    $du = "sip:{host}:{core}";
    t_relay();
    exit;
  }}
  if (is_method("INVITE|SUBSCRIBE")) record_route();
  loose_route();  # -1: there is no route; -3: there is one, and no dialog yet
  if ($rc == -1) {{
    if (has_totag() && is_method("ACK") && !t_check_trans()) exit;
    $du = "sip:{host}:{core}";
  }}
  t_relay();
}}
"""
CORE = """
alias="{domain}"
loadmodule "auth.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
modparam("auth", "nonce_count", 1)
modparam("auth", "qop", "auth")
modparam("registrar", "use_path", 1)
modparam("registrar", "path_mode", 1)
modparam("registrar", "outbound_mode", 1)
modparam("registrar", "min_expires", 60)
modparam("usrloc", "matching_mode", 1)
request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (is_method("REGISTER")) {{
    if (!pv_auth_check("$td", "{password}", "0", "0")) {{ auth_challenge("$td", "1"); exit; }}
    append_to_reply("Service-Route: <sip:{host}:{port};lr>\\r\\n");
    save("location");
    exit;
  }}
  if (is_method("INVITE|SUBSCRIBE")) record_route();
  loose_route();
  if ($rc != -1 && uri != myself) {{ t_relay(); exit; }}
  if (is_method("ACK") && t_check_trans()) {{ t_relay(); exit; }}
  if (is_method("OPTIONS") && $rU == $null) {{ sl_send_reply("200", "OK"); exit; }}
  if (!lookup("location")) {{ sl_send_reply("404", "Not Found"); exit; }}
  t_relay();
}}
"""


class Provider:
    """See the module's docstring; all accounts have one password."""

    def __init__(self, folder: Path) -> None:
        self.domain, self.port = DOMAIN, free_port()
        self.core = self._daemon(folder, "core", self.port, CORE.format(**self._facts(self.port)))
        self.edges: list[tuple[int, Daemon]] = []
        for name in ("EDGE1", "EDGE2"):
            port = free_port()
            text = EDGE.format(name=name, core=self.port, **self._facts(port))
            self.edges.append((port, self._daemon(folder, name, port, text)))

    def _facts(self, port: int) -> dict[str, object]:
        return {"host": HOST, "port": port, "domain": DOMAIN, "password": PASSWORD}

    def _daemon(self, folder: Path, name: str, port: int, text: str) -> Daemon:
        place = folder / name
        place.mkdir()
        config = place / "kamailio.cfg"
        config.write_text(HEAD.format(host=HOST, port=port) + text)
        return Daemon(
            f"kamailio-{name}",
            place,
            [
                find_program("kamailio"),
                *("-f", str(config), "-DD", "-E", "-m", "16", "-M", "4"),
                *("-Y", str(place), "-P", str(place / "kamailio.pid"), "-w", str(place)),
            ],
            ready=lambda: answers(port),
        )

    @property
    def daemons(self) -> list[Daemon]:
        """All of its machines."""
        return [self.core, *(daemon for _, daemon in self.edges)]

    def trunk(self, owner: str, extension: str, *edges: int) -> dict[str, object]:
        """Return the options of an account of a user's, by some of the edges."""
        proxies = [f"sip:{HOST}:{self.edges[edge][0]};transport=tcp" for edge in edges]
        return {
            "server": f"sip:{HOST}:{self.port}",
            "domain": self.domain,
            "username": extension,
            "password": PASSWORD,
            "register": True,
            "owner": owner,
            "outbound_proxies": proxies,
        }

    def passed(self, edge: int, method: str) -> int:
        """Return how many requests of a method an edge has seen."""
        return self.edges[edge][1].output().count(f"EDGE{edge + 1} {method} ")
