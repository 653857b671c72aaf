"""What the operator of a SIP gateway sets: ``[gateways."<domain>".sip]``."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Literal

from msgspec import Meta, Struct

from bridge.secret import Secret
from bridge.xmpp.jid import Jid
from transports.sip.lines.dialplan import CallerIds, DialPlan
from transports.sip.lines.location import may_be_udp, parse_location
from transports.sip.media.config import MediaConfig
from transports.sip.msrp.config import MsrpConfig
from transports.sip.wire.uri import Malformed

RESTART = {"restart": True}
MAX_STRANGERS = 500
"""Requests a second, of which each may be remembered for half a minute: trunks' find room beside them."""
LEAST_KEY = 16
"""Characters of a secret that keys are made of."""
Listen = Annotated[str, Meta(pattern=r"^(udp|tcp|tls|ws|wss) ([0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$")]
"""A transport, an IP address and a port."""
Endpoint = Annotated[str, Meta(pattern=r"^([0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$")]
Domain = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-z0-9._\[\]:-]+$")]
Range = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$")]
"""An IP address, or a network with its prefix length."""
Pattern = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^\S+$")]


class TrunkConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A PBX, a carrier or a proxy: ``[gateways."<domain>".sip.trunks."<name>"]``."""

    server: Annotated[
        str,
        Meta(
            pattern=r"^((sips?:|wss?://)[^@\s<>]+)?$",
            description="Where it is, as a SIP URI; without a port its SRV records are looked up. Or the URL "
            "of its WebSocket. Empty, but written: it calls and writes, and cannot be called; needs "
            "inbound_username and domain.",
            examples=[
                "sip:pbx.example.org",
                "sip:192.0.2.7:5060;transport=tcp",
                "wss://pbx.example.org:8089/ws",
            ],
            extra={"ask": "Where it is, like sip:pbx.example.org or sip:192.0.2.7:5060"},
        ),
    ]
    domain: Annotated[
        str,
        Meta(description="The SIP domain of its users and numbers; empty: the host of server."),
    ] = ""
    username: Annotated[str, Meta(max_length=255, description="Our account there; empty: none.")] = ""
    password: Annotated[Secret | None, Meta(description="Its password.")] = None
    inbound_username: Annotated[
        str,
        Meta(
            max_length=255,
            description="As whom it logs in with us, from wherever it comes (digest; the realm is our "
            "domain); empty: it is known by the addresses of server, and needs no password.",
        ),
    ] = ""
    inbound_password: Annotated[Secret | None, Meta(description="The password that it logs in with.")] = None
    inbound_algorithms: Annotated[
        tuple[Literal["SHA-256", "MD5"], ...],
        Meta(
            min_length=1,
            description="How it may prove it, the best first. MD5 alone is for those that give up when they "
            "do not know the first (baresip 1, sipp); only where From is of its domain.",
        ),
    ] = ("SHA-256", "MD5")
    register: Annotated[
        bool, Meta(description="Whether to register, so that it knows where to send what is for the account.")
    ] = False
    owner: Annotated[
        str,
        Meta(
            description="Whose account it is, a bare JID: only he uses the trunk, in the account's name, and "
            "gets what comes for it. Empty: a trunk of all users that may use it, each under an address of "
            "his own.",
        ),
    ] = ""
    users: Annotated[
        tuple[Pattern, ...],
        Meta(
            description="Which XMPP users may use it: domains or bare JIDs, with * for anything. No others.",
            examples=[["example.org", "*@guest.example.org"]],
            extra={"ask": "Which XMPP users may use it: their domains or JIDs (or nothing)"},
        ),
    ] = ()
    numbers: Annotated[
        tuple[Pattern, ...],
        Meta(
            description="Which numbers go this way, with * for anything; the first trunk that fits is taken. "
            "No others are called by it, but for extensions (up to six digits, no 0 first) at its domain.",
            examples=[["+49*", "1??"]],
            extra={"ask": "Which numbers go that way, like +49* or 1?? (or nothing)"},
        ),
    ] = ()
    domains: Annotated[
        tuple[Domain, ...],
        Meta(description="Which SIP domains are reached this way, besides its own."),
    ] = ()
    outbound_proxies: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^(sips?:|wss?://)[^@\s<>]+$")], ...],
        Meta(
            max_length=4,
            description="Proxies by which to register, instead of at server: by all at a time, so that one "
            "may fail (RFC 5626). Several need TCP or TLS.",
            examples=[["sip:edge1.example.org;transport=tcp", "sip:edge2.example.org;transport=tcp"]],
        ),
    ] = ()
    gruu: Annotated[
        bool,
        Meta(
            description="Whether to be reached in calls by the address that its registrar makes for us "
            "(RFC 5627), so that also others than it can do so. It has to know that within dialogs, too, "
            "which Kamailio's own configuration does not."
        ),
    ] = False
    expires: Annotated[
        int,
        Meta(ge=60, le=86400, description="How long a registration is to last.", extra={"unit": "seconds"}),
    ] = 3600
    presence: Annotated[
        bool,
        Meta(
            description="Whether its users can be asked how they are (SUBSCRIBE); else they count as "
            "available while the trunk answers. Numbers with a + are never asked."
        ),
    ] = True
    publish: Annotated[
        bool, Meta(description="Whether it is told how the owner is (PUBLISH); needs owner.")
    ] = False
    chat: Annotated[
        Literal["message", "msrp", "msrps"],
        Meta(
            description="How its users are written to: message is MESSAGE; msrp and msrps ask for a session, "
            "over TCP or TLS, and go by MESSAGE where none is had. Needs the table msrp.",
        ),
    ] = "message"
    max_message: Annotated[
        int,
        Meta(
            ge=512,
            le=65536,
            description="Longest MESSAGE. More than 1300 only where no hop behind the trunk uses UDP "
            "(RFC 3428 §8).",
            extra={"unit": "bytes"},
        ),
    ] = 1300
    media: Annotated[
        Literal["rtp", "sdes", "dtls", "webrtc", "direct"],
        Meta(
            description="How calls' media go to it: rtp is unprotected; sdes and dtls are SRTP by keys in "
            "the signalling or by a handshake; webrtc is a handshake and ICE, as browsers want it, and who "
            "calls so is answered so; direct is the same from end to end, past the gateway.",
        ),
    ] = "rtp"
    rtp_symmetric: Annotated[
        bool,
        Meta(
            description="Whether its media may come from another address than it names: then whoever sends "
            "first is taken for it, and is sent to. Only for carriers that need it."
        ),
    ] = False
    codecs: Annotated[
        tuple[Pattern, ...],
        Meta(
            description="Names of the codecs that it is offered, the preferred first; empty: all.",
            examples=[["PCMA", "PCMU", "telephone-event"]],
        ),
    ] = ()
    early_media: Annotated[
        Literal["ringing", "answer"],
        Meta(
            description="What is made of announcements that it plays before anybody has answered: ringing, "
            "without a sound; or answer, as if the call were answered, so that they are heard.",
        ),
    ] = "ringing"
    digits: Annotated[
        Literal["rtp", "info"],
        Meta(
            description="How it is told of keys that users press where these are not in the media: by "
            "telephone-event in the media, or by INFO.",
        ),
    ] = "rtp"
    max_calls: Annotated[int, Meta(ge=1, description="Calls that go over it at a time.")] = 1000
    calls_per_day: Annotated[
        int, Meta(ge=0, description="Calls to numbers that each user may make by it in a day (UTC); 0: none.")
    ] = 200
    minutes_per_day: Annotated[
        int,
        Meta(
            ge=0,
            description="How long each user may talk to numbers by it in a day; then calls end.",
            extra={"unit": "minutes"},
        ),
    ] = 600
    dial: Annotated[
        tuple[str, ...],
        Meta(
            description="How numbers are written for it: a beginning and what it becomes; the first fit.",
            examples=[["+49 0", "+ 00"]],
        ),
    ] = ()
    callers: Annotated[
        tuple[str, ...],
        Meta(
            description="How the numbers that it tells us are written here, in the same form.",
            examples=[["00 +", "0 +49"]],
        ),
    ] = ()
    caller_ids: Annotated[
        tuple[str, ...],
        Meta(
            description="Who shows as which number to those whom he calls by number: a bare JID or a domain, "
            "with * for anything, and the number; the first that fits. Who is named without * is also called "
            "by it.",
            examples=[["romeo@example.org +493012345", "example.org +493012300"]],
        ),
    ] = ()
    identity: Annotated[
        Literal["none", "preferred", "asserted"],
        Meta(
            description="Whether that number is also told as P-Preferred-Identity, or as "
            "P-Asserted-Identity, to a trunk that trusts us."
        ),
    ] = "none"
    anonymous: Annotated[
        tuple[Pattern, ...],
        Meta(
            description="Which users show nobody whom they call by it who they are: From is anonymous, and "
            "the trunk is asked to keep it so (Privacy: id); identity tells it all the same. Users may want "
            "that for themselves, too.",
        ),
    ] = ()
    trusts_identity: Annotated[
        bool,
        Meta(
            description="Whether its P-Asserted-Identity says who calls, where no privacy is asked for; else "
            "From does."
        ),
    ] = False

    def __post_init__(self) -> None:
        """See what belongs together; ValueError."""
        if self.inbound_username and not self.inbound_password:
            raise ValueError("inbound_username needs inbound_password")
        if not self.server and (self.register or not (self.inbound_username and self.domain)):
            raise ValueError("without server there has to be inbound_username and domain, and no register")
        try:
            if self.server:
                parse_location(self.server)
            proxies = [parse_location(one) for one in self.outbound_proxies]
        except Malformed:
            raise ValueError("server: expected the SIP URI of a host, or a WebSocket's URL") from None
        if self.register and not (self.username and self.password):
            raise ValueError("register needs username and password")
        if self.outbound_proxies and not self.register:
            raise ValueError("outbound_proxies needs register")
        if len(self.outbound_proxies) > 1 and any(may_be_udp(proxy) for proxy in proxies):
            raise ValueError("outbound_proxies: several need TCP, TLS or a WebSocket")
        DialPlan(self.dial), DialPlan(self.callers), CallerIds(self.caller_ids)
        if self.publish and not self.owner:
            raise ValueError("publish needs owner")
        if self.owner and not self.username:
            raise ValueError("owner needs username")
        if self.owner and Jid.parse(self.owner).bare != self.owner:
            raise ValueError("owner: expected a bare JID, like user@example.org")


class SipConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A SIP gateway."""

    domain: Annotated[
        Domain,
        Meta(
            description="The SIP domain of XMPP users: sip:user%40example.org@DOMAIN.",
            examples=["sip.example.org"],
            extra={**RESTART, "ask": "Its SIP domain", "is_domain": True},
        ),
    ]
    listen: Annotated[
        tuple[Listen, ...],
        Meta(
            min_length=1,
            description="Transports, addresses and ports to listen on; UDP and TCP belong together, since "
            "what is too long for the one goes over the other. ws and wss are WebSockets.",
            extra=RESTART,
        ),
    ] = ("udp 0.0.0.0:5060", "tcp 0.0.0.0:5060")
    websocket_origins: Annotated[
        tuple[Pattern, ...],
        Meta(
            description="Whose web pages may connect by WebSocket; none: all. Only browsers can be told so.",
            examples=[["https://www.example.org"]],
        ),
    ] = ()
    websocket_proxies: Annotated[
        tuple[Range, ...],
        Meta(
            description="Addresses of HTTP proxies before our WebSockets, whose X-Forwarded-For is believed: "
            "they must set it.",
            examples=[["127.0.0.1"]],
        ),
    ] = ()
    advertised: Annotated[
        str,
        Meta(
            max_length=255,
            description="The host name or address where others reach it; empty: the address that it listens "
            "on, or the domain where that is 0.0.0.0 or [::].",
            extra=RESTART,
        ),
    ] = ""
    certificate: Annotated[
        str, Meta(description="File of the certificate chain for TLS and wss (PEM).", extra=RESTART)
    ] = ""
    key: Annotated[str, Meta(description="File of its private key (PEM).", extra=RESTART)] = ""
    ca_file: Annotated[
        str,
        Meta(description="File of CA certificates (PEM) to trust instead of the system's.", extra=RESTART),
    ] = ""
    nameservers: Annotated[
        tuple[Endpoint, ...],
        Meta(description="Nameservers to ask; none: the system's.", extra=RESTART),
    ] = ()
    federation: Annotated[
        bool,
        Meta(
            description="Whether anybody's SIP domain can be written to, and anybody may write to XMPP users "
            "from his; else only trunks."
        ),
    ] = False
    allowed_peers: Annotated[
        tuple[Range, ...],
        Meta(
            description="Private and other special addresses that are spoken with, besides those of trunks.",
            examples=[["10.1.0.0/16", "127.0.0.1"]],
        ),
    ] = ()
    dial_plan: Annotated[
        tuple[str, ...],
        Meta(
            description="How numbers that users write are meant: a beginning and what it becomes; the first "
            "fit. Trunks are chosen by the result.",
            examples=[["00 +", "0 +49"]],
        ),
    ] = ()
    barred: Annotated[
        tuple[Pattern, ...],
        Meta(
            description="Numbers that nobody may call or write to, with * for anything: those that cost much."
        ),
    ] = ("+979*", "+1900*", "+1976*", "+3389*", "+449*", "+49900*")
    emergency: Annotated[
        tuple[str, ...],
        Meta(description="Numbers that are refused: nobody is to wait for help because of a message."),
    ] = ("112", "911", "999", "110", "000", "+112", "+911")
    requests_per_second: Annotated[
        float,
        Meta(
            gt=0,
            description="Requests that an address that is no trunk's may send; what is more is dropped.",
            extra={"unit": "requests per second"},
        ),
    ] = 5.0
    request_burst: Annotated[int, Meta(ge=1, description="How many it may send at once.")] = 20
    strangers_per_second: Annotated[
        float,
        Meta(
            gt=0,
            le=MAX_STRANGERS,
            description="Requests that all such addresses may send together; what is more is dropped.",
            extra={"unit": "requests per second"},
        ),
    ] = 200.0
    max_connections: Annotated[
        int, Meta(ge=1, description="Connections that others may hold open at a time.", extra=RESTART)
    ] = 1000
    max_calls: Annotated[int, Meta(ge=1, description="Calls at a time.")] = 5000
    max_calls_of_strangers: Annotated[
        int,
        Meta(ge=0, description="How many of them may come from addresses that are no trunk's; 50 from each."),
    ] = 500
    max_calls_per_user: Annotated[int, Meta(ge=1, description="Calls of one XMPP user at a time.")] = 8
    call_log: Annotated[
        str,
        Meta(
            description="A file that gets a line of JSON for each call that is over; empty: none.",
            examples=["/var/log/xmppbridge/calls.jsonl"],
            extra=RESTART,
        ),
    ] = ""
    media: Annotated[
        MediaConfig | None, Meta(description="Without this table, no calls are carried.", extra=RESTART)
    ] = None
    msrp: Annotated[
        MsrpConfig | None,
        Meta(description="Without this table, chats are by MESSAGE only.", extra=RESTART),
    ] = None
    conferences: Annotated[
        tuple[Pattern, ...],
        Meta(
            description="Addresses and numbers that are conferences, not people, with * for anything; users "
            "join them as rooms. Needs the table msrp.",
            examples=[["*@conference.example.org", "3???@pbx.example.org"]],
        ),
    ] = ("*@conference.*",)
    account_key: Annotated[
        Secret | None,
        Meta(
            description="A secret of at least 16 characters, by which the passwords of users' own SIP "
            "accounts are encrypted; without it users have none. If it changes, users enter theirs again.",
            examples=["sixteen characters or more"],
            extra=RESTART,
        ),
    ] = None
    account_users: Annotated[
        tuple[Pattern, ...],
        Meta(
            description="Which XMPP users may register a SIP account of theirs: domains or bare JIDs, with "
            "* for anything.",
            examples=[["example.org"]],
        ),
    ] = ("*",)
    account_domains: Annotated[
        tuple[Pattern, ...],
        Meta(description="At which SIP domains, with * for anything.", examples=[["*.provider.example"]]),
    ] = ("*",)
    trunks: Annotated[
        dict[str, TrunkConfig],
        Meta(
            description="PBXes, carriers and proxies by a name of your choice.",
            extra={"ask": "A PBX, carrier or proxy: a name for it, like pbx (or nothing)"},
        ),
    ] = {}

    def __post_init__(self) -> None:
        """See what belongs together; ValueError."""
        if self.listens_securely and not (self.certificate and self.key):
            raise ValueError("to listen for TLS needs certificate and key")
        chats = self.msrp.listen if self.msrp is not None else ()
        if any(one.startswith("tls") for one in chats) and not (self.certificate and self.key):
            raise ValueError("msrp: to listen for TLS needs certificate and key")
        if self.msrp is None and any(one.chat != "message" for one in self.trunks.values()):
            raise ValueError("chat by msrp needs the table msrp")
        logins = [one.inbound_username for one in self.trunks.values() if one.inbound_username]
        if len(logins) > len(set(logins)):
            raise ValueError("inbound_username: two trunks have the same")
        DialPlan(self.dial_plan)
        if self.account_key and len(self.account_key.reveal()) < LEAST_KEY:
            raise ValueError(f"account_key: expected at least {LEAST_KEY} characters")
        for one in (*self.allowed_peers, *self.websocket_proxies):
            ip_network(one, strict=False)

    @property
    def listens_securely(self) -> bool:
        """Tell whether somebody comes by TLS, and so sees our certificate."""
        return any(one.startswith(("tls ", "wss ")) for one in self.listen)
