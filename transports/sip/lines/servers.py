"""What belongs into the configuration of the SIP server behind a trunk: lines for Kamailio and Asterisk."""

from __future__ import annotations

from collections.abc import Mapping

from transports.sip.config import SipConfig

GATEWAY = "192.0.2.10"
"""What the lines have for the gateway's address where the configuration does not say it."""
_UNSPECIFIED = ("0.0.0.0", "[::]")


def server_files(config: SipConfig) -> Mapping[str, str]:
    """Return them by file name; none without a trunk that the operator has for all his users."""
    if all(one.owner for one in config.trunks.values()):
        return {}
    host, port = _reached(config)
    values = {"domain": config.domain, "host": host, "port": port, "address": _address(config)}
    values["numbers"] = NUMBERS.format(numbers=numbers, **values) if (numbers := _numbers(config)) else ""
    return {"kamailio.cfg": KAMAILIO.format(**values), "pjsip.conf": ASTERISK.format(**values)}


def _reached(config: SipConfig) -> tuple[str, str]:
    """Return host and port at which the gateway hears UDP, or else whatever it hears."""
    listens = sorted(config.listen, key=lambda one: not one.startswith("udp"))
    host, _, port = listens[0].partition(" ")[2].rpartition(":")
    return config.advertised or (GATEWAY if host in _UNSPECIFIED else host), port


def _address(config: SipConfig) -> str:
    """Return the address that requests come from, as far as the configuration says it."""
    host = _reached(config)[0]
    return host if host.replace(".", "").isdecimal() or ":" in host else GATEWAY


def _numbers(config: SipConfig) -> str:
    """Return the numbers by which users are called, as a regular expression."""
    rules = [rule.split() for trunk in config.trunks.values() if not trunk.owner for rule in trunk.caller_ids]
    found = [number for who, number in rules if "@" in who and "*" not in who and "?" not in who]
    return "|".join("".join(f"[{one}]" if one in "+*" else one for one in number) for number in found)


NUMBERS = """\
    # users of XMPP who have a number
    if ($rU =~ "^({numbers})$") $rd = "{domain}";
"""
KAMAILIO = """\
# Kamailio: /etc/kamailio/xmppbridge.cfg, for users of XMPP behind {domain}.
# At the end of kamailio.cfg:                                       include_file "xmppbridge.cfg"
# In request_route, after requests in dialogs and CANCEL have been dealt with, before passwords are
# asked for:                                                        route(XMPPBRIDGE);
# {address} is the gateway. Needs tm, rr, sl, pv, registrar, textops.

route[XMPPBRIDGE] {{
    if (is_method("REGISTER|PUBLISH")) return;
{numbers}    if ($rd == "{domain}") {{
        if (is_method("INVITE|SUBSCRIBE")) record_route();
        $du = "sip:{host}:{port}";
        t_relay();
        exit;
    }}
    if ($si == "{address}") {{
        # who calls is known to the gateway, so no password is asked for
        if (is_method("OPTIONS") && $rU == $null) {{ sl_send_reply("200", "OK"); exit; }}
        if (is_method("INVITE|SUBSCRIBE")) record_route();
        # telephones that are registered here; numbers go your way to the telephone network
        if (!lookup("location")) {{ sl_send_reply("404", "Not Found"); exit; }}
        t_relay();
        exit;
    }}
}}
"""
ASTERISK = """\
; Asterisk: add this to pjsip.conf, for users of XMPP behind {domain}; {host} is the gateway.
; In extensions.conf, one of them by his number (caller_ids of the trunk), or by his JID:
;   exten => _8XXX,1,Dial(PJSIP/${{EXTEN}}@xmppbridge)
;   exten => romeo,1,Dial(PJSIP/xmppbridge/sip:romeo%40example.org@{domain})
; and whom they may call:
;   [from-xmppbridge]
;   exten => _1XX,1,Dial(PJSIP/${{EXTEN}})

[xmppbridge]
type = endpoint
context = from-xmppbridge
message_context = from-xmppbridge
aors = xmppbridge
identify_by = ip
disallow = all
allow = opus,g722,alaw,ulaw
dtmf_mode = rfc4733
direct_media = no
trust_id_inbound = yes

[xmppbridge]
type = aor
contact = sip:{host}:{port}
qualify_frequency = 60

[xmppbridge]
type = identify
endpoint = xmppbridge
match = {host}
"""
