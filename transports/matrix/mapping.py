"""What of Matrix has which counterpart on XMPP, and how well it gets there: the table of the README."""

from __future__ import annotations

from msgspec import Struct

from bridge.capabilities import Level

README_BEGIN, README_END = "<!-- matrix:begin -->", "<!-- matrix:end -->"

_WELL, _PART, _WORDS, _GONE, _NO = Level


class Row(Struct, frozen=True):
    """One kind of thing; `of` is the field of `Capabilities` that speaks of it, "" if none does.

    `to_matrix` is None of what XMPP has not.
    """

    matrix: str
    xmpp: str
    to_matrix: Level | None
    to_xmpp: Level
    note: str = ""
    of: str = ""


MAPPING = (
    Row("rooms, joins and leaves", "rooms (0045)", _WELL, _WELL, "", "rooms"),
    Row("m.text, m.emote", "body, `/me`", _WELL, _WELL),
    Row("m.notice", "body", None, _PART, "as a text like others"),
    Row(
        "formatted_body (HTML)",
        "XHTML-IM (0071)",
        _WELL,
        _WELL,
        "tables as lines; spoilers are marked and shown",
        "formatting",
    ),
    Row(
        "m.replace",
        "corrections (0308)",
        _WELL,
        _WELL,
        "any message, not only the last",
        "corrections",
    ),
    Row("m.in_reply_to", "replies (0461)", _WELL, _WELL, "", "replies"),
    Row("m.annotation", "reactions (0444)", _WELL, _WELL, "", "reactions"),
    Row("m.room.redaction of one's own", "retractions (0424)", _WELL, _WELL, "", "retractions"),
    Row("m.room.redaction of others'", "moderation (0425)", _WELL, _WELL, "with the reason", "moderation"),
    Row(
        "m.thread",
        "thread (0201)",
        _PART,
        _WELL,
        "begun by a message of the room",
        "threads",
    ),
    Row("a line of m.text", "subject of a chat message", _WORDS, _WORDS, "the first one", "subjects"),
    Row("m.mentions, links to people", "references (0372)", _WELL, _WELL, "", "mentions"),
    Row("m.typing", "chat states (0085)", _WELL, _WELL, "", "typing"),
    Row(
        "m.receipt",
        "markers (0333), receipts (0184)",
        _WELL,
        _WELL,
        "chats and small rooms; 0184: the homeserver has it",
        "receipts",
    ),
    Row(
        "m.image, m.video, m.audio, m.file",
        "links (0066, 0447), uploads (0363)",
        _WELL,
        _WELL,
        "with `[web]`; without it as words",
        "attachments",
    ),
    Row("m.sticker", "a file", None, _WELL, "with `[web]`; without it as words"),
    Row("m.location, polls and votes", "words", None, _WORDS),
    Row(
        "room name, topic, picture",
        "disco, subject, avatar (0486)",
        _PART,
        _WELL,
        "the picture of a room of XMPP where disco tells its hash",
    ),
    Row(
        "power levels",
        "affiliations, roles",
        _WELL,
        _PART,
        "the nearest step",
    ),
    Row("kick, ban, invite", "kick, outcast, invitations (0045, 0249)", _WELL, _WELL, "", "memberships"),
    Row("knock", "registration with a room (0077), form to the moderators", _WELL, _WELL),
    Row("an invitation that is rejected", "decline (0045)", _WELL, _WELL, "with the reason"),
    Row(
        "a chat with who has the power, `!voice`",
        "voice requests, form to the moderators (0045)",
        _WORDS,
        _WELL,
        "Matrix has no such request",
    ),
    Row(
        "join rules, history visibility, directory",
        "room configuration (0045 §10.2)",
        _WELL,
        _WELL,
        "restricted rooms as members-only ones",
        "configuration",
    ),
    Row(
        "m.room.tombstone",
        "the same address",
        None,
        _WELL,
        "or where the room went, if one is not let in",
    ),
    Row(
        "timeline",
        "history, archive (0313)",
        _PART,
        _WELL,
        "the homeserver's own; rooms of XMPP: since they are joined",
        "archive",
    ),
    Row(
        "room directory",
        "disco, search (0055)",
        _WELL,
        _WELL,
        "MUCs and channels by look-up",
        "search",
    ),
    Row(
        "people in rooms",
        "occupants of any MUC",
        _WELL,
        _WELL,
        "each with an address of his own",
        "guests",
    ),
    Row("direct chats", "chat", _WELL, _WELL, "", "direct_messages"),
    Row(
        "profile",
        "vCard (0054, 0292), picture (0084, 0153)",
        _PART,
        _WELL,
        "name and picture",
        "profiles",
    ),
    Row("m.presence", "presence", _PART, _PART, "online, away, offline, words", "presence"),
    Row("m.presence", "contacts in the roster", _WELL, _WELL, "", "subscriptions"),
    Row("m.room.encrypted", "—", _NO, _NO, "refused, with words to both sides"),
    Row("calls", "—", _NO, _GONE, "", "calls"),
)


def mapping_table() -> str:
    """Return the table in Markdown; it stands between `README_BEGIN` and `README_END`."""
    lines = ["| Matrix | XMPP | to Matrix | to XMPP | note |", "|---|---|---|---|---|"]
    for row in MAPPING:
        there = "—" if row.to_matrix is None else row.to_matrix.value
        cells = (row.matrix, row.xmpp, there, row.to_xmpp.value, row.note)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
