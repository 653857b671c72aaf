"""The IRC vocabulary as literal tables: numerics, what refusals mean, capabilities, tags.

Numbers with two meanings bear the one that today's servers send; the other is an alias where the
difference matters. Names are those of RFC 1459, RFC 2812 and the servers that brought them up.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from bridge.errors import Trouble


class Numeric(StrEnum):
    """Numeric replies; a member equals `Line.command`."""

    RPL_WELCOME = "001"
    RPL_YOURHOST = "002"
    RPL_CREATED = "003"
    RPL_MYINFO = "004"
    RPL_ISUPPORT = "005"
    RPL_SNOMASKIS = "008"
    RPL_REDIR = "010"
    RPL_MAP = "015"
    RPL_ENDMAP = "017"
    RPL_HELLO = "020"
    RPL_YOURID = "042"
    RPL_SAVENICK = "043"
    RPL_TRACEEND = "262"
    RPL_STATS = "210"
    RPL_ENDOFSTATS = "219"
    RPL_UMODEIS = "221"
    RPL_SERVLIST = "234"
    RPL_SERVLISTEND = "235"
    RPL_STATSUPTIME = "242"
    RPL_STATSCONN = "250"
    RPL_LUSERCLIENT = "251"
    RPL_LUSEROP = "252"
    RPL_LUSERUNKNOWN = "253"
    RPL_LUSERCHANNELS = "254"
    RPL_LUSERME = "255"
    RPL_ADMINME = "256"
    RPL_ADMINLOC1 = "257"
    RPL_ADMINLOC2 = "258"
    RPL_ADMINEMAIL = "259"
    RPL_TRYAGAIN = "263"
    RPL_LOCALUSERS = "265"
    RPL_GLOBALUSERS = "266"
    RPL_WHOISCERTFP = "276"
    RPL_ACCEPTLIST = "281"
    RPL_ENDOFACCEPT = "282"
    RPL_NONE = "300"
    RPL_AWAY = "301"
    RPL_USERHOST = "302"
    RPL_ISON = "303"
    RPL_TEXT = "304"
    RPL_UNAWAY = "305"
    RPL_NOWAWAY = "306"
    RPL_WHOISREGNICK = "307"
    RPL_WHOISADMIN = "308"
    RPL_WHOISHELPOP = "310"
    RPL_WHOISUSER = "311"
    RPL_WHOISSERVER = "312"
    RPL_WHOISOPERATOR = "313"
    RPL_WHOWASUSER = "314"
    RPL_ENDOFWHO = "315"
    RPL_WHOISCHANOP = "316"
    RPL_WHOISIDLE = "317"
    RPL_ENDOFWHOIS = "318"
    RPL_WHOISCHANNELS = "319"
    RPL_WHOISSPECIAL = "320"
    RPL_LISTSTART = "321"
    RPL_LIST = "322"
    RPL_LISTEND = "323"
    RPL_CHANNELMODEIS = "324"
    RPL_CHANNELMLOCK = "325"
    RPL_CHANNELURL = "328"
    RPL_CREATIONTIME = "329"
    RPL_WHOISACCOUNT = "330"
    RPL_NOTOPIC = "331"
    RPL_TOPIC = "332"
    RPL_TOPICWHOTIME = "333"
    RPL_LISTSYNTAX = "334"
    RPL_WHOISBOT = "335"
    RPL_INVITELIST_OWN = "336"
    RPL_ENDOFINVITELIST_OWN = "337"
    RPL_WHOISACTUALLY = "338"
    RPL_USERIP = "340"
    RPL_INVITING = "341"
    RPL_SUMMONING = "342"
    RPL_INVITELIST = "346"
    RPL_ENDOFINVITELIST = "347"
    RPL_EXCEPTLIST = "348"
    RPL_ENDOFEXCEPTLIST = "349"
    RPL_WHOISGATEWAY = "350"
    RPL_VERSION = "351"
    RPL_WHOREPLY = "352"
    RPL_NAMREPLY = "353"
    RPL_WHOSPCRPL = "354"
    RPL_LINKS = "364"
    RPL_ENDOFLINKS = "365"
    RPL_ENDOFNAMES = "366"
    RPL_BANLIST = "367"
    RPL_ENDOFBANLIST = "368"
    RPL_ENDOFWHOWAS = "369"
    RPL_INFO = "371"
    RPL_MOTD = "372"
    RPL_INFOSTART = "373"
    RPL_ENDOFINFO = "374"
    RPL_MOTDSTART = "375"
    RPL_ENDOFMOTD = "376"
    RPL_WHOISHOST = "378"
    RPL_WHOISMODES = "379"
    RPL_YOUREOPER = "381"
    RPL_REHASHING = "382"
    RPL_YOURESERVICE = "383"
    RPL_QLIST = "386"
    RPL_ENDOFQLIST = "387"
    RPL_ALIST = "388"
    RPL_ENDOFALIST = "389"
    RPL_TIME = "391"
    RPL_USERSSTART = "392"
    RPL_USERS = "393"
    RPL_ENDOFUSERS = "394"
    RPL_NOUSERS = "395"
    RPL_VISIBLEHOST = "396"
    ERR_UNKNOWNERROR = "400"
    ERR_NOSUCHNICK = "401"
    ERR_NOSUCHSERVER = "402"
    ERR_NOSUCHCHANNEL = "403"
    ERR_CANNOTSENDTOCHAN = "404"
    ERR_TOOMANYCHANNELS = "405"
    ERR_WASNOSUCHNICK = "406"
    ERR_TOOMANYTARGETS = "407"
    ERR_NOSUCHSERVICE = "408"
    ERR_NOORIGIN = "409"
    ERR_INVALIDCAPCMD = "410"
    ERR_NORECIPIENT = "411"
    ERR_NOTEXTTOSEND = "412"
    ERR_NOTOPLEVEL = "413"
    ERR_WILDTOPLEVEL = "414"
    ERR_BADMASK = "415"
    ERR_MSGNEEDREGGEDNICK = "415"
    ERR_TOOMANYMATCHES = "416"
    ERR_INPUTTOOLONG = "417"
    ERR_UNKNOWNCOMMAND = "421"
    ERR_NOMOTD = "422"
    ERR_NOADMININFO = "423"
    ERR_FILEERROR = "424"
    ERR_TOOMANYAWAY = "429"
    ERR_NONICKNAMEGIVEN = "431"
    ERR_ERRONEUSNICKNAME = "432"
    ERR_NICKNAMEINUSE = "433"
    ERR_NORULES = "434"
    ERR_BANONCHAN = "435"
    ERR_NICKCOLLISION = "436"
    ERR_UNAVAILRESOURCE = "437"
    ERR_NICKTOOFAST = "438"
    ERR_TARGETTOOFAST = "439"
    ERR_SERVICESDOWN = "440"
    ERR_USERNOTINCHANNEL = "441"
    ERR_NOTONCHANNEL = "442"
    ERR_USERONCHANNEL = "443"
    ERR_NOLOGIN = "444"
    ERR_SUMMONDISABLED = "445"
    ERR_USERSDISABLED = "446"
    ERR_NONICKCHANGE = "447"
    ERR_FORBIDDENCHANNEL = "448"
    ERR_NOTREGISTERED = "451"
    ERR_HOSTILENAME = "455"
    ERR_ACCEPTFULL = "456"
    ERR_ACCEPTEXIST = "457"
    ERR_ACCEPTNOT = "458"
    ERR_NOHIDING = "459"
    ERR_NOTFORHALFOPS = "460"
    ERR_NEEDMOREPARAMS = "461"
    ERR_ALREADYREGISTERED = "462"
    ERR_NOPERMFORHOST = "463"
    ERR_PASSWDMISMATCH = "464"
    ERR_YOUREBANNEDCREEP = "465"
    ERR_YOUWILLBEBANNED = "466"
    ERR_KEYSET = "467"
    ERR_INVALIDUSERNAME = "468"
    ERR_LINKSET = "469"
    ERR_LINKCHANNEL = "470"
    ERR_CHANNELISFULL = "471"
    ERR_UNKNOWNMODE = "472"
    ERR_INVITEONLYCHAN = "473"
    ERR_BANNEDFROMCHAN = "474"
    ERR_BADCHANNELKEY = "475"
    ERR_BADCHANMASK = "476"
    ERR_NEEDREGGEDNICK = "477"
    ERR_NOCHANMODES = "477"
    ERR_BANLISTFULL = "478"
    ERR_BADCHANNAME = "479"
    ERR_LINKFAIL = "479"
    ERR_THROTTLE = "480"
    ERR_CANNOTKNOCK = "480"
    ERR_NOPRIVILEGES = "481"
    ERR_CHANOPRIVSNEEDED = "482"
    ERR_CANTKILLSERVER = "483"
    ERR_RESTRICTED = "484"
    ERR_ISCHANSERVICE = "484"
    ERR_UNIQOPRIVSNEEDED = "485"
    ERR_CHANBANREASON = "485"
    ERR_NONONREG = "486"
    ERR_MSGSERVICES = "487"
    ERR_NOSSL = "488"
    ERR_SECUREONLYCHAN = "489"
    ERR_VOICENEEDED = "489"
    ERR_ALLMUSTSSL = "490"
    ERR_NOOPERHOST = "491"
    ERR_NOCTCP = "492"
    ERR_CANNOTSENDTOUSER = "492"
    ERR_NOSHAREDCHAN = "493"
    ERR_OWNMODE = "494"
    ERR_DELAYREJOIN = "495"
    ERR_CHANOWNPRIVNEEDED = "499"
    ERR_TOOMANYJOINS = "500"
    ERR_UMODEUNKNOWNFLAG = "501"
    ERR_USERSDONTMATCH = "502"
    ERR_GHOSTEDCLIENT = "503"
    ERR_USERNOTONSERV = "504"
    ERR_SILELISTFULL = "511"
    ERR_TOOMANYWATCH = "512"
    ERR_BADPING = "513"
    ERR_DISABLED = "517"
    ERR_NOINVITE = "518"
    ERR_ADMINONLY = "519"
    ERR_OPERONLY = "520"
    ERR_LISTSYNTAX = "521"
    ERR_WHOSYNTAX = "522"
    ERR_WHOLIMEXCEED = "523"
    ERR_HELPNOTFOUND = "524"
    ERR_OPERSPVERIFY = "524"
    ERR_INVALIDKEY = "525"
    ERR_CANTSENDTOUSER = "531"
    ERR_CANNOTSENDRP = "573"
    RPL_LOGON = "600"
    RPL_LOGOFF = "601"
    RPL_WATCHOFF = "602"
    RPL_WATCHSTAT = "603"
    RPL_NOWON = "604"
    RPL_NOWOFF = "605"
    RPL_WATCHLIST = "606"
    RPL_ENDOFWATCHLIST = "607"
    RPL_STARTTLS = "670"
    RPL_WHOISSECURE = "671"
    RPL_WHOISKEYVALUE = "760"
    ERR_REDIRECT = "690"
    ERR_STARTTLS = "691"
    ERR_INVALIDMODEPARAM = "696"
    ERR_LISTMODEALREADYSET = "697"
    ERR_LISTMODENOTSET = "698"
    RPL_HELPSTART = "704"
    RPL_HELPTXT = "705"
    RPL_ENDOFHELP = "706"
    ERR_TARGCHANGE = "707"
    RPL_KNOCK = "710"
    RPL_KNOCKDLVR = "711"
    ERR_TOOMANYKNOCK = "712"
    ERR_CHANOPEN = "713"
    ERR_KNOCKONCHAN = "714"
    ERR_TOOMANYINVITE = "715"
    ERR_TARGUMODEG = "716"
    RPL_TARGNOTIFY = "717"
    RPL_UMODEGMSG = "718"
    ERR_NOPRIVS = "723"
    RPL_QUIETLIST = "728"
    RPL_ENDOFQUIETLIST = "729"
    RPL_MONONLINE = "730"
    RPL_MONOFFLINE = "731"
    RPL_MONLIST = "732"
    RPL_ENDOFMONLIST = "733"
    ERR_MONLISTFULL = "734"
    ERR_MLOCKRESTRICTED = "742"
    ERR_INVALIDBAN = "743"
    ERR_TOPICLOCK = "744"
    RPL_LOGGEDIN = "900"
    RPL_LOGGEDOUT = "901"
    ERR_NICKLOCKED = "902"
    RPL_SASLSUCCESS = "903"
    ERR_SASLFAIL = "904"
    ERR_SASLTOOLONG = "905"
    ERR_SASLABORTED = "906"
    ERR_SASLALREADY = "907"
    RPL_SASLMECHS = "908"


JOIN_REFUSALS: Mapping[str, Trouble] = {
    Numeric.ERR_NOSUCHCHANNEL: Trouble.NO_SUCH_ROOM,
    Numeric.ERR_TOOMANYCHANNELS: Trouble.TOO_MANY_ROOMS,
    Numeric.ERR_TOOMANYTARGETS: Trouble.TOO_MANY_ROOMS,
    Numeric.ERR_UNAVAILRESOURCE: Trouble.BUSY,
    Numeric.ERR_FORBIDDENCHANNEL: Trouble.BANNED,
    Numeric.ERR_CHANNELISFULL: Trouble.ROOM_FULL,
    Numeric.ERR_INVITEONLYCHAN: Trouble.INVITE_ONLY,
    Numeric.ERR_BANNEDFROMCHAN: Trouble.BANNED,
    Numeric.ERR_BADCHANNELKEY: Trouble.BAD_PASSWORD,
    Numeric.ERR_BADCHANMASK: Trouble.NO_SUCH_ROOM,
    Numeric.ERR_NEEDREGGEDNICK: Trouble.LOGIN_NEEDED,
    Numeric.ERR_BADCHANNAME: Trouble.NO_SUCH_ROOM,
    Numeric.ERR_THROTTLE: Trouble.BUSY,
    Numeric.ERR_RESTRICTED: Trouble.REFUSED,
    Numeric.ERR_CHANBANREASON: Trouble.BANNED,
    Numeric.ERR_NONONREG: Trouble.LOGIN_NEEDED,
    Numeric.ERR_MSGSERVICES: Trouble.REFUSED,
    Numeric.ERR_NOSSL: Trouble.REFUSED,
    Numeric.ERR_SECUREONLYCHAN: Trouble.REFUSED,
    Numeric.ERR_ALLMUSTSSL: Trouble.REFUSED,
    Numeric.ERR_DELAYREJOIN: Trouble.BUSY,
    Numeric.ERR_TOOMANYJOINS: Trouble.BUSY,
    Numeric.ERR_ADMINONLY: Trouble.REFUSED,
    Numeric.ERR_OPERONLY: Trouble.REFUSED,
    Numeric.ERR_OPERSPVERIFY: Trouble.REFUSED,
    Numeric.ERR_INVALIDKEY: Trouble.BAD_PASSWORD,
}
"""Numerics that, naming a channel the user is joining, say that he does not get in, and why."""

FORWARDS = frozenset({Numeric.ERR_LINKCHANNEL})
"""Numerics that name the channel that was asked for, and the one that is joined in its stead."""

NICK_REFUSALS: Mapping[str, Trouble] = {
    Numeric.ERR_NONICKNAMEGIVEN: Trouble.BAD_NICK,
    Numeric.ERR_ERRONEUSNICKNAME: Trouble.BAD_NICK,
    Numeric.ERR_NICKNAMEINUSE: Trouble.NICK_IN_USE,
    Numeric.ERR_BANONCHAN: Trouble.BAD_NICK,
    Numeric.ERR_NICKCOLLISION: Trouble.NICK_IN_USE,
    Numeric.ERR_UNAVAILRESOURCE: Trouble.NICK_IN_USE,
    Numeric.ERR_NICKTOOFAST: Trouble.BUSY,
    Numeric.ERR_NONICKCHANGE: Trouble.BAD_NICK,
    Numeric.ERR_HOSTILENAME: Trouble.BAD_NICK,
    Numeric.ERR_RESTRICTED: Trouble.BAD_NICK,
}
"""Numerics that say that a nick is not to be had."""

MESSAGE_REFUSALS: Mapping[str, Trouble] = {
    Numeric.ERR_NOSUCHNICK: Trouble.NO_SUCH_NICK,
    Numeric.ERR_NOSUCHSERVER: Trouble.NO_SUCH_NICK,
    Numeric.ERR_NOSUCHCHANNEL: Trouble.NO_SUCH_ROOM,
    Numeric.ERR_CANNOTSENDTOCHAN: Trouble.CANNOT_SPEAK,
    Numeric.ERR_TOOMANYTARGETS: Trouble.REFUSED,
    Numeric.ERR_NOSUCHSERVICE: Trouble.CANNOT_SPEAK,
    Numeric.ERR_NORECIPIENT: Trouble.REFUSED,
    Numeric.ERR_NOTEXTTOSEND: Trouble.REFUSED,
    Numeric.ERR_NOTOPLEVEL: Trouble.REFUSED,
    Numeric.ERR_WILDTOPLEVEL: Trouble.REFUSED,
    Numeric.ERR_MSGNEEDREGGEDNICK: Trouble.LOGIN_NEEDED,
    Numeric.ERR_INPUTTOOLONG: Trouble.TOO_LONG,
    Numeric.ERR_TARGETTOOFAST: Trouble.BUSY,
    Numeric.ERR_SERVICESDOWN: Trouble.BUSY,
    Numeric.ERR_NOTONCHANNEL: Trouble.NOT_IN_ROOM,
    Numeric.ERR_NEEDREGGEDNICK: Trouble.LOGIN_NEEDED,
    Numeric.ERR_NONONREG: Trouble.LOGIN_NEEDED,
    Numeric.ERR_MSGSERVICES: Trouble.REFUSED,
    Numeric.ERR_VOICENEEDED: Trouble.CANNOT_SPEAK,
    Numeric.ERR_CANNOTSENDTOUSER: Trouble.CANNOT_SPEAK,
    Numeric.ERR_NOSHAREDCHAN: Trouble.REFUSED,
    Numeric.ERR_OWNMODE: Trouble.REFUSED,
    Numeric.ERR_GHOSTEDCLIENT: Trouble.NO_SUCH_NICK,
    Numeric.ERR_CANTSENDTOUSER: Trouble.REFUSED,
    Numeric.ERR_CANNOTSENDRP: Trouble.CANNOT_SPEAK,
    Numeric.ERR_TARGCHANGE: Trouble.BUSY,
    Numeric.ERR_TARGUMODEG: Trouble.REFUSED,
}
"""Numerics that say that a message did not reach its target."""

LOGIN_REFUSALS: Mapping[str, Trouble] = {
    Numeric.ERR_NICKLOCKED: Trouble.LOGIN_FAILED,
    Numeric.ERR_SASLFAIL: Trouble.LOGIN_FAILED,
    Numeric.ERR_SASLTOOLONG: Trouble.LOGIN_FAILED,
    Numeric.ERR_SASLABORTED: Trouble.LOGIN_FAILED,
    Numeric.ERR_SASLALREADY: Trouble.LOGIN_FAILED,
}
"""Numerics that end a SASL exchange without success."""

REGISTRATION_REFUSALS: Mapping[str, Trouble] = {
    Numeric.ERR_NOPERMFORHOST: Trouble.REFUSED,
    Numeric.ERR_PASSWDMISMATCH: Trouble.LOGIN_FAILED,
    Numeric.ERR_YOUREBANNEDCREEP: Trouble.REFUSED,
    Numeric.ERR_INVALIDUSERNAME: Trouble.REFUSED,
}
"""Numerics before 001 after which the server lets nobody in by this connection."""

_OTHER_TROUBLES: Mapping[str, Trouble] = {
    Numeric.RPL_TRYAGAIN: Trouble.BUSY,
    Numeric.ERR_UNKNOWNERROR: Trouble.REFUSED,
    Numeric.ERR_WASNOSUCHNICK: Trouble.NO_SUCH_NICK,
    Numeric.ERR_TOOMANYMATCHES: Trouble.REFUSED,
    Numeric.ERR_UNKNOWNCOMMAND: Trouble.UNSUPPORTED,
    Numeric.ERR_TOOMANYAWAY: Trouble.BUSY,
    Numeric.ERR_USERNOTINCHANNEL: Trouble.NO_SUCH_NICK,
    Numeric.ERR_USERONCHANNEL: Trouble.REFUSED,
    Numeric.ERR_NOLOGIN: Trouble.NO_SUCH_NICK,
    Numeric.ERR_NOTREGISTERED: Trouble.NOT_CONNECTED,
    Numeric.ERR_NOTFORHALFOPS: Trouble.NO_PRIVILEGE,
    Numeric.ERR_NEEDMOREPARAMS: Trouble.REFUSED,
    Numeric.ERR_ALREADYREGISTERED: Trouble.REFUSED,
    Numeric.ERR_KEYSET: Trouble.REFUSED,
    Numeric.ERR_UNKNOWNMODE: Trouble.UNSUPPORTED,
    Numeric.ERR_BANLISTFULL: Trouble.REFUSED,
    Numeric.ERR_NOPRIVILEGES: Trouble.NO_PRIVILEGE,
    Numeric.ERR_CHANOPRIVSNEEDED: Trouble.NO_PRIVILEGE,
    Numeric.ERR_CANTKILLSERVER: Trouble.NO_PRIVILEGE,
    Numeric.ERR_ISCHANSERVICE: Trouble.NO_PRIVILEGE,
    Numeric.ERR_UNIQOPRIVSNEEDED: Trouble.NO_PRIVILEGE,
    Numeric.ERR_NOOPERHOST: Trouble.NO_PRIVILEGE,
    Numeric.ERR_CHANOWNPRIVNEEDED: Trouble.NO_PRIVILEGE,
    Numeric.ERR_UMODEUNKNOWNFLAG: Trouble.UNSUPPORTED,
    Numeric.ERR_USERSDONTMATCH: Trouble.NO_PRIVILEGE,
    Numeric.ERR_DISABLED: Trouble.UNSUPPORTED,
    Numeric.ERR_NOINVITE: Trouble.REFUSED,
    Numeric.ERR_LISTSYNTAX: Trouble.REFUSED,
    Numeric.ERR_HELPNOTFOUND: Trouble.NOT_FOUND,
    Numeric.ERR_INVALIDMODEPARAM: Trouble.NOT_ACCEPTABLE,
    Numeric.ERR_LISTMODEALREADYSET: Trouble.REFUSED,
    Numeric.ERR_LISTMODENOTSET: Trouble.NOT_FOUND,
    Numeric.ERR_TOOMANYKNOCK: Trouble.BUSY,
    Numeric.ERR_CHANOPEN: Trouble.REFUSED,
    Numeric.ERR_KNOCKONCHAN: Trouble.REFUSED,
    Numeric.ERR_TOOMANYINVITE: Trouble.BUSY,
    Numeric.ERR_NOPRIVS: Trouble.NO_PRIVILEGE,
    Numeric.ERR_MONLISTFULL: Trouble.TOO_MANY,
    Numeric.ERR_MLOCKRESTRICTED: Trouble.NO_PRIVILEGE,
    Numeric.ERR_INVALIDBAN: Trouble.NOT_ACCEPTABLE,
    Numeric.ERR_TOPICLOCK: Trouble.NO_PRIVILEGE,
}

TROUBLES: Mapping[str, Trouble] = {
    **JOIN_REFUSALS,
    **NICK_REFUSALS,
    **MESSAGE_REFUSALS,
    **LOGIN_REFUSALS,
    **REGISTRATION_REFUSALS,
    **_OTHER_TROUBLES,
}
"""What an error numeric means when it answers anything but what the narrower tables are for."""


class Capability(NamedTuple):
    """An IRCv3 capability, and the file of its specification."""

    name: str
    spec: str


CAPABILITIES = (
    Capability("account-notify", "account-notify.md"),
    Capability("account-tag", "account-tag.md"),
    Capability("away-notify", "away-notify.md"),
    Capability("batch", "batch.md"),
    Capability("cap-notify", "capability-negotiation.md"),
    Capability("chghost", "chghost.md"),
    Capability("echo-message", "echo-message.md"),
    Capability("extended-join", "extended-join.md"),
    Capability("invite-notify", "invite-notify.md"),
    Capability("labeled-response", "labeled-response.md"),
    Capability("message-tags", "message-tags.md"),
    Capability("multi-prefix", "multi-prefix.md"),
    Capability("sasl", "sasl-3.2.md"),
    Capability("server-time", "server-time.md"),
    Capability("setname", "setname.md"),
    Capability("standard-replies", "standard-replies.md"),
    Capability("inspircd.org/standard-replies", "standard-replies.md"),
    Capability("userhost-in-names", "userhost-in-names.md"),
)
"""What is requested where it is offered."""

WANTED = frozenset(capability.name for capability in CAPABILITIES)


class Tag(StrEnum):
    """Message tags that mean something to the bridge."""

    ACCOUNT = "account"
    BATCH = "batch"
    BOT = "bot"
    LABEL = "label"
    MSGID = "msgid"
    TIME = "time"
    CHANNEL_CONTEXT = "+channel-context"
    DRAFT_CHANNEL_CONTEXT = "+draft/channel-context"
    REACT = "+draft/react"
    UNREACT = "+draft/unreact"
    REPLY = "+reply"
    DRAFT_REPLY = "+draft/reply"
    TYPING = "+typing"
