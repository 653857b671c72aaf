"""Who comes, goes and changes."""

from __future__ import annotations

from bridge.errors import Trouble
from bridge.events import (
    Affiliation,
    ChangeNick,
    Entered,
    Join,
    Kick,
    Leave,
    NickChange,
    NickRefused,
    OccupantChange,
    Role,
    RoomConfig,
    RoomNotice,
    ServerNotice,
    Topic,
)

from .script import SERVER, World, room


def crowd(world: World, size: int = 3, caps: str = ""):
    """Several users of the gateway in one channel, who have all seen each other come."""
    clients = []
    for number in range(size):
        nicks = " ".join(each.session.nick for each in clients)
        client = world.client(f"user{number}").in_room(names=f"@op {nicks}".strip(), caps=caps)
        for other in clients:
            other.feed(f":user{number}!~u@host.example JOIN #chan")
        clients.append(client)
    for client in clients:
        client.events()
    return clients


def members(client):
    """The value that a session holds."""
    return client.session._features.rooms.here["#chan"].members


def test_sessions_that_agree_share_their_members():
    """One value for all, however they learnt it."""
    clients = crowd(World())
    assert all(members(client) is members(clients[0]) for client in clients)


def test_changes_are_the_same_objects_for_all():
    """Join, nick, mode, kick and part of another are computed once."""
    world = World()
    clients = crowd(world)
    for line in (
        ":juliet!j@h JOIN #chan",
        ":op!o@h MODE #chan +v juliet",
        ":juliet!j@h NICK Jule",
        ":op!o@h KICK #chan Jule :out",
        ":nurse!n@h JOIN #chan",
        ":nurse!n@h PART #chan :bye",
        ":peter!p@h JOIN #chan",
        ":peter!p@h QUIT :gone",
        ":op!o@h TOPIC #chan :new",
    ):
        for client in clients:
            client.feed(line)
    kinds = [type(event) for each in clients[0].tuples for event in each]
    assert kinds == [Join, RoomNotice, OccupantChange, NickChange, Kick, Join, Leave, Join, Leave, Topic]
    for client in clients[1:]:
        assert all(mine is yours for mine, yours in zip(client.tuples, clients[0].tuples, strict=True))
        assert members(client) is members(clients[0])


def test_join_leave_kick_nick_topic_say_what_happened():
    """The events' fields."""
    romeo = World().client("romeo").in_room(names="@op")
    romeo.feed(":Juliet!j@h JOIN :#chan")
    assert romeo.event(Join).occupant.address == "juliet%irc.example.org/j@h"
    romeo.feed(":Juliet!j@h NICK :Jule")
    change = romeo.event(NickChange)
    assert (change.old, change.occupant.nick) == ("Juliet", "Jule")
    romeo.feed(":op!o@h KICK #chan jule :begone")
    kick = romeo.event(Kick)
    assert (kick.nick, kick.actor, kick.reason) == ("Jule", "op", "begone")
    romeo.feed(":op!o@h TOPIC #chan :Verona")
    topic = romeo.event(Topic)
    assert (topic.text, topic.nick, topic.time) == ("Verona", "op", None)
    snapshot = romeo.session.snapshot(room("#chan"))
    assert (snapshot.topic.text, set(snapshot.occupants)) == ("Verona", {"op", "romeo"})


def test_modes_become_ranks():
    """Prefix modes both ways, with the line as Biboumi words it."""
    romeo = World().client("romeo").in_room(names="@op juliet")
    romeo.feed(":op!o@h MODE #chan +ov juliet romeo")
    events = romeo.events()
    assert events[0] == RoomNotice(room=room("#chan"), text="Mode #chan [+ov juliet romeo] by op")
    assert [
        (event.occupant.nick, event.occupant.affiliation, event.occupant.role) for event in events[1:]
    ] == [
        ("juliet", Affiliation.ADMIN, Role.MODERATOR),
        ("romeo", Affiliation.MEMBER, Role.PARTICIPANT),
    ]
    romeo.feed(":op!o@h MODE #chan -o juliet")
    assert romeo.event(OccupantChange).occupant.affiliation is Affiliation.NONE


def test_moderated_channel_makes_visitors():
    """+m takes the voice from those without a mode, -m gives it back."""
    romeo = World().client("romeo").in_room(names="@op juliet")
    romeo.feed(":op!o@h MODE #chan +m")
    events = romeo.events()
    assert RoomConfig(room=room("#chan"), moderated=True) in events
    changed = [event.occupant for event in events if isinstance(event, OccupantChange)]
    assert {(each.nick, each.role) for each in changed} == {("juliet", Role.VISITOR), ("romeo", Role.VISITOR)}
    romeo.feed(":op!o@h MODE #chan -m")
    assert not romeo.event(RoomConfig).moderated


def test_modes_of_the_channel_are_asked_for_by_the_first_session():
    """One MODE for all sessions; its answer is not shown."""
    world = World()
    romeo = world.client("romeo").enter().connect()
    romeo.joined(names="romeo")
    assert "MODE #chan" in romeo.lines()
    romeo.events()
    romeo.feed(f":{SERVER} 324 romeo #chan +mnt")
    assert RoomConfig(room=room("#chan"), moderated=True) in romeo.events()
    juliet = world.client("juliet").enter().connect()
    juliet.joined(names="romeo juliet")
    assert "MODE #chan" not in juliet.lines()
    assert juliet.event(Entered).moderated


