"""Third-party lookups."""

from __future__ import annotations

import pytest

from transports.matrix.thirdparty import PROTOCOL, ThirdParty

from .raw import ALICE, IDS

ALIAS = "#_xmpp_balcony=40conf.example:hs.example"
ROOM = {
    "alias": ALIAS,
    "protocol": "xmpp",
    "fields": {"room": "balcony", "server": "conf.example"},
}
ROMEO = {
    "userid": IDS.ghost("romeo@montague.example"),
    "protocol": "xmpp",
    "fields": {"jid": "romeo@montague.example"},
}


@pytest.mark.parametrize(
    ("path", "query", "answer"),
    [
        ("protocol/xmpp", {}, PROTOCOL),
        ("protocol/irc", {}, None),
        ("location/xmpp", {"room": "Balcony", "server": "conf.example"}, [ROOM]),
        ("location/xmpp", {"jid": "balcony@conf.example"}, [ROOM]),
        ("location/xmpp", {"jid": "xmpp:balcony@conf.example?join"}, [ROOM]),
        ("location/xmpp", {"room": "balcony"}, []),
        ("location/xmpp", {"jid": "a" * 300 + "@conf.example"}, []),
        ("location/irc", {"room": "balcony"}, None),
        ("location", {"alias": ALIAS}, [ROOM]),
        ("location", {"alias": "#other:hs.example"}, []),
        ("user/xmpp", {"jid": "romeo@montague.example"}, [ROMEO]),
        ("user/xmpp", {"jid": "montague.example"}, []),
        ("user/xmpp", {}, []),
        ("user/irc", {}, None),
        ("user", {"userid": ROMEO["userid"]}, [ROMEO]),
        ("user", {"userid": ALICE}, []),
        ("user", {"userid": IDS.ghost("balcony@conf.example/id")}, []),
        ("colour", {}, None),
    ],
)
def test_lookup_finds_the_room_or_person_meant(path, query, answer):
    """By the fields of the protocol, by a JID, or by what it is on Matrix; who is unknown is nobody."""
    assert ThirdParty(IDS).answer(path.split("/"), query) == answer
