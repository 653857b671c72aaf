"""What is said to one person in a room of XMPP, on a homeserver in memory."""

from __future__ import annotations

import pytest
from msgspec import structs

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    ContactId,
    DirectMessage,
    DirectReaction,
    DirectRetraction,
    Exit,
    Exited,
    Failed,
    Kind,
    Leave,
    Message,
    MessageId,
    Occupant,
    ServerNotice,
    Text,
    Typing,
    TypingState,
    UserId,
)
from tests.transports.matrix.homeserver import ROOM_ID, Scene
from tests.transports.matrix.raw import ALICE, BOB
from tests.transports.matrix.test_portals import GUEST, MUC, ROMEO, heard, inside, sends, spoken
from transports.matrix import whispers as module
from transports.matrix.whispers import AUTOMATIC

CONTACT = ContactId(f"{MUC}/Romeo")
USER = UserId(f"{MUC}/romeo@montague.example")
LETTER = DirectMessage(
    contact=CONTACT, nick="Romeo", room=MUC, body=Text(plain="psst"), id=MessageId("p1"), origin="p1"
)


class Whispering:
    """A portal with Alice and Romeo in it; `wanted` is what is asked of Matrix for occupants."""

    def __init__(self, *others: Occupant) -> None:
        self.scene: Scene = inside(ROMEO, *others)
        self.wanted: list = []
        self.whispers = self.scene.network._whispers
        self.whispers._talk = lambda user, event: self.wanted.append((user, event))

    def says(self, **more) -> None:
        heard(self.scene, structs.replace(LETTER, **more))

    def tell(self, *events) -> list:
        """Have something happen to Romeo as an occupant; return what Alice's guest does."""
        self.scene.acted.clear()
        self.whispers.deliver(USER, events)
        return [event for _, event in self.scene.acted]


def test_words_to_a_guest_are_talk_between_two():
    """By whom the room knows, to the person; what he is writing too, which nobody else is shown."""
    made = Whispering()
    made.says()
    [(user, said)] = made.wanted
    assert (user, said.contact, said.body, said.origin) == (USER, GUEST, LETTER.body, "p1")
    assert (said.room, said.id) == (None, "")
    heard(made.scene, Typing(room=MUC, contact=CONTACT, nick="Romeo", state=TypingState.COMPOSING))
    assert made.wanted[-1] == (USER, Typing(contact=GUEST, state=TypingState.COMPOSING))
    assert not any("typing" in one for one in made.scene.server.asked)


def test_answer_goes_to_the_occupant_alone():
    """Under the id of its event, so that it can be referred to; and so does what she is writing."""
    made = Whispering()
    said = DirectMessage(contact=GUEST, nick="Alice", body=Text(plain="ay"), id=MessageId("$1"))
    writing = Typing(contact=GUEST, state=TypingState.COMPOSING)
    answer, typing = made.tell(said, writing)
    assert (answer.contact, answer.nick, answer.room) == (CONTACT, "Romeo", MUC)
    assert (answer.body.plain, answer.origin, answer.id) == ("ay", "$1", "")
    assert typing == Typing(room=MUC, contact=CONTACT, nick="Romeo", state=TypingState.COMPOSING)


def test_answer_that_does_not_get_there_is_told_where_it_was_said():
    """The occupant left, or the room refuses."""
    made = Whispering()
    said = DirectMessage(contact=GUEST, body=Text(plain="ay"), id=MessageId("$1"))
    [answer] = made.tell(said)
    error = BridgeError(Trouble.NOT_ALLOWED)
    heard(made.scene, Failed(ref=answer.ref, error=error))
    user, told = made.wanted.pop()
    assert (user, told.contact, told.id, told.error) == (USER, GUEST, "$1", error)
    heard(made.scene, Leave(room=MUC, nick="Romeo"))
    assert made.tell(said) == []
    assert made.wanted[-1][1].error.trouble is Trouble.NO_SUCH_NICK


def test_words_that_do_not_get_to_matrix_are_answered_once():
    """Words that are an answer themselves are not answered."""
    made = Whispering()
    made.says()
    failed = Failed(ref=made.wanted[-1][1].ref, error=BridgeError(Trouble.LOST))
    [sorry] = made.tell(failed)
    assert sorry.contact == CONTACT and sorry.body.plain.startswith(AUTOMATIC)
    assert sorry.body.plain.endswith("“psst”")
    assert made.tell(failed) == []
    made.says(body=sorry.body)
    assert made.tell(Failed(ref=made.wanted[-1][1].ref, error=BridgeError(Trouble.LOST))) == []


