"""A stage for sessions: scripted servers' lines in, lines and events out, time by hand."""

from __future__ import annotations

from itertools import count

from bridge.events import Enter, Entered, Message, MessageId, RoomId, ServerId
from transports.irc.profile import Profile
from transports.irc.session import IrcSession
from transports.irc.shared import Shared
from transports.irc.window import Act

SERVER = "irc.example.org"
SUFFIX = f"%{SERVER}"
ISUPPORT = (
    "CHANTYPES=# PREFIX=(qaohv)~&@%+ CHANMODES=b,k,l,imnpst CASEMAPPING=rfc1459 NICKLEN=30 "
    "STATUSMSG=@+ MODES=4 NETWORK=Test"
)


def room(channel: str) -> RoomId:
    """The room of a channel."""
    return RoomId(channel.lower() + SUFFIX)


class World:
    """What the sessions of one gateway share: time, ids, the archive."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.shared = Shared(SUFFIX)
        self.archived: list[Message | Act] = []
        self._ids = count(1)
        self.clients: list[Client] = []

    def archive(self, event: Message | Act) -> None:
        self.archived.append(event)

    def clock(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now

    def message_id(self) -> MessageId:
        return MessageId(f"id{next(self._ids)}")

    def client(self, nick: str = "romeo", **profile) -> Client:
        client = Client(self, Profile(nick=nick, **{"burst": -1, **profile}))
        self.clients.append(client)
        return client

    def pass_time(self, seconds: float) -> None:
        """Let time pass, ticking each session when it is due."""
        end = self.now + seconds
        while True:
            due = [(client.session.next_timer(), client) for client in self.clients]
            due = [(when, client) for when, client in due if when is not None and when <= end]
            if not due:
                break
            when, client = min(due, key=lambda pair: pair[0])
            self.now = max(self.now, when)
            client.session.tick()
            client.collect()
        self.now = end


class Client:
    """One session with the server that the test plays."""

    def __init__(self, world: World, profile: Profile) -> None:
        self.world = world
        self.session = IrcSession(
            profile=profile,
            server=ServerId(SERVER),
            shared=world.shared,
            ids=world.message_id,
            archive=world.archive,
            clock=world.clock,
            wall=world.wall,
            nonce=lambda: "nonce",
        )
        self.tuples: list = []
        self.sent: list[str] = []
        self.answers: list = []

    # ---- what the session says

    def collect(self) -> None:
        self.sent += self.session.data_to_send().decode().splitlines()
        self.tuples += self.session.take_events()
        self.answers += self.session.take_answers()

    def lines(self) -> list[str]:
        """Take the lines sent since the last call."""
        self.collect()
        sent, self.sent = self.sent, []
        return sent

    def events(self, kind: type | None = None) -> list:
        """Take the events since the last call, of one kind if given."""
        self.collect()
        tuples, self.tuples = self.tuples, []
        return [event for each in tuples for event in each if kind is None or isinstance(event, kind)]

    def event(self, kind: type):
        """Take the events since the last call, among which there is one of `kind`."""
        events = self.events()
        (found,) = [event for event in events if isinstance(event, kind)]
        return found

    # ---- what the server says

    def feed(self, *lines: str | bytes) -> Client:
        """Have the server say lines; ``{me}`` is the user's nick."""
        for line in lines:
            raw = line if isinstance(line, bytes) else line.replace("{me}", self.session.nick).encode()
            self.session.receive_data(raw + b"\r\n")
        self.collect()
        return self

    def submit(self, event) -> Client:
        self.session.submit(event)
        self.collect()
        return self

    # ---- scenes

    def connect(self, *, secure: bool = True, caps: str = "") -> Client:
        """Bring the session online; `caps` are the capabilities that the server has."""
        self.session.connection_made(secure=secure)
        if caps:
            self.feed(f":{SERVER} CAP * LS :{caps}")
            for line in self.lines():
                if line.startswith("CAP REQ "):
                    self.feed(f":{SERVER} CAP * ACK :{line.partition(':')[2] or line.split()[2]}")
        return self.welcome()

    def welcome(self) -> Client:
        return self.feed(
            f":{SERVER} 001 {{me}} :Welcome {{me}}!u@h",
            f":{SERVER} 005 {{me}} {ISUPPORT} :are supported by this server",
            f":{SERVER} 422 {{me}} :MOTD File is missing",
        )

    def enter(self, channel: str = "#chan", *, nick: str = "", password: str = "") -> Client:
        return self.submit(Enter(room=room(channel), nick=nick or self.session.nick, password=password))

    def joined(self, channel: str = "#chan", names: str = "", topic: str = "") -> Client:
        """Have the server let the user in."""
        self.feed(f":{{me}}!~u@host.example JOIN {channel}")
        if topic:
            self.feed(
                f":{SERVER} 332 {{me}} {channel} :{topic}",
                f":{SERVER} 333 {{me}} {channel} juliet!j@h 1600000000",
            )
        return self.feed(
            f":{SERVER} 353 {{me}} = {channel} :{names or '{me}'}",
            f":{SERVER} 366 {{me}} {channel} :End of /NAMES list.",
        )

    def in_room(self, channel: str = "#chan", names: str = "", caps: str = "") -> Client:
        """Be online and in a room, with nothing left to read; `names` are of others."""
        self.enter(channel).connect(caps=caps)
        self.joined(channel, names=f"{names} {{me}}".strip())
        assert self.events(Entered)
        self.lines()
        return self
