"""Talk between two where people of the network are contacts: what goes with messages, and presence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bridge.capabilities import Capabilities, Level
from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Attachment,
    ContactId,
    DirectMessage,
    DirectReaction,
    DirectRetraction,
    Failed,
    Mention,
    Presence,
    Receipt,
    Reply,
    RoomId,
    Sent,
    Show,
    Text,
    Typing,
    TypingState,
    Undelivered,
    UserId,
)
from bridge.store import Subscription
from tests.scenarios.stage import GATEWAY, ROMEO, ROMEO_TOO, ROOM, SERVER, Seen, Stage
from transports.loopback.config import LoopbackConfig
from transports.loopback.network import LoopbackNetwork

USER = UserId("romeo@montague.example")
NURSE = ContactId(f"nurse%{SERVER}")
ADDRESS = f"{NURSE}@{GATEWAY}"
ALL = Capabilities(
    replies=Level.NATIVE,
    corrections=Level.NATIVE,
    retractions=Level.NATIVE,
    reactions=Level.NATIVE,
    receipts=Level.NATIVE,
    subscriptions=Level.NATIVE,
    attachments=Level.NATIVE,
    threads=Level.NATIVE,
    subjects=Level.NATIVE,
    mentions=Level.NATIVE,
)
ROSE = Attachment(url="https://f/rose.png")


class Contacts(LoopbackNetwork):
    """A network whose people are contacts; what is said to them is kept in `wanted`."""

    levels = ALL

    def __init__(self) -> None:
        super().__init__(LoopbackConfig(server=SERVER))
        self.wanted: list[Any] = []
        self.outcome: Callable[[Any], Any] | None = None
        self._on[DirectMessage] = self._take

    def _take(self, user: UserId, event: DirectMessage) -> None:
        if self.outcome is not None:
            self._tell(user, self.outcome(event.ref))

    def capabilities(self, user: UserId, room: RoomId | None) -> Capabilities:
        return self.levels

    def submit(self, user: UserId, event: Any) -> None:
        self.wanted.append(event)
        super().submit(user, event)


class Strangers(Contacts):
    """One that carries no more than words."""

    levels = Capabilities()


@pytest.fixture
def stage(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A gateway to a network of contacts."""
    network = getattr(request, "param", Contacts)()
    made = Stage(f"sqlite:///{tmp_path}/store.sqlite", network).open()
    yield made
    made.close()


def write(stage: Stage, inside: str, ident: str = "m1", to: str = ADDRESS, sender: str = ROMEO) -> Any:
    """Let Romeo send a chat message; return what the network is asked for last."""
    stage.say(f"<message from='{sender}' to='{to}' type='chat' id='{ident}'>{inside}</message>")
    return stage.network.wanted[-1]


def hear(stage: Stage, *events: Any) -> list[Seen]:
    """Let the network tell something."""
    stage.muc.deliver(USER, events)
    return stage.take()


def message(**more: Any) -> DirectMessage:
    return DirectMessage(contact=NURSE, nick="nurse", body=Text(plain="ay"), id="$1", **more)


def test_message_carries_what_it_refers_to(stage: Stage) -> None:
    """XEP-0308, XEP-0461 without the quotation, XEP-0393."""
    wish = write(
        stage,
        "<body>&gt; lady\n*ay*</body><reply xmlns='urn:xmpp:reply:0' id='$9'/>"
        "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='7'/></fallback>"
        "<replace xmlns='urn:xmpp:message-correct:0' id='m0'/>",
    )
    assert (wish.body.plain, wish.origin, wish.reply, wish.replaces) == ("*ay*", "m1", Reply(id="$9"), "m0")
    assert wish.body.spans


OOB = "<x xmlns='jabber:x:oob'><url>https://f/rose.png</url></x>"


def test_file_thread_and_mention_go_with_a_message(stage: Stage) -> None:
    """XEP-0066, XEP-0201, XEP-0372; that everybody is called means nothing between two."""
    wish = write(
        stage,
        f"<body>xmpp:{ADDRESS} @room\nhttps://f/rose.png</body><thread>t1</thread>{OOB}",
    )
    assert (wish.body.plain, wish.thread, wish.attachments) == (f"xmpp:{ADDRESS} @room", "t1", (ROSE,))
    assert wish.mentions == (Mention(start=0, end=5 + len(ADDRESS), contact=NURSE),)


def test_file_without_words_is_a_message_whatever_goes_with_it(stage: Stage) -> None:
    """Clients add chat states to what they share."""
    wish = write(stage, f"{OOB}<active xmlns='http://jabber.org/protocol/chatstates'/>")
    assert (type(wish), wish.body.plain, wish.attachments) == (DirectMessage, "", (ROSE,))


