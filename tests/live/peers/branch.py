"""A Kamailio without an address that is known: it logs in with the gateway for the phones behind it."""

from __future__ import annotations

from pathlib import Path

from tests.live.peers.daemon import HOST, Daemon, answers, find_program, free_port

CONFIG = """#!KAMAILIO
debug=1
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
listen=udp:{host}:{port}
listen=tcp:{near}:{port}
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "sl.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "uac.so"
modparam("uac", "auth_username_avp", "$avp(user)")
modparam("uac", "auth_password_avp", "$avp(password)")
modparam("uac", "auth_realm_avp", "$avp(realm)")
request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  $du = "sip:{near}:{gateway_port}";
  t_on_failure("LOGIN");
  t_relay();
}}
failure_route[LOGIN] {{
  if (!t_check_status("401")) exit;
  $avp(user) = "{user}";
  $avp(password) = "{password}";
  $avp(realm) = "{realm}";
  if (uac_auth()) t_relay();
}}
"""


class Branch:
    """See the module's docstring; it is heard at `host`."""

    def __init__(
        self, folder: Path, host: str, gateway_port: int, user: str, password: str, realm: str
    ) -> None:
        self.host, self.port = host, free_port()
        config = folder / "kamailio.cfg"
        config.write_text(
            CONFIG.format(
                host=host,
                near=HOST,
                port=self.port,
                gateway_port=gateway_port,
                user=user,
                password=password,
                realm=realm,
            )
        )
        self.daemon = Daemon(
            "kamailio-branch",
            folder,
            [
                find_program("kamailio"),
                *("-f", str(config), "-DD", "-E", "-m", "16", "-M", "4"),
                *("-Y", str(folder), "-P", str(folder / "kamailio.pid"), "-w", str(folder)),
            ],
            ready=lambda: answers(self.port),
        )
