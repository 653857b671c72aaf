"""By which words people of Matrix ask to be let speak in a moderated room of XMPP, and let others."""

from __future__ import annotations

from bridge.events import Message

VOICE = "!voice"
"""Said by who may only listen it asks for voice; a moderator gives it by this word and a nick."""
HOW_TO_ASK = f" To ask the moderators for it, say {VOICE}"
ASKED = "The moderators of the room were asked to let you speak."
GRANTED = "You may speak now."
MAY_SPEAK = "{nick} may speak now."
ASKS = f"{{nick}} asks to be allowed to speak. Moderators allow it by saying {VOICE} {{nick}}"


def wish(said: Message) -> str | None:
    """Return for whom voice is wanted, "" for who says it; None if he says something else."""
    word, _, nick = said.body.plain.strip().partition(" ")
    return nick.strip() if word == VOICE and not said.replaces else None