def test_file_thread_and_mention_of_a_contact_are_shown(stage: Stage) -> None:
    """The file alone is its address, for clients that show it in place."""
    mentions = (Mention(start=0, end=2, contact=NURSE),)
    [seen] = hear(stage, message(thread="t1", mentions=mentions, attachments=(ROSE,)))
    assert seen.get("string(c:body)") == "ay\nhttps://f/rose.png"
    assert seen.has("c:thread[.='t1']") and seen.has("*[local-name()='file-sharing']")
    assert seen.get("string(*[local-name()='reference']/@uri)") == f"xmpp:{ADDRESS.replace('%', '%25')}"
    [seen] = hear(stage, structs.replace(message(attachments=(ROSE,)), body=Text(plain="")))
    assert seen.get("string(c:body)") == seen.get("string(*[local-name()='x']/*)") == "https://f/rose.png"


def test_subject_goes_with_a_message_or_is_one(stage: Stage) -> None:
    """RFC 6121 §5.2.4, both ways."""
    wish = write(stage, "<subject>Us</subject><body>ay</body>")
    assert (wish.subject, wish.body.plain) == ("Us", "ay")
    wish = write(stage, "<subject>Us</subject>")
    assert (type(wish), wish.subject, wish.body.plain) == (DirectMessage, "Us", "")
    [seen] = hear(stage, message(subject="Us & them"))
    assert (seen.get("string(c:subject)"), seen.get("string(c:body)")) == ("Us & them", "ay")


@pytest.mark.parametrize("stage", [Strangers], indirect=True)
def test_subject_is_a_line_where_it_is_not_carried(stage: Stage) -> None:
    """It used to be lost."""
    assert write(stage, "<subject>Us</subject><body>ay</body>").body.plain == "Us\nay"


@pytest.mark.parametrize("stage", [Strangers], indirect=True)
def test_file_is_its_address_where_files_are_not_carried(stage: Stage) -> None:
    """It is named if no word does."""
    assert write(stage, f"<body>look</body>{OOB}").body.plain == "look\nhttps://f/rose.png"
    wish = write(stage, f"<body>https://f/rose.png</body><thread>t1</thread>{OOB}")
    assert (wish.body.plain, wish.thread, wish.attachments) == ("https://f/rose.png", "", ())


def test_reaction_and_retraction_count_whatever_their_body_says(stage: Stage) -> None:
    """XEP-0444, XEP-0424 §3: the body is for clients that do not know them."""
    reactions = "<reactions xmlns='urn:xmpp:reactions:0' id='$1'><reaction>+</reaction></reactions>"
    wish = write(stage, f"{reactions}<body>+</body>")
    assert (type(wish), wish.id, wish.emojis) == (DirectReaction, "$1", ("+",))
    wish = write(stage, "<retract xmlns='urn:xmpp:message-retract:1' id='m1'/><body>gone</body>")
    assert (type(wish), wish.id) == (DirectRetraction, "m1")


@pytest.mark.parametrize("stage", [Strangers], indirect=True)
def test_network_that_carries_words_only_gets_words(stage: Stage) -> None:
    """As it always did; answers come to whom wrote, and need no receipt."""
    wish = write(
        stage,
        "<body>*gone*</body><retract xmlns='urn:xmpp:message-retract:1' id='m1'/>"
        "<request xmlns='urn:xmpp:receipts'/>",
    )
    assert (type(wish), wish.body, wish.reply, wish.replaces) == (
        DirectMessage,
        Text(plain="*gone*"),
        None,
        "",
    )
    assert hear(stage, Sent(ref=wish.ref)) == []
    (answer,) = hear(stage, message())
    assert answer.element.get("to") == ROMEO
    assert answer.has("carbons:private") and not answer.has("*[local-name()='markable']")
    (typing,) = hear(stage, Typing(contact=NURSE, state=TypingState.COMPOSING))
    assert typing.element.get("to") == ROMEO


def test_message_comes_to_the_account_whose_server_knows_best(stage: Stage) -> None:
    """RFC 6121 §8.5.2: carbons, archive and offline storage are its affair."""
    write(stage, "<body>hello</body>")
    stage.take()
    (heard,) = hear(stage, message(reply=Reply(id="m1"), replaces="$0", thread="t1"))
    assert (heard.element.get("to"), heard.element.get("id")) == (USER, "$1")
    assert heard.element.get("from") == ADDRESS
    assert not heard.has("carbons:private")
    assert heard.get("reply:reply/@id") == "m1"
    assert heard.get("*[local-name()='replace']/@id") == "$0"
    assert heard.get("string(c:thread)") == "t1"
    assert heard.has("*[local-name()='markable']")


def test_receipt_is_given_when_the_network_has_the_message(stage: Stage) -> None:
    """XEP-0184 §5.4: to the client that wants it; and none for what failed."""
    request = "<request xmlns='urn:xmpp:receipts'/>"
    stage.network.outcome = lambda ref: Failed(ref=ref, error=BridgeError(Trouble.NOT_FOUND))
    write(stage, f"<body>hello</body>{request}")
    (refused,) = stage.take()
    assert refused.element.get("type") == "error"
    stage.network.outcome = lambda ref: Sent(ref=ref)
    write(stage, f"<body>again</body>{request}", "m2")
    (received,) = stage.take()
    assert (received.element.get("to"), received.get("*[local-name()='received']/@id")) == (ROMEO, "m2")


