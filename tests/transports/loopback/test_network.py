"""The reference adapter keeps the contract of `bridge.network`."""

import pytest

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Depart,
    Enter,
    Entered,
    Exited,
    Failed,
    Join,
    Kick,
    Leave,
    Message,
    MessageId,
    NotEntered,
    Ref,
    RoomId,
    Sent,
    Text,
    UserId,
)
from bridge.network import ContactAddress, RoomAddress, ServerAddress
from transports.loopback.config import LoopbackConfig
from transports.loopback.network import LoopbackNetwork

ROMEO, JULIET = UserId("romeo@montague.example"), UserId("juliet@capulet.example")
ROOM = RoomId("#verona%memory.example")


class Recorder:
    """An uplink that only remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[UserId, object]] = []
        self.archived: list[Message] = []

    def deliver(self, user, events) -> None:
        self.seen += [(user, event) for event in events]

    def message_id(self) -> MessageId:
        return MessageId(f"m{len(self.archived)}")

    def archive(self, message: Message) -> None:
        self.archived.append(message)

    def of(self, user: UserId) -> list[type]:
        return [type(event) for who, event in self.seen if who == user]


@pytest.fixture
def uplink() -> Recorder:
    return Recorder()


@pytest.fixture
def network(uplink: Recorder) -> LoopbackNetwork:
    made = LoopbackNetwork(LoopbackConfig())
    made.start(uplink)  # type: ignore[arg-type]
    return made


def test_enter_is_answered_and_seen(network: LoopbackNetwork, uplink: Recorder) -> None:
    """Who comes in is told of those inside, and they of him."""
    network.submit(ROMEO, Enter(room=ROOM, nick="Romeo"))
    network.submit(JULIET, Enter(room=ROOM, nick="Juliet"))
    assert uplink.of(ROMEO) == [Entered, Join]
    (entered,) = [event for user, event in uplink.seen if user == JULIET]
    assert isinstance(entered, Entered) and set(entered.occupants) == {"Romeo", "Juliet"}


def test_taken_nick_is_not_entered(network: LoopbackNetwork, uplink: Recorder) -> None:
    """A refusal says why."""
    network.submit(ROMEO, Enter(room=ROOM, nick="Romeo"))
    network.submit(JULIET, Enter(room=ROOM, nick="Romeo"))
    refused = uplink.seen[-1][1]
    assert isinstance(refused, NotEntered) and refused.error.trouble is Trouble.NICK_IN_USE


def test_message_is_archived_once_and_answered(network: LoopbackNetwork, uplink: Recorder) -> None:
    """The author gets `Sent`, the others the same message, the archive one copy."""
    network.submit(ROMEO, Enter(room=ROOM, nick="Romeo"))
    network.submit(JULIET, Enter(room=ROOM, nick="Juliet"))
    network.submit(ROMEO, Message(room=ROOM, body=Text(plain="soft"), ref=Ref(1)))
    assert uplink.of(ROMEO)[-1] is Sent and uplink.of(JULIET)[-1] is Message
    assert [one.body.plain for one in uplink.archived] == ["soft"]


def test_every_ref_is_answered(network: LoopbackNetwork, uplink: Recorder) -> None:
    """What cannot be done is said to be."""
    network.submit(ROMEO, Kick(room=ROOM, nick="nobody", ref=Ref(9)))
    failed = uplink.seen[-1][1]
    assert isinstance(failed, Failed) and failed.ref == 9


def test_depart_is_answered_and_seen(network: LoopbackNetwork, uplink: Recorder) -> None:
    """Who goes is out, and the others see it."""
    network.submit(ROMEO, Enter(room=ROOM, nick="Romeo"))
    network.submit(JULIET, Enter(room=ROOM, nick="Juliet"))
    network.submit(JULIET, Depart(room=ROOM))
    assert uplink.of(JULIET)[-1] is Exited and uplink.of(ROMEO)[-1] is Leave
    assert network.snapshot(JULIET, ROOM) is None


def test_disconnect_takes_a_user_out_of_all_rooms(network: LoopbackNetwork, uplink: Recorder) -> None:
    """An administrator's command; somebody who is nowhere is told apart."""
    network.submit(ROMEO, Enter(room=ROOM, nick="Romeo"))
    assert list(network.users()) == [ROMEO]
    assert network.disconnect(ROMEO, "enough") and not network.disconnect(JULIET, "enough")
    assert uplink.of(ROMEO)[-1] is Exited and list(network.users()) == []


def test_stop_puts_everybody_out(network: LoopbackNetwork, uplink: Recorder) -> None:
    """At shutdown nobody stays behind."""
    network.submit(ROMEO, Enter(room=ROOM, nick="Romeo"))
    network.stop("bye")
    assert uplink.of(ROMEO)[-1] is Exited


def test_addresses_are_read(network: LoopbackNetwork) -> None:
    """A room, a person, the server, and what is none of them."""
    assert isinstance(network.address("#verona%memory.example"), RoomAddress)
    assert isinstance(network.address("romeo%memory.example"), ContactAddress)
    assert isinstance(network.address("memory.example"), ServerAddress)
    with pytest.raises(BridgeError):
        network.address("#verona%elsewhere.example")
