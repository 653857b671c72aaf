"""Kamailio, under the domain pbx.test: a registrar with passwords, a proxy, a relay of MSRP, a presence server.

It is there by UDP, TCP and WebSocket.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.live.peers.daemon import HOST, Daemon, answers, find_program, free_port

DOMAIN = "pbx.test"
PASSWORD = "extension"
PATH = "/sip"
"""Where its WebSocket is."""
TABLES = Path("/usr/share/kamailio/dbtext/kamailio")
"""Empty tables for its presence server, which keeps what it knows in memory."""
CONFIG = """#!KAMAILIO
debug=1
log_stderror=yes
children=1
tcp_children=1
tcp_accept_no_cl=yes
auto_aliases=no
alias="{domain}"
listen=udp:{host}:{port}
listen=tcp:{host}:{port}
listen=tcp:{host}:{websocket_port}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "msrp.so"
loadmodule "siputils.so"
loadmodule "nathelper.so"
loadmodule "xhttp.so"
loadmodule "websocket.so"
loadmodule "auth.so"
loadmodule "db_text.so"
loadmodule "presence.so"
loadmodule "presence_xml.so"
modparam("db_text", "db_mode", 0)
modparam("presence", "db_url", "text://{tables}")
modparam("presence_xml", "db_url", "text://{tables}")
modparam("presence", "publ_cache", 1)
modparam("presence", "subs_db_mode", 0)
modparam("presence", "server_address", "sip:presence@{host}:{port}")
modparam("presence", "min_expires", 60)
modparam("presence", "send_fast_notify", 1)
modparam("presence_xml", "force_active", 1)
modparam("registrar", "min_expires", 60)
modparam("registrar|nathelper", "received_avp", "$avp(received)")
modparam("websocket", "keepalive_timeout", 5)
modparam("auth", "nonce_count", 1)
modparam("auth", "qop", "auth")
request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if ($proto == "ws" && is_method("REGISTER")) fix_nated_register();
  if ($proto == "ws" && is_method("INVITE|SUBSCRIBE|UPDATE|NOTIFY")) add_contact_alias();
  if (is_method("REGISTER")) {{
    if (!pv_auth_check("$td", "{password}", "0", "0")) {{ auth_challenge("$td", "1"); exit; }}
    save("location");
    exit;
  }}
  if (is_method("SUBSCRIBE") && $rd == "{gateway_domain}") record_route();
  if (has_totag() && is_method("INVITE|ACK|BYE|PRACK|INFO|UPDATE|REFER")) {{
    if (!loose_route() && !(is_method("ACK") && t_check_trans())) {{ sl_send_reply("404", "Not Here"); exit; }}
    handle_ruri_alias();
    t_relay();
    exit;
  }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (is_method("INVITE")) record_route();
  if ($rd == "{gateway_domain}") {{ $du = "sip:{host}:{gateway_port}"; t_relay(); exit; }}
  if (is_method("OPTIONS") && $rU == $null) {{ sl_send_reply("200", "OK"); exit; }}
  if ($fU =~ "^47[0-9][0-9]$") {{
    if (!pv_auth_check("$fd", "{password}", "0", "0")) {{ proxy_challenge("$fd", "1"); exit; }}
    consume_credentials();
  }}
  if (is_method("PUBLISH")) {{ handle_publish(); exit; }}
  if (is_method("SUBSCRIBE") && ($rU =~ "^watched" || $rU == "presence" || $rU =~ "^47")) {{
    handle_subscribe();
    exit;
  }}
  if (is_method("NOTIFY") && has_totag() && loose_route()) {{ t_relay(); exit; }}
  if ($rU == "busy") {{ sl_send_reply("486", "Busy Here"); exit; }}
  if ($rU == "barred") {{ sl_send_reply("403", "Not for you"); exit; }}
  if (!lookup("location")) {{ sl_send_reply("404", "Not Found"); exit; }}
  t_relay();
}}
onreply_route {{
  if ($proto == "ws") add_contact_alias();
}}
event_route[xhttp:request] {{
  set_reply_close();
  set_reply_no_connect();
  if ($hu == "{path}" && ws_handle_handshake()) exit;
  xhttp_reply("404", "Not Found", "", "");
}}
event_route[msrp:frame-in] {{
  msrp_reply_flags("1");
  if (!msrp_is_reply() && $msrp(method) == "SEND") msrp_reply("200", "OK");
  msrp_relay();
}}
"""


class Kamailio:
    """A server whose accounts are all of one password; extensions 47xx have to show it for each message."""

    def __init__(self, folder: Path, gateway_domain: str, gateway_port: int) -> None:
        self.port, self.websocket_port = free_port(), free_port()
        self.domain = DOMAIN
        config, tables = folder / "kamailio.cfg", folder / "tables"
        shutil.copytree(TABLES, tables)
        config.write_text(
            CONFIG.format(
                domain=DOMAIN,
                host=HOST,
                tables=tables,
                port=self.port,
                websocket_port=self.websocket_port,
                path=PATH,
                password=PASSWORD,
                gateway_domain=gateway_domain,
                gateway_port=gateway_port,
            )
        )
        self.daemon = Daemon(
            "kamailio",
            folder,
            [
                find_program("kamailio"),
                *("-f", str(config), "-DD", "-E", "-m", "16", "-M", "4"),
                *("-Y", str(folder), "-P", str(folder / "kamailio.pid"), "-w", str(folder)),
            ],
            ready=lambda: answers(self.port),
        )
