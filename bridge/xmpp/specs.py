"""The one table of the specifications that the bridge follows.

From it come the disco features of each kind of address, and what `bridge.xmpp.conformance` writes; a test
sees to it that every specification the code cites has a row.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

from msgspec import Struct

from bridge.xmpp.ircv3 import IRCV3


class Status(Enum):
    """How much of a specification works here; BACKGROUND is cited, but nothing one could conform to."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    BACKGROUND = "background"


GATEWAY, SERVER, ROOM, CONTACT = "gateway", "server", "room", "contact"
"""Kinds of addresses, as `router.Target` values."""
HOSTS = (GATEWAY, SERVER)
PLACES = (GATEWAY, SERVER, ROOM)
ALL = (GATEWAY, SERVER, ROOM, CONTACT)


class Spec(Struct, frozen=True):
    """One specification: `features` are (disco feature, kinds of addresses that have it).

    They are offered only where the network carries what `needs` names (see `Capabilities.carried`).
    """

    id: str
    name: str
    version: str
    status: Status
    note: str = ""
    features: tuple[tuple[str, tuple[str, ...]], ...] = ()
    needs: str = ""


_C, _P, _B = Status.COMPLETE, Status.PARTIAL, Status.BACKGROUND

SIP = "being built; nothing of it is offered yet"

