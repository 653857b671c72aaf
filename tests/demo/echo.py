"""The person on IRC: greets who comes and says again what is said, so that the channel is alive."""

from __future__ import annotations

from tests.live.cast.irc import IrcPerson, Line

ACTION = "\x01ACTION "


class Echo(IrcPerson):
    """Someone with an IRC client and few ideas of his own."""

    def received(self, line: Line) -> None:
        """Answer at once what others do in the channel or say in private; keep the rest."""
        if line.nick == self.nick or line.command not in ("JOIN", "PRIVMSG"):
            super().received(line)
        elif line.command == "JOIN":
            self.say(line.params[0], f"Welcome, {line.nick}! This is IRC. Say something, and I say it again.")
        else:
            self._repeat(line)

    def _repeat(self, line: Line) -> None:
        target, text = line.params
        back = target if target.startswith("#") else line.nick
        if text.startswith(ACTION):
            self.say(back, f"{ACTION}{text.removeprefix(ACTION)}")
        elif not text.startswith("\x01"):
            self.say(back, f"{line.nick}: {text}")
