"""A small IRC server in memory (RFC 2812, no IRCv3), with faults at the test's command."""

from __future__ import annotations

from twisted.protocols.basic import LineReceiver

NAME = "irc.example.org"


class IrcServer:
    """Channels and whom they hold; `refusals` maps a channel to the numeric that refuses its JOIN."""

    def __init__(self):
        self.channels = {}
        self.refusals = {}
        self.connections = []
        self.deaf = False
        self.greeting = []

    def connect(self):
        """Return the protocol for one more connection."""
        return IrcConnection(self)

    def online(self):
        """Return the nicks that are connected."""
        return [one.nick for one in self.connections]

    def said(self):
        """Return every line that came in, of all connections."""
        return [line for one in self.connections for line in one.lines]

    def of(self, nick):
        """Return the connection of a nick."""
        return next(one for one in self.connections if one.nick == nick)


class IrcConnection(LineReceiver):
    """One user at the server."""

    delimiter = b"\n"

    def __init__(self, server):
        self.server = server
        self.nick = self.user = ""
        self.lines = []

    def connectionMade(self):
        self.server.connections.append(self)
        for line in self.server.greeting:
            self.say(line)

    def connectionLost(self, reason=None):
        if self in self.server.connections:
            self.server.connections.remove(self)
        for members in self.server.channels.values():
            if self in members:
                members.remove(self)

    def say(self, line):
        """Send a line."""
        self.transport.write(line.encode() + b"\r\n")

    def numeric(self, number, rest):
        """Send a numeric reply."""
        self.say(f":{NAME} {number} {self.nick or '*'} {rest}")

    def lineReceived(self, line):
        text = line.decode().rstrip("\r")
        self.lines.append(text)
        command, _, rest = text.partition(" ")
        method = getattr(self, f"on_{command.lower()}", None)
        if method is not None and not self.server.deaf:
            method(rest)

    def on_nick(self, rest):
        self.nick = rest.removeprefix(":")
        self.welcome()

    def on_user(self, rest):
        self.user = rest.split()[0]
        self.welcome()

    def welcome(self):
        if self.nick and self.user:
            self.numeric("001", ":Welcome")
            self.numeric("005", "CHANTYPES=#& PREFIX=(ov)@+ CASEMAPPING=rfc1459 :are supported")
            self.numeric("422", ":No MOTD")

    @property
    def source(self):
        return f":{self.nick}!{self.user}@localhost"

    def on_join(self, rest):
        for channel in rest.split()[0].removeprefix(":").split(","):
            if channel in self.server.refusals:
                self.numeric(self.server.refusals[channel], f"{channel} :Cannot join channel")
                continue
            members = self.server.channels.setdefault(channel, [])
            if self not in members:
                members.append(self)
            for one in members:
                one.say(f"{self.source} JOIN {channel}")
            names = " ".join(("@" if one is members[0] else "") + one.nick for one in members)
            self.numeric("353", f"= {channel} :{names}")
            self.numeric("366", f"{channel} :End of /NAMES list.")

    def on_part(self, rest):
        channel = rest.split()[0]
        for one in self.server.channels.get(channel, []):
            one.say(f"{self.source} PART {channel}")
        self.server.channels.get(channel, []).remove(self)

    def on_privmsg(self, rest):
        target, _, text = rest.partition(" ")
        for one in self.server.channels.get(target, self.server.connections):
            if one is not self and target in (one.nick, *self.server.channels):
                one.say(f"{self.source} PRIVMSG {target} {text}")

    def on_ping(self, rest):
        self.say(f":{NAME} PONG {NAME} {rest}")

    def on_quit(self, rest):
        self.say("ERROR :Closing link")
        self.transport.loseConnection()
