"""Properties of the whole session: any chunking, any garbage, any order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Affiliation,
    ChangeNick,
    Command,
    ContactId,
    Depart,
    DirectMessage,
    Enter,
    Entered,
    Exited,
    Failed,
    Invite,
    Join,
    Kick,
    Leave,
    Message,
    NickChange,
    NotEntered,
    OccupantChange,
    Reaction,
    Ref,
    Rejoin,
    Retraction,
    RoomConfig,
    RoomNotice,
    Sent,
    SetAffiliation,
    Split,
    Text,
    Topic,
)
from bridge.queries import AffiliationList, ContactQuery, RoomList

from .script import SERVER, World, room

NICKS = st.sampled_from(["romeo", "juliet", "nurse", "@op", "Tybalt", SERVER, "", "x!y@z"])
CHANNELS = st.sampled_from(["#chan", "#CHAN", "#other", "@#chan", "romeo", "*", "#[x]", ""])
WORDS = st.one_of(
    st.sampled_from(
        ["hello", "+o", "-v+m", "romeo", "a.b c.d", "\x01PING 1\x01", "\x01ACTION x\x01", "+b1", "-b1", "netsplit",
         "*", "LS", "ACK", "sasl", "xb1", "433", "o", "[#chan] x", "1700000000", "\x02bold\x03"]
    ),
    st.text(max_size=12),
)  # fmt: skip
COMMANDS = st.one_of(
    st.sampled_from(
        ["PRIVMSG", "NOTICE", "TAGMSG", "JOIN", "PART", "KICK", "QUIT", "NICK", "MODE", "TOPIC", "INVITE", "AWAY",
         "ACCOUNT", "CHGHOST", "SETNAME", "BATCH", "CAP", "AUTHENTICATE", "PING", "PONG", "ERROR", "FAIL", "NOTE",
         "ACK", "REDACT", "001", "005", "324", "332", "333", "353", "366", "367", "368", "376", "396", "470"]
    ),
    st.integers(0, 999).map(lambda number: f"{number:03}"),
)  # fmt: skip
TAGS = st.sampled_from(
    ["", "@msgid=m1 ", "@batch=b1 ", "@label=1 ", "@time=2020-01-01T00:00:00Z ", "@time=x ", "@+typing=active ",
     "@+reply=m1;+draft/react=x ", "@account=acc "]
)  # fmt: skip


@st.composite
def server_lines(draw) -> str:
    """A line that a mad server could say."""
    source = draw(NICKS)
    source = f"{source}!u@h" if source and draw(st.booleans()) else source
    params = draw(st.lists(st.one_of(CHANNELS, NICKS, WORDS), max_size=5))
    line = f"{draw(TAGS)}:{source} {draw(COMMANDS)} {' '.join(params[:-1])} :{params[-1] if params else ''}"
    return line.replace("\r", "").replace("\n", "")


PEOPLE = st.sampled_from(["romeo", "juliet", "nurse", "Peter", "peter", "montague"])
HERE = st.sampled_from(["#chan", "#other"])


@st.composite
def plausible_lines(draw) -> str:
    """A line that a sane server could say, now or at another time."""
    who, other, where = draw(PEOPLE), draw(PEOPLE), draw(HERE)
    source = f":{who}!~u@{draw(st.sampled_from(['h.example', 'g.example']))}"
    return draw(
        st.sampled_from(
            [
                f"{source} JOIN {where}",
                f"{source} PART {where} :bye",
                f"{source} QUIT :gone",
                f"{source} QUIT :a.example b.example",
                f"{source} NICK {other}",
                f"{source} KICK {where} {other} :out",
                f"{source} MODE {where} +o {other}",
                f"{source} MODE {where} -o+m {other}",
                f"{source} PRIVMSG {where} :words",
                f"{source} AWAY :tea",
                f"{source} CHGHOST u c.example",
                f":{SERVER} 353 {who} = {where} :@{who} +{other}",
                f":{SERVER} 366 {who} {where} :End of /NAMES list.",
                f":{SERVER} 473 {who} {where} :Cannot join channel (+i)",
                f":{SERVER} 433 {who} {other} :Nickname is already in use",
            ]
        )
    )


CHAN = room("#chan")
ROOM_EVENTS = (
    Join, Leave, Split, Rejoin, Kick, NickChange, OccupantChange, RoomNotice, RoomConfig, Topic, Message, Reaction,
    Retraction,
)  # fmt: skip
EVENTS = st.sampled_from(
    [
        Enter(room=CHAN, nick="romeo"),
        Enter(room=room("#other"), nick="romeo", password="k"),
        Depart(room=CHAN),
        Depart(room=room("#other"), reason="x"),
        Message(room=CHAN, body=Text(plain="/me hi\nthere"), ref=Ref(1), origin="o"),
        DirectMessage(contact=ContactId("juliet%" + SERVER), body=Text(plain="psst"), ref=Ref(2)),
        Kick(room=CHAN, nick="juliet", ref=Ref(3)),
        SetAffiliation(room=CHAN, target="juliet", affiliation=Affiliation.OUTCAST, ref=Ref(4)),
        Topic(room=CHAN, text="t", ref=Ref(5)),
        Invite(room=CHAN, nick="paris", ref=Ref(6)),
        ChangeNick(room=CHAN, nick="montague"),
        Command(server=SERVER, line="JOIN #raw", ref=Ref(7)),
        ContactQuery(ContactId("juliet%" + SERVER)),
        RoomList(SERVER),
        AffiliationList(CHAN, Affiliation.OUTCAST),
        "tick",
        "lost",
        "made",
        "welcome",
    ]
)


class Watcher:
    """A bridge that believes what one session tells, and checks that it makes sense."""

    def __init__(self, client) -> None:
        self.client = client
        self.rooms: dict[str, set[str]] = {}
        self.asked: set[str] = set()
        self.refs: set[int] = set()

    def watch(self) -> None:
        """Read what the session told since the last time."""
        for event in self.client.events():
            room_ = getattr(event, "room", None)
            if isinstance(event, Entered):
                self.asked.discard(room_)
                self.rooms[room_] = set(event.occupants)
                assert event.me.nick in event.occupants
            elif isinstance(event, NotEntered):
                self.asked.discard(room_)
                assert room_ not in self.rooms
            elif isinstance(event, Exited):
                self.asked.discard(room_)
                self.rooms.pop(room_, None)
            elif isinstance(event, (Sent, Failed)):
                if isinstance(event, Failed) or event.last:
                    self.refs.discard(event.ref)
            elif isinstance(event, ROOM_EVENTS):
                assert room_ in self.rooms, event
                self.change(self.rooms[room_], event)

    def change(self, occupants: set[str], event) -> None:
        """Believe a change."""
        if isinstance(event, Join):
            assert event.occupant.nick not in occupants
            occupants.add(event.occupant.nick)
        elif isinstance(event, (Leave, Kick)):
            occupants.discard(event.nick)
        elif isinstance(event, Split):
            occupants.difference_update(event.gone)
        elif isinstance(event, Rejoin):
            occupants.update(each.nick for each in event.back)
        elif isinstance(event, NickChange):
            occupants.discard(event.old)
            occupants.add(event.occupant.nick)

    def check(self) -> None:
        """Compare with what the session would tell a further resource."""
        for room_, occupants in self.rooms.items():
            snapshot = self.client.session.snapshot(room_)
            if snapshot is not None:
                assert {nick.lower() for nick in occupants} == {nick.lower() for nick in snapshot.occupants}


def act(world: World, watcher: Watcher, step, number: int) -> None:
    """Do one thing to a session."""
    session = watcher.client.session
    if isinstance(step, (ContactQuery, RoomList, AffiliationList)):
        session.ask(step, 1)
    elif not isinstance(step, str):
        if isinstance(step, Enter):
            watcher.asked.add(step.room)
        if getattr(step, "ref", 0):
            step = replace(step, ref=Ref(number + 1))
            watcher.refs.add(step.ref)
        session.submit(step)
    elif step == "tick":
        world.pass_time(31)
    elif step == "lost":
        session.connection_lost(None, "gone")
    elif step == "made":
        session.connection_lost(None, "gone")
        session.connection_made(secure=False)
    elif step == "welcome":
        watcher.client.welcome()
    else:
        watcher.client.feed(step.encode("utf-8", "replace"))
    watcher.watch()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(server_lines(), plausible_lines(), plausible_lines(), EVENTS), max_size=40))
def test_everything_ends_and_makes_sense(steps):
    """Whatever a server says and a user does: nothing raises, all is answered, occupants add up."""
    world = World()
    watchers = [
        Watcher(world.client("romeo").enter().connect(caps="message-tags batch labeled-response")),
        Watcher(world.client("nurse").enter().connect()),
    ]
    watchers[0].client.joined(names="@juliet romeo")
    watchers[1].client.joined(names="romeo @juliet nurse")
    for number, step in enumerate(steps):
        act(world, watchers[number % 2], step, number)
    for watcher in watchers:
        world.pass_time(2)
        watcher.watch()
        watcher.check()
        watcher.client.session.give_up(BridgeError(Trouble.LOST))
        watcher.client.session.connection_lost(None, "end")
        watcher.watch()
        assert not watcher.client.session.rooms
        assert not watcher.rooms
        assert not watcher.asked
        assert not watcher.refs


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(server_lines(), plausible_lines()), max_size=25),
    st.lists(st.integers(1, 60), max_size=30),
)
def test_any_chunking_gives_the_same_events(lines, sizes):
    """Bytes are bytes."""
    stream = b"".join(line.encode("utf-8", "replace") + b"\r\n" for line in lines)
    results = []
    for cuts in ([], sizes):
        world = World()
        client = world.client("romeo").in_room(names="juliet", caps="message-tags")
        rest = stream
        for size in cuts:
            client.session.receive_data(rest[:size])
            rest = rest[size:]
        client.session.receive_data(rest)
        results.append(client.events())
    assert results[0] == results[1]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["nurse", "peter"]), st.sampled_from(["a", "b", "c"])), max_size=30),
    st.lists(st.integers(0, 2), max_size=90),
)
def test_all_sessions_see_the_same_messages_in_any_interleaving(said, order):
    """Same order from the server: same ids for all, each archived once."""
    world = World()
    clients = [world.client(f"user{number}").in_room(names="nurse peter") for number in range(3)]
    lines = [f":{nick}!u@h PRIVMSG #chan :{words}" for nick, words in said]
    at = [0, 0, 0]
    for number in [*order, *([0] * len(lines)), *([1] * len(lines)), *([2] * len(lines))]:
        if at[number] < len(lines):
            clients[number].feed(lines[at[number]])
            at[number] += 1
    seen = [[event.id for event in client.events(Message)] for client in clients]
    assert seen[0] == seen[1] == seen[2]
    assert len(set(seen[0])) == len(lines)
    assert [message.id for message in world.archived] == sorted(set(seen[0]), key=seen[0].index)