def test_what_others_do_with_messages_is_shown(stage: Stage) -> None:
    """Reactions, retractions, markers and chat states, from the contact."""
    shown = hear(
        stage,
        DirectReaction(contact=NURSE, id="m1", emojis=("+",)),
        DirectRetraction(contact=NURSE, id="$1"),
        Receipt(contact=NURSE, id="m1"),
        Typing(contact=NURSE, state=TypingState.COMPOSING),
    )
    names = ["reactions", "retract", "displayed", "composing"]
    assert [one.has(f"*[local-name()='{name}']") for one, name in zip(shown, names, strict=True)] == [
        True
    ] * 4
    assert {(one.element.get("from"), one.element.get("to")) for one in shown} == {(ADDRESS, USER)}


def test_marker_and_chat_state_go_to_the_network(stage: Stage) -> None:
    """XEP-0333 §4, XEP-0085."""
    displayed = "<displayed xmlns='urn:xmpp:chat-markers:0' id='$1'/>"
    assert write(stage, displayed) == Receipt(contact=NURSE, id="$1")
    composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
    assert write(stage, composing) == Typing(contact=NURSE, state=TypingState.COMPOSING)


def test_message_that_comes_back_is_told_to_the_contact(stage: Stage) -> None:
    """With the reason; what has no id was no message."""
    condition = "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
    error = f"<error type='cancel'>{condition}</error>"
    stage.say(f"<message from='{USER}' to='{ADDRESS}' type='error' id='$1'><body>ay</body>{error}</message>")
    (event,) = stage.network.wanted
    assert isinstance(event, Undelivered)
    assert (event.contact, event.id, event.error.trouble.value.condition) == (NURSE, "$1", "item-not-found")
    stage.say(f"<message from='{USER}' to='{ADDRESS}' type='error'>{error}</message>")
    assert len(stage.network.wanted) == 1


def test_markers_in_rooms_go_both_ways(stage: Stage) -> None:
    """XEP-0333 in a room: by occupants."""
    stage.join(ROMEO, "Romeo")
    stage.take()
    room = RoomId(f"#verona%{SERVER}")
    displayed = "<displayed xmlns='urn:xmpp:chat-markers:0' id='$1'/>"
    stage.say(f"<message from='{ROMEO}' to='{ROOM}' type='groupchat'>{displayed}</message>")
    assert stage.network.wanted[-1] == Receipt(room=room, id="$1")
    (shown,) = hear(stage, Receipt(room=room, nick="Nurse", id="$2"))
    assert (shown.element.get("from"), shown.element.get("type")) == (f"{ROOM}/Nurse", "groupchat")
    assert shown.get("*[local-name()='displayed']/@id") == "$2"


def presences(stage: Stage) -> list[Presence]:
    """Take what the network was told of Romeo's presence."""
    found = [one for one in stage.network.wanted if isinstance(one, Presence)]
    stage.network.wanted.clear()
    return found


def test_comings_and_goings_are_told_by_the_best_of_all_clients(stage: Stage) -> None:
    """RFC 6121 §4.4 and §4.5: to contacts and rooms; gone is who is gone everywhere."""
    gone = Presence(show=Show.AVAILABLE, available=False)
    stage.say(f"<presence from='{ROMEO}' to='{ADDRESS}'/>")
    assert presences(stage) == []
    known = Subscription(domain=GATEWAY, local=NURSE, contact=USER, inbound=True, outbound=True)
    stage.store.put_subscription(known)
    stage.say(f"<presence from='{ROMEO}' to='{ADDRESS}'><show>away</show></presence>")
    assert presences(stage) == [Presence(show=Show.AWAY)]
    stage.join(ROMEO_TOO, "Romeo")
    assert presences(stage) == [Presence(show=Show.AVAILABLE)]
    stage.say(f"<presence from='{ROMEO_TOO}' to='{ROOM}/Romeo' type='unavailable'/>")
    assert presences(stage) == [Presence(show=Show.AWAY)]
    stage.say(f"<presence from='{ROMEO}' to='{ADDRESS}' type='unavailable'/>")
    stage.say(f"<presence from='{ROMEO}' to='{ADDRESS}' type='unavailable'/>")
    assert presences(stage) == [gone]


def test_who_did_not_get_into_a_room_is_not_there(stage: Stage) -> None:
    """The nick belongs to somebody else."""
    stage.join("juliet@capulet.example/balcony", "Romeo")
    presences(stage)
    stage.join(ROMEO, "Romeo")
    assert presences(stage) == []
