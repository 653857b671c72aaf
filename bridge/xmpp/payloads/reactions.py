"""XEP-0444 Message Reactions 0.2.1."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bridge.xmpp.element import Element

NS_REACTIONS = "urn:xmpp:reactions:0"
REACTION_LIMIT = 32
"""How many reactions of one person to one message are read."""
REACTION_LENGTH = 64
"""Code points of the longest reaction that is read."""


class Reactions(Struct, frozen=True):
    """All the reactions that a person now has on message `id`."""

    id: str
    emojis: tuple[str, ...]


def build_reactions(id: str, emojis: Iterable[str]) -> Element:
    """Write all the reactions that the sender now has on message `id`."""
    return Element(
        "reactions",
        NS_REACTIONS,
        {"id": id},
        *(Element("reaction", NS_REACTIONS, None, emoji) for emoji in emojis),
    )


def parse_reactions(message: Element) -> Reactions | None:
    """Return the sender's reactions, each once, in order (XEP-0444 §4.2)."""
    element = message.child("reactions", NS_REACTIONS)
    if element is None or not element.get("id"):
        return None
    emojis = dict.fromkeys(reaction.text().strip() for reaction in element.all("reaction"))
    kept = [emoji for emoji in emojis if 0 < len(emoji) <= REACTION_LENGTH]
    return Reactions(element.attributes["id"], tuple(kept[:REACTION_LIMIT]))