def test_too_many_who_write_are_told_so(monkeypatch):
    """They could open rooms without end; those who write already go on."""
    monkeypatch.setattr(module, "WRITERS", 1)
    made = Whispering(Occupant(nick="Nurse", identity="id-of-nurse"))
    made.says()
    made.scene.acted.clear()
    made.says(contact=ContactId(f"{MUC}/Nurse"), nick="Nurse")
    [(_, sorry)] = made.scene.acted
    assert sorry.nick == "Nurse" and len(made.wanted) == 1
    made.says()
    assert len(made.wanted) == 2


def test_only_who_is_in_talks_with_occupants():
    """With people, whoever the rules let."""
    made = Whispering()
    reaches = made.whispers.reaches
    assert reaches(ALICE, USER) and not reaches(BOB, USER) and not reaches("", USER)
    assert not reaches(ALICE, UserId(f"{MUC}/tybalt@capulet.example"))
    assert reaches(BOB, UserId("romeo@montague.example"))
    assert made.whispers.name(USER) == "Romeo"
    assert made.whispers.name(UserId("romeo@montague.example")) == "romeo"


def test_notice_for_an_occupant_is_said_by_a_guest():
    """There is nobody else who could."""
    [said] = Whispering().tell(ServerNotice(server="", text="She left."))
    assert (said.contact, said.body.plain) == (CONTACT, "(automatic) She left.")


def test_words_to_all_that_the_homeserver_refuses_are_answered():
    """Nothing is lost silently; the next are tried again."""
    made = Whispering()
    made.scene.server.refused["send"] = BridgeError(Trouble.CANNOT_SPEAK)
    made.scene.acted.clear()
    heard(made.scene, spoken("O Romeo " * 20, "s1"))
    [(guest, sorry)] = made.scene.acted
    assert (guest, sorry.contact) == (GUEST, CONTACT)
    assert sorry.body.plain.startswith(AUTOMATIC) and "“O Romeo" in sorry.body.plain
    made.scene.server.refused.clear()
    heard(made.scene, spoken("again", "s2"))
    assert sends(made.scene)[-1][1] == "again"


def test_words_of_a_ghost_that_may_not_come_in_are_answered():
    """The homeserver keeps it out."""
    scene = inside()
    scene.server.refused["put"] = BridgeError(Trouble.NOT_ALLOWED)
    heard(scene, Leave(room=MUC, nick="nobody"), spoken("hello", "s1", "Romeo"))
    [(_, sorry)] = scene.acted
    assert sorry.nick == "Romeo"


@pytest.mark.parametrize(
    "done",
    [
        DirectReaction(contact=CONTACT, nick="Romeo", room=MUC, id=MessageId("$1"), emojis=("x",)),
        DirectRetraction(contact=CONTACT, nick="Romeo", room=MUC, id=MessageId("p1")),
    ],
)
def test_what_is_done_to_words_goes_both_ways(done):
    """It names them as the other side does; what does not get there is answered."""
    made = Whispering()
    heard(made.scene, done)
    [(user, said)] = made.wanted
    assert (user, said.ref > 0) == (USER, True)
    assert structs.replace(said, ref=0) == structs.replace(done, contact=GUEST, nick="Alice", room=None)
    [sorry] = made.tell(Failed(ref=said.ref, error=BridgeError(Trouble.LOST)))
    assert sorry.contact == CONTACT and sorry.body.plain.startswith(AUTOMATIC)
    [answer] = made.tell(structs.replace(done, contact=GUEST, nick="", room=None))
    assert structs.replace(answer, ref=0) == done
    heard(made.scene, Failed(ref=answer.ref, error=BridgeError(Trouble.LOST)))
    user, told = made.wanted.pop()
    assert (user, told.contact, told.id) == (USER, GUEST, done.id)


def test_room_is_told_what_a_gap_in_matrix_means_for_it():
    """Everybody there hears it; where nobody is who could say it, nobody does."""
    made = Whispering()
    made.scene.acted.clear()
    made.scene.network._announce(ROOM_ID, "Something may be missing.")
    [(guest, said)] = made.scene.acted
    assert (guest, said.room, said.kind) == (GUEST, MUC, Kind.NOTICE)
    assert said.body.plain == "(automatic) Something may be missing."
    heard(made.scene, Exited(room=MUC, nick="Alice", exit=Exit.KICKED))
    made.scene.acted.clear()
    made.scene.network._announce(ROOM_ID, "Something may be missing.")
    made.scene.network._announce("!other:hs.example", "Something may be missing.")
    assert [event for _, event in made.scene.acted if isinstance(event, Message)] == []
