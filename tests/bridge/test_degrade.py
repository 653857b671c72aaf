"""Fallbacks."""

from bridge import degrade
from bridge.capabilities import Capabilities, Level
from bridge.events import (
    Attachment,
    ContactId,
    DirectMessage,
    Message,
    MessageId,
    Reaction,
    Reply,
    RoomId,
    Span,
    Style,
    Text,
)

ROOM = RoomId("#verona%memory.example")
PLAIN = Capabilities()
RICH = Capabilities(replies=Level.NATIVE, corrections=Level.NATIVE, reactions=Level.NATIVE)


def said(plain: str, **values: object) -> Message:
    return Message(room=ROOM, body=Text(plain=plain), **values)  # type: ignore[arg-type]


def test_reply_names_whom_it_answers() -> None:
    """Where a network knows no replies, the answered one is named as people do there."""
    event = degrade.message(said("indeed", reply=Reply(id=MessageId("1"), nick="Juliet")), PLAIN)
    assert event.body.plain == "Juliet: indeed"
    assert event.reply is None


def test_reply_that_begins_with_the_name_is_left_alone() -> None:
    """Nobody is named twice."""
    event = degrade.message(said("Juliet: indeed", reply=Reply(id=MessageId("1"), nick="Juliet")), PLAIN)
    assert event.body.plain == "Juliet: indeed"


def test_reply_is_kept_where_it_is_carried() -> None:
    """A network that knows replies gets one."""
    event = said("indeed", reply=Reply(id=MessageId("1"), nick="Juliet"))
    assert degrade.message(event, RICH) == event


def test_correction_says_that_it_is_one_and_keeps_its_formatting_in_place() -> None:
    """The spans move with the words."""
    body = Text(plain="love", spans=(Span(start=0, end=4, style=Style.BOLD),))
    event = degrade.message(Message(room=ROOM, body=body, replaces="m1"), PLAIN)
    span = event.body.spans[0]
    assert event.body.plain[span.start : span.end] == "love"
    assert event.body.plain == "(edited) love"
    assert event.replaces == ""


def test_subject_is_the_first_line_where_it_is_not_carried() -> None:
    """Or all there is; the formatting stays with its words."""
    body = Text(plain="love", spans=(Span(start=0, end=4, style=Style.BOLD),))
    letter = DirectMessage(contact=ContactId("juliet"), body=body, subject="Us")
    event = degrade.message(letter, PLAIN)
    assert (event.body.plain, event.subject, event.body.spans[0].start) == ("Us\nlove", "", 3)
    alone = DirectMessage(contact=ContactId("juliet"), body=Text(plain=""), subject="Us")
    assert degrade.message(alone, PLAIN).body.plain == "Us"
    assert degrade.message(letter, Capabilities(subjects=Level.PARTIAL)) == letter


def test_reaction_becomes_an_action_and_its_withdrawal_nothing() -> None:
    """What was said cannot be unsaid in a network of plain lines."""
    (event,) = degrade.reaction(Reaction(room=ROOM, id=MessageId("1"), emojis=("+1",)), PLAIN)
    assert isinstance(event, Message) and event.body.plain == "/me reacted with +1"
    assert degrade.reaction(Reaction(room=ROOM, id=MessageId("1"), emojis=()), PLAIN) == []


def test_reaction_is_kept_where_it_is_carried() -> None:
    """A network that knows reactions gets them, withdrawals included."""
    event = Reaction(room=ROOM, id=MessageId("1"), emojis=())
    assert degrade.reaction(event, RICH) == [event]


def test_file_is_named_by_its_address_where_files_are_not_carried() -> None:
    """After the words, unless they name it already."""
    files = (Attachment(url="https://f/a"), Attachment(url="https://f/b"))
    event = degrade.message(said("see https://f/a", attachments=files), PLAIN)
    assert (event.body.plain, event.attachments) == ("see https://f/a\nhttps://f/b", ())
    assert degrade.message(said("", attachments=files[:1]), PLAIN).body.plain == "https://f/a"
    carried = said("", attachments=files)
    assert degrade.message(carried, Capabilities(attachments=Level.NATIVE)) == carried