def test_away_account_and_host_change_the_occupant():
    """IRCv3 away-notify, account-notify and chghost."""
    caps = "away-notify account-notify chghost extended-join"
    romeo = World().client("romeo").in_room(caps=caps)
    romeo.feed(":juliet!j@h JOIN #chan jcap :Juliet Capulet")
    assert romeo.event(Join).occupant.identity == "a:jcap"
    romeo.feed(":juliet!j@h AWAY :asleep")
    assert romeo.event(OccupantChange).occupant.away == "asleep"
    romeo.feed(":juliet!j@h AWAY")
    assert romeo.event(OccupantChange).occupant.away is None
    romeo.feed(":juliet!j@h ACCOUNT *")
    assert romeo.event(OccupantChange).occupant.account == ""
    romeo.feed(":juliet!j@h CHGHOST jj cloak.example")
    assert romeo.event(OccupantChange).occupant.address == "juliet%irc.example.org/jj@cloak.example"


def test_change_known_already_is_told_to_later_sessions_too():
    """The first session's knowledge does not swallow the event for others."""
    clients = crowd(World(), caps="away-notify")
    for client in clients:
        client.feed(":op!o@h AWAY :tea")
    assert [client.event(OccupantChange).occupant.away for client in clients] == ["tea"] * 3


def test_userhost_in_names_gives_addresses():
    """IRCv3 userhost-in-names and multi-prefix."""
    romeo = World().client("romeo").enter().connect()
    romeo.events()
    romeo.joined(names="@+op!o@h.example romeo!~u@host.example")
    entered = romeo.event(Entered)
    assert entered.occupants["op"].address == "op%irc.example.org/o@h.example"
    assert entered.occupants["op"].affiliation is Affiliation.ADMIN


def test_lines_during_names_are_applied_afterwards():
    """Whoever comes or goes while NAMES comes in is not lost."""
    romeo = World().client("romeo").enter().connect()
    romeo.events()
    romeo.feed(
        ":romeo!~u@host.example JOIN #chan",
        f":{SERVER} 353 romeo = #chan :romeo op juliet",
        ":juliet!j@h QUIT :gone",
        ":nurse!n@h JOIN #chan",
        ":nurse!n@h PRIVMSG #chan :hello",
        f":{SERVER} 366 romeo #chan :End",
    )
    kinds = [type(event).__name__ for event in romeo.events()]
    assert kinds == ["Entered", "Leave", "Join", "Message"]


def test_nick_is_changed_in_every_room():
    """One NICK line, one event for each room."""
    romeo = World().client("romeo").in_room()
    romeo.enter("#other").joined("#other")
    romeo.events()
    romeo.lines()
    romeo.submit(ChangeNick(room=room("#chan"), nick="montague"))
    assert romeo.lines() == ["NICK montague"]
    romeo.feed(":romeo!~u@host.example NICK montague")
    assert {event.room for event in romeo.events(NickChange)} == {room("#chan"), room("#other")}
    assert romeo.session.nick == "montague"


def test_refused_nick_is_told():
    """433 after registration: the old nick stays."""
    romeo = World().client("romeo").in_room()
    romeo.submit(ChangeNick(room=room("#chan"), nick="tybalt"))
    romeo.feed(f":{SERVER} 433 romeo tybalt :Nickname is already in use")
    refused = romeo.event(NickRefused)
    assert (refused.nick, refused.error.trouble) == ("tybalt", Trouble.NICK_IN_USE)
    assert romeo.session.nick == "romeo"


def test_unanswered_nick_is_refused_in_time():
    """A server that says nothing."""
    world = World()
    romeo = world.client("romeo").in_room()
    romeo.submit(ChangeNick(room=room("#chan"), nick="tybalt"))
    world.pass_time(20)
    romeo.feed(":x PONG x :y")
    world.pass_time(11)
    assert romeo.event(NickRefused).error.trouble is Trouble.TIMED_OUT


def test_nick_that_was_changed_is_settled_and_kept():
    """No refusal comes later, and a new link begins with the new nick."""
    world = World()
    romeo = world.client("romeo").in_room()
    romeo.submit(ChangeNick(room=room("#chan"), nick="montague"))
    romeo.feed(":romeo!~u@host.example NICK montague")
    world.pass_time(20)
    romeo.feed(":x PONG x :y")
    world.pass_time(20)
    assert romeo.events(NickRefused) == []
    romeo.session.connection_lost(None, "gone")
    romeo.session.connection_made(secure=True)
    assert "NICK montague" in romeo.lines()


def test_modes_of_a_channel_just_created_are_the_servers_words():
    """They are how it is, no change that anybody made, and the user is not in the room yet."""
    romeo = World().client("romeo").enter().connect()
    romeo.events()
    romeo.feed(":romeo!~u@host.example JOIN #chan", f":{SERVER} MODE #chan +nt").lines()
    romeo.feed(f":{SERVER} 353 romeo = #chan :@romeo", f":{SERVER} 366 romeo #chan :End")
    notice, entered = romeo.events()
    assert notice == ServerNotice(server=notice.server, text=f"Mode #chan [+nt] by {SERVER}")
    assert isinstance(entered, Entered)
    assert "MODE #chan" not in romeo.lines()