SPECS: tuple[Spec, ...] = (
    # XMPP, IETF
    Spec("RFC 6120", "XMPP: Core", "2011", _P, "streams of servers and components; no clients"),
    Spec(
        "RFC 6121",
        "XMPP: Instant Messaging and Presence",
        "2011",
        _P,
        "subscriptions, presence and messages of gateways and contacts; no rosters",
    ),
    Spec("RFC 5122", "IRIs and URIs for XMPP", "2008", _P, "addresses that are mentioned"),
    Spec("RFC 7622", "XMPP: Address Format", "2015", _C),
    Spec("RFC 8264", "PRECIS Framework", "2017", _C),
    Spec("RFC 8265", "PRECIS: Usernames and Passwords", "2017", _C),
    # XMPP, XSF
    Spec(
        "XEP-0004",
        "Data Forms",
        "2.13.2",
        _C,
        "",
        (("jabber:x:data", PLACES),),
    ),
    Spec(
        "XEP-0012",
        "Last Activity",
        "2.0",
        _P,
        "uptime and idle time",
        (("jabber:iq:last", (GATEWAY, CONTACT)),),
    ),
    Spec(
        "XEP-0030",
        "Service Discovery",
        "2.5.0",
        _C,
        "",
        (
            ("http://jabber.org/protocol/disco#info", ALL),
            ("http://jabber.org/protocol/disco#items", ALL),
        ),
    ),
    Spec(
        "XEP-0045",
        "Multi-User Chat",
        "1.35.5",
        _P,
        "no room creation and destruction, no reserved nicknames",
        (("http://jabber.org/protocol/muc", PLACES), ("http://jabber.org/protocol/muc#stable_id", PLACES)),
        needs="rooms",
    ),
    Spec(
        "XEP-0050",
        "Ad-Hoc Commands",
        "1.3.0",
        _C,
        "",
        (("http://jabber.org/protocol/commands", PLACES),),
    ),
    Spec("XEP-0054", "vcard-temp", "1.3.0", _P, "read, both ways", (("vcard-temp", (GATEWAY, CONTACT)),)),
    Spec(
        "XEP-0055",
        "Jabber Search",
        "1.3",
        _P,
        "for rooms, by data forms, where the network can",
        (("jabber:iq:search", (GATEWAY,)),),
        needs="search",
    ),
    Spec(
        "XEP-0059",
        "Result Set Management",
        "1.0",
        _P,
        "archive and channel list; no jump by index",
        (("http://jabber.org/protocol/rsm", (SERVER, ROOM)),),
    ),
    Spec("XEP-0066", "Out of Band Data", "1.5", _P, "addresses of files in messages, with ``[web]``"),
    Spec("XEP-0068", "Field Standardization for Data Forms", "1.3.0", _C),
    Spec("XEP-0071", "XHTML-IM", "1.5.4", _P, "what IRC's and Matrix's formatting can say, both ways"),
    Spec("XEP-0077", "In-Band Registration", "2.4", _P, "with a room, to ask to be let in"),
    Spec("XEP-0082", "XMPP Date and Time Profiles", "1.1.1", _C),
    Spec("XEP-0084", "User Avatar", "1.1.4", _P, "asked for, both ways, without notifications"),
    Spec(
        "XEP-0085",
        "Chat State Notifications",
        "2.1",
        _P,
        "where the network relays typing",
        (("http://jabber.org/protocol/chatstates", (CONTACT,)),),
        needs="typing",
    ),
    Spec("XEP-0091", "Legacy Delayed Delivery", "1.4", _B, "its times are read"),
    Spec("XEP-0092", "Software Version", "1.1", _C, "", (("jabber:iq:version", ALL),)),
    Spec(
        "XEP-0100",
        "Gateway Interaction",
        "1.0",
        _P,
        "addresses and presence of the gateway; no registration is needed",
        (("jabber:iq:gateway", (GATEWAY,)),),
    ),
    Spec("XEP-0103", "URL Address Information", "1.0", _P, "without its schemes' own details"),
    Spec("XEP-0106", "JID Escaping", "1.1.1", _C, "", (("jid\\20escaping", HOSTS),)),
    Spec("XEP-0114", "Jabber Component Protocol", "1.6", _C),
    Spec(
        "XEP-0115",
        "Entity Capabilities",
        "1.6.0",
        _P,
        "sent, not read",
        (("http://jabber.org/protocol/caps", HOSTS),),
    ),
    Spec("XEP-0122", "Data Forms Validation", "1.0.2", _P, "basic numbers"),
    Spec("XEP-0128", "Service Discovery Extensions", "1.0.1", _C),
    Spec("XEP-0153", "vCard-Based Avatars", "1.1.1", _P, "hashes in the presence of occupants, both ways"),
    Spec("XEP-0157", "Contact Addresses for XMPP Services", "1.1.1", _C),
    Spec(
        "XEP-0166",
        "Jingle",
        "1.1.2",
        _P,
        "calls, where the network has them; no security preconditions",
        (("urn:xmpp:jingle:1", (CONTACT,)),),
        needs="calls",
    ),
    Spec(
        "XEP-0167",
        "Jingle RTP Sessions",
        "1.2.3",
        _P,
        "protected by DTLS only; changes of parameters in a call are not passed on",
        (
            ("urn:xmpp:jingle:apps:rtp:1", (CONTACT,)),
            ("urn:xmpp:jingle:apps:rtp:audio", (CONTACT,)),
            ("urn:xmpp:jingle:apps:rtp:video", (CONTACT,)),
        ),
        needs="calls",
    ),
    Spec("XEP-0172", "User Nickname", "1.1", _P, "of the gateway, its servers and contacts"),
    Spec("XEP-0178", "Best Practices for Use of SASL EXTERNAL with Certificates", "1.2", _P, "servers"),
    Spec(
        "XEP-0176",
        "Jingle ICE-UDP Transport Method",
        "1.1.1",
        _P,
        "candidates that are names are left out",
        (("urn:xmpp:jingle:transports:ice-udp:1", (CONTACT,)),),
        needs="calls",
    ),
    Spec("XEP-0177", "Jingle Raw UDP Transport Method", "1.1.1", _P, "taken with DTLS, not offered"),
    Spec(
        "XEP-0181",
        "Jingle DTMF",
        "0.12",
        _C,
        "both ways",
        (("urn:xmpp:jingle:dtmf:0", (CONTACT,)),),
        needs="calls",
    ),
    Spec(
        "XEP-0184",
        "Message Delivery Receipts",
        "1.4.0",
        _P,
        "of chats on Matrix: when the homeserver has the message",
        (("urn:xmpp:receipts", (CONTACT,)),),
        needs="receipts",
    ),
    Spec("XEP-0185", "Dialback Key Generation and Validation", "1.0", _C),
    Spec("XEP-0198", "Stream Management", "1.6.3", _P, "between servers, with resumption"),
    Spec("XEP-0199", "XMPP Ping", "2.0.1", _C, "", (("urn:xmpp:ping", ALL),)),
    Spec("XEP-0201", "Best Practices for Message Threads", "1.0", _P, "where the network has threads"),
    Spec("XEP-0202", "Entity Time", "2.0", _C, "", (("urn:xmpp:time", ALL),)),
    Spec("XEP-0203", "Delayed Delivery", "2.0", _C, "", (("urn:xmpp:delay", (ROOM,)),)),
    Spec(
        "XEP-0215",
        "External Service Discovery",
        "1.0.0",
        _P,
        "answered: none are needed",
        (("urn:xmpp:extdisco:2", (GATEWAY,)),),
        needs="calls",
    ),
    Spec("XEP-0220", "Server Dialback", "1.1.1", _C),
    Spec("XEP-0245", "The /me Command", "1.0", _C),
    Spec("XEP-0249", "Direct MUC Invitations", "1.2", _C),
    Spec(
        "XEP-0251",
        "Jingle Session Transfer",
        "0.2",
        _P,
        "of contacts, to contacts of the same network",
        (("urn:xmpp:jingle:transfer:0", (CONTACT,)),),
        needs="calls",
    ),
    Spec("XEP-0264", "Jingle Content Thumbnails", "0.4.1", _P, "of files from Matrix"),
    Spec("XEP-0280", "Message Carbons", "1.0.1", _P, "marks what carbons leave alone"),
    Spec("XEP-0288", "Bidirectional Server-to-Server Connections", "1.0.1", _C),
    Spec("XEP-0292", "vCard4 Over XMPP", "0.12.0", _P, "names and pictures of people, read only"),
    Spec(
        "XEP-0293",
        "Jingle RTP Feedback Negotiation",
        "1.0.2",
        _C,
        "",
        (("urn:xmpp:jingle:apps:rtp:rtcp-fb:0", (CONTACT,)),),
        needs="calls",
    ),
    Spec(
        "XEP-0294",
        "Jingle RTP Header Extensions Negotiation",
        "1.1.2",
        _C,
        "",
        (("urn:xmpp:jingle:apps:rtp:rtp-hdrext:0", (CONTACT,)),),
        needs="calls",
    ),
    Spec("XEP-0297", "Stanza Forwarding", "1.0", _P, "inside archive results"),
    Spec(
        "XEP-0308",
        "Last Message Correction",
        "1.2.1",
        _P,
        "shown on IRC as a new line",
        (("urn:xmpp:message-correct:0", (CONTACT,)),),
        needs="corrections",
    ),
    Spec(
        "XEP-0313",
        "Message Archive Management",
        "1.1.3",
        _P,
        "of rooms: ours, or the homeserver's timeline",
        # COMPAT Biboumi 9.0: the gateway and the servers claim it as well, for the rooms they host
        (("urn:xmpp:mam:2", PLACES), ("urn:xmpp:mam:2#extended", PLACES)),
        needs="archive",
    ),
    Spec(
        "XEP-0320",
        "Use of DTLS-SRTP in Jingle Sessions",
        "1.0.0",
        _C,
        "",
        (("urn:xmpp:jingle:apps:dtls:0", (CONTACT,)),),
        needs="calls",
    ),
    Spec(
        "XEP-0333",
        "Displayed Markers",
        "1.0.0",
        _P,
        "chats on Matrix, its small rooms, and where its people are guests",
        (("urn:xmpp:chat-markers:0", (ROOM, CONTACT)),),
        needs="receipts",
    ),
    Spec("XEP-0334", "Message Processing Hints", "1.0.0", _C),
    Spec(
        "XEP-0338",
        "Jingle Grouping Framework",
        "1.0.0",
        _P,
        "BUNDLE is read; rtpengine answers without",
        (("urn:ietf:rfc:5888", (CONTACT,)),),
        needs="calls",
    ),
    Spec(
        "XEP-0339",
        "Source-Specific Media Attributes in Jingle",
        "1.0.1",
        _C,
        "",
        (("urn:ietf:rfc:5576", (CONTACT,)),),
        needs="calls",
    ),
    Spec("XEP-0344", "Impact of TLS and DNSSEC on Dialback", "0.4", _P, "dialback without dialling back"),
    Spec(
        "XEP-0353",
        "Jingle Message Initiation",
        "0.8.0",
        _P,
        "a call that migrates is begun anew at the contact",
        (("urn:xmpp:jingle-message:0", (CONTACT,)),),
        needs="calls",
    ),
    Spec("XEP-0359", "Unique and Stable Stanza IDs", "0.7.0", _C, "", (("urn:xmpp:sid:0", (ROOM,)),)),
    Spec(
        "XEP-0363",
        "HTTP File Upload",
        "1.2.0",
        _P,
        "Matrix, with ``[web]``; one kind of purpose",
        (("urn:xmpp:http:upload:0", (GATEWAY,)),),
        "attachments",
    ),
    Spec("XEP-0368", "SRV records for XMPP over TLS", "1.1.0", _C, "servers"),
    Spec("XEP-0371", "Jingle ICE Transport Method", "0.3.1", _B, SIP),
    Spec(
        "XEP-0372",
        "References",
        "0.5.0",
        _P,
        "mentions of people and rooms, where the network has them",
        (("urn:xmpp:reference:0", (ROOM,)),),
        needs="mentions",
    ),
    Spec("XEP-0377", "Blocking Command Reports", "0.4.1", _P, "reports that servers forward; no blocking"),
    Spec("XEP-0393", "Message Styling", "1.1.1", _P, "read, not written"),
    Spec(
        "XEP-0410",
        "MUC Self-Ping (Schrödinger's Chat)",
        "1.1.0",
        _C,
        "",
        (("http://jabber.org/protocol/muc#self-ping-optimization", (ROOM,)),),
    ),
    Spec(
        "XEP-0421",
        "Occupant identifiers for semi-anonymous MUCs",
        "1.0.1",
        _C,
        "",
        (("urn:xmpp:occupant-id:0", (ROOM,)),),
    ),
    Spec(
        "XEP-0424",
        "Message Retraction",
        "0.4.2",
        _P,
        "where the network takes messages back",
        (
            ("urn:xmpp:message-retract:1", (ROOM, CONTACT)),
            ("urn:xmpp:message-retract:1#tombstone", (ROOM,)),
        ),
        needs="retractions",
    ),
    Spec("XEP-0425", "Moderated Message Retraction", "0.3.0", _P, "where the network takes messages back"),
    Spec("XEP-0428", "Fallback Indication", "0.2.1", _C),
    Spec(
        "XEP-0444",
        "Message Reactions",
        "0.2.1",
        _P,
        "where the network has them, else as text",
        (("urn:xmpp:reactions:0", (CONTACT,)),),
        needs="reactions",
    ),
    Spec("XEP-0446", "File metadata element", "0.2.0", _P, "no hashes"),
    Spec("XEP-0447", "Stateless file sharing", "0.3.1", _P, "files on the web, with ``[web]``; Matrix"),
    Spec(
        "XEP-0461",
        "Message Replies",
        "0.2.1",
        _P,
        "where the network has them, else as quoted text",
        (("urn:xmpp:reply:0", (CONTACT,)),),
        needs="replies",
    ),
    Spec("XEP-0478", "Stream Limits Advertisement", "0.2.0", _P, "who connects tells no idle time"),
    Spec(
        "XEP-0486",
        "MUC Avatars",
        "0.1.0",
        _P,
        "where rooms have pictures; svg is not passed on",
        (("vcard-temp", (ROOM,)),),
        needs="profiles",
    ),
    # servers and their names
    Spec("RFC 2782", "DNS SRV", "2000", _C),
    Spec("RFC 6698", "DANE: TLSA", "2012", _C, "outgoing, with a validating resolver on this host"),
    Spec("RFC 7590", "Use of TLS in XMPP", "2015", _P, "between servers"),
    Spec("RFC 7673", "DANE with SRV Records", "2015", _C, "outgoing"),
    Spec("RFC 7711", "PKIX over Secure HTTP (POSH)", "2015", _C, "reading"),
    Spec("RFC 7712", "Domain Name Associations in XMPP", "2015", _P, "PKIX, DANE, POSH"),
    Spec("RFC 9525", "Service Identity in TLS", "2023", _C, "DNS-ID and SRV-ID; no CN-ID"),
    # IRC and its neighbours
    Spec("RFC 1459", "Internet Relay Chat Protocol", "1993", _C, "as a client"),
    Spec("RFC 2812", "Internet Relay Chat: Client Protocol", "2000", _C),
    Spec("RFC 1413", "Identification Protocol", "1993", _C, "optional responder"),
    Spec("RFC 2811", "Internet Relay Chat: Channel Management", "2000", _P, "channels of ``#`` and ``&``"),
    Spec(
        "RFC 4422", "Simple Authentication and Security Layer", "2006", _P, "EXTERNAL, PLAIN, SCRAM-SHA-256"
    ),
    Spec("RFC 4616", "The PLAIN SASL Mechanism", "2006", _C),
    Spec("RFC 5802", "SCRAM SASL Mechanisms", "2010", _P, "SCRAM-SHA-256 without channel binding"),
    Spec("RFC 7677", "SCRAM-SHA-256", "2015", _P, "without channel binding"),
    Spec("RFC 8305", "Happy Eyeballs Version 2", "2017", _P, "connecting to IRC and XMPP servers"),
    *(Spec(f"IRCv3 {name}", title, state, _C) for name, title, state in IRCV3),
    # Matrix
    Spec(
        "MX application-service-api",
        "Matrix: Application Service API",
        "1.19",
        _C,
        "transactions, look-ups, ping",
    ),
    Spec(
        "MX client-server-api", "Matrix: Client-Server API", "1.19", _P, "as an application service's users"
    ),
    # SIP
    Spec("RFC 3261", "SIP: Session Initiation Protocol", "2002", _P, "as a user agent"),
    Spec("RFC 3262", "Reliability of Provisional Responses in SIP", "2002", _C),
    Spec("RFC 3263", "Locating SIP Servers", "2002", _P, "for requests"),
    Spec("RFC 3264", "Offer/Answer Model with SDP", "2002", _C),
    Spec("RFC 3311", "SIP UPDATE Method", "2002", _P, "taken in calls that stand; re-INVITE is what we send"),
    Spec("RFC 3323", "Privacy Mechanism for SIP", "2002", _P, "who asks for it is anonymous, both ways"),
    Spec("RFC 3325", "Asserted Identity in Trusted Networks", "2002", _P, "of and to trusted trunks"),
    Spec("RFC 3326", "Reason Header Field for SIP", "2002", _C),
    Spec("RFC 3327", "SIP Extension Header Field Path", "2002", _P, "as a user agent"),
    Spec("RFC 3428", "SIP Extension for Instant Messaging", "2002", _C),
    Spec("RFC 3515", "SIP Refer Method", "2003", _P, "in calls"),
    Spec("RFC 3581", "Symmetric Response Routing in SIP", "2003", _C),
    Spec("RFC 3608", "Service Route Discovery During Registration", "2003", _P, "as a user agent"),
    Spec("RFC 3856", "Presence Event Package for SIP", "2004", _C),
    Spec("RFC 3863", "Presence Information Data Format (PIDF)", "2004", _P, "basic status, note, priority"),
    Spec("RFC 3891", "SIP Replaces Header", "2004", _P, "of calls that stand"),
    Spec("RFC 3862", "Common Presence and Instant Messaging (CPIM)", "2004", _P, "addresses and content"),
    Spec("RFC 3892", "SIP Referred-By Mechanism", "2004", _P, "sent and passed on, unsigned"),
    Spec("RFC 3903", "SIP Extension for Event State Publication", "2004", _C, "as a client"),
    Spec("RFC 3994", "Indication of Message Composition", "2005", _P, "active and idle"),
    Spec("RFC 4028", "Session Timers in SIP", "2005", _C),
    Spec("RFC 4475", "SIP Torture Test Messages", "2006", _B, SIP),
    Spec("RFC 4480", "RPID: Rich Presence Extensions to PIDF", "2006", _P, "activities, reading"),
    Spec("RFC 4568", "SDP Security Descriptions for Media Streams", "2006", _B, SIP),
    Spec("RFC 4585", "Extended RTP Profile for RTCP-Based Feedback", "2006", _B, SIP),
    Spec("RFC 4575", "SIP Event Package for Conference State", "2006", _P, "subject, people and their names"),
    Spec("RFC 4579", "SIP Call Control: Conferencing", "2006", _P, "joining, leaving and inviting, by text"),
    Spec("RFC 4733", "RTP Payload for DTMF Digits", "2006", _B, SIP),
    Spec("RFC 4975", "Message Session Relay Protocol (MSRP)", "2007", _P, "chats and conferences"),
    Spec("RFC 4976", "Relay Extensions for MSRP", "2007", _B, "peers may be behind relays"),
    Spec("RFC 5057", "Multiple Dialog Usages in SIP", "2007", _B),
    Spec("RFC 5118", "SIP Torture Test Messages for IPv6", "2008", _B, SIP),
    Spec("RFC 5576", "Source-Specific Media Attributes in SDP", "2009", _B, SIP),
    Spec("RFC 5621", "Message Body Handling in SIP", "2009", _P, "multipart/mixed and multipart/alternative"),
    Spec(
        "RFC 5626",
        "Client-Initiated Connections in SIP",
        "2009",
        _P,
        "as a user agent, over TCP, TLS and WebSockets",
    ),
    Spec("RFC 5627", "Globally Routable User Agent URIs (GRUU) in SIP", "2009", _P, "as a user agent"),
    Spec("RFC 5761", "RTP and RTCP on One Port", "2010", _B, SIP),
    Spec("RFC 5763", "SRTP by DTLS", "2010", _B, SIP),
    Spec("RFC 5764", "DTLS Extension for SRTP", "2010", _B, SIP),
    Spec("RFC 5922", "Domain Certificates in SIP", "2010", _P, "as a client"),
    Spec("RFC 6026", "Correct Transaction Handling for 2xx to INVITE", "2010", _C),
    Spec("RFC 6665", "SIP-Specific Event Notification", "2012", _B, SIP),
    Spec("RFC 6455", "The WebSocket Protocol", "2011", _P, "for SIP; without extensions"),
    Spec(
        "RFC 7118",
        "SIP over WebSocket",
        "2014",
        _P,
        "as a user agent, both ends; without cookies and HTTP authentication",
    ),
    Spec(
        "RFC 7247",
        "SIP-XMPP Interworking: Addresses, Errors",
        "2014",
        _P,
        "errors; addresses in an open form",
    ),
    Spec("RFC 7572", "SIP-XMPP Interworking: Messages", "2015", _P, "type chat; without threads, languages"),
    Spec("RFC 7573", "SIP-XMPP Interworking: Chat", "2015", _P, "chats; languages are not told"),
    Spec("RFC 7616", "HTTP Digest Access Authentication", "2015", _P, "both ends; in SIP"),
    Spec("RFC 7701", "Multi-party Chat Using MSRP", "2015", _P, "nicknames, private messages"),
    Spec("RFC 7702", "SIP-XMPP Interworking: Groupchat", "2015", _P, "both ways; text"),
    Spec("RFC 8048", "SIP-XMPP Interworking: Presence", "2016", _P, "one device stands for all"),
    Spec("RFC 8122", "Fingerprints of Certificates in SDP", "2017", _B, SIP),
    Spec("RFC 8224", "Authenticated Identity in SIP", "2018", _B, SIP),
    Spec("RFC 8285", "RTP Header Extensions", "2017", _B, SIP),
    Spec("RFC 8445", "Interactive Connectivity Establishment (ICE)", "2018", _B, SIP),
    Spec("RFC 8760", "SIP Digest Authentication", "2020", _C),
    Spec("RFC 8839", "SDP for ICE", "2021", _B, SIP),
    Spec("RFC 8840", "SDP Fragments for Trickle ICE", "2021", _B, SIP),
    Spec("RFC 8866", "SDP: Session Description Protocol", "2021", _B, SIP),
    Spec("RFC 9143", "BUNDLE in SDP", "2022", _B, SIP),
    # what is cited on the way
    Spec("RFC 896", "Congestion Control in IP/TCP Internetworks", "1984", _B),
    Spec(
        "RFC 2069", "Digest Access Authentication (first edition)", "1997", _B, "for peers that still use it"
    ),
    Spec("RFC 2046", "MIME: Media Types", "1996", _B),
    Spec("RFC 2308", "Negative Caching of DNS Queries", "1998", _B),
    Spec("RFC 2543", "SIP (first edition)", "1999", _B, "for peers that still use it"),
    Spec("RFC 2818", "HTTP Over TLS", "2000", _B),
    Spec("RFC 3056", "Connection of IPv6 Domains via IPv4 Clouds (6to4)", "2001", _B),
    Spec("RFC 3454", "Preparation of Internationalized Strings", "2002", _B, "for peers that still use it"),
    Spec("RFC 3551", "RTP Profile for Audio and Video", "2003", _B),
    Spec("RFC 3920", "XMPP: Core", "2004", _B, "for peers that still use it"),
    Spec("RFC 3986", "URI: Generic Syntax", "2005", _B),
    Spec("RFC 4193", "Unique Local IPv6 Unicast Addresses", "2005", _B),
    Spec("RFC 4566", "SDP (second edition)", "2006", _B, "for peers that still use it"),
    Spec("RFC 4291", "IPv6 Addressing Architecture", "2006", _B),
    Spec("RFC 4380", "Teredo", "2006", _B),
    Spec("RFC 4985", "Service Name in Certificates (SRVName)", "2007", _B),
    Spec("RFC 5280", "X.509 Certificate and CRL Profile", "2008", _B),
    Spec("RFC 5482", "TCP User Timeout Option", "2009", _B),
    Spec("RFC 6052", "IPv6 Addressing of IPv4/IPv6 Translators", "2010", _B),
    Spec("RFC 6066", "TLS Extensions: Extension Definitions", "2011", _B),
    Spec("RFC 6122", "XMPP: Address Format", "2011", _B, "for peers that still use it"),
    Spec("RFC 6840", "Clarifications for DNSSEC", "2013", _B),
    Spec("RFC 6266", "Content-Disposition in HTTP", "2011", _B),
    Spec("RFC 6890", "Special-Purpose IP Address Registries", "2013", _B),
    Spec("RFC 7218", "Acronyms for DANE", "2014", _B),
    Spec("RFC 7301", "TLS Application-Layer Protocol Negotiation", "2014", _B),
    Spec("RFC 7362", "Latching: Hosted NAT Traversal for Media", "2014", _B),
    Spec("RFC 8187", "Characters in HTTP Header Field Parameters", "2017", _B),
    Spec("RFC 8446", "TLS 1.3", "2018", _B),
    Spec("RFC 9110", "HTTP Semantics", "2022", _B),
    Spec("XEP-0086", "Error Condition Mappings", "1.0", _B, "legacy error codes are sent along"),
    Spec("XEP-0453", "DOAP usage in XMPP", "0.1.2", _B),
)


def features(place: str, carried: Collection[str] = ()) -> tuple[str, ...]:
    """Return the disco features of a kind of address (a `router.Target` value), sorted.

    `carried` is what the network carries.
    """
    offered = [spec for spec in SPECS if not spec.needs or spec.needs in carried]
    return tuple(sorted(feature for spec in offered for feature, places in spec.features if place in places))
