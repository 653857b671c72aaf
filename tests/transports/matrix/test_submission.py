"""What users do in their rooms while their files are on the way; the rest is tested in test_network."""

from __future__ import annotations

import msgspec
from msgspec import structs
from twisted.internet.defer import Deferred, fail, succeed

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Attachment,
    ChangeNick,
    Depart,
    Failed,
    Message,
    NickRefused,
    Ref,
    Sent,
    Text,
    UserId,
)
from tests.transports.matrix.homeserver import GARDEN, ROMEO, Scene, ghost
from transports.matrix.outbox import Wish
from transports.matrix.submission import RESUMED

ROSE = Attachment(url="https://f/rose.png", name="rose.png", type="image/png")
THERE = Attachment(url="mxc://hs.example/id", name="rose.png", type="image/png")


class Bringing(Scene):
    """A scene where files are brought as the test says: `brought` fires for each in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.brought: list[Deferred] = []
        self.network.media.bring = self.bring  # type: ignore[method-assign]
        self.inside()

    def bring(self, ghost: str, attachment: Attachment, uplink) -> Deferred:
        self.brought.append(Deferred())
        return self.brought[-1]

    def say(self, plain: str, ref: int, *files: Attachment) -> None:
        self.network.submit(
            ROMEO, Message(room=GARDEN, body=Text(plain=plain), ref=Ref(ref), attachments=files)
        )
        self.turn()

    def arrive(self, *answers) -> None:
        for waiting, answer in zip(self.brought, answers, strict=True):
            (succeed(answer) if not isinstance(answer, Exception) else fail(answer)).chainDeferred(waiting)
            self.turn()

    @property
    def sent(self) -> list[str]:
        return [asked[3]["body"] for asked in self.server.asked if asked[0] == "send"]

    @property
    def answers(self) -> list[tuple[int, str, int]]:
        """Tickets, bodies and numbers of files that the user was answered."""
        return [
            (one.ref, one.message.body.plain, len(one.message.attachments))
            for one in self.told[ROMEO]
            if isinstance(one, Sent)
        ]


def test_words_after_a_file_wait_for_it():
    """The order in which he said it is kept."""
    scene = Bringing()
    scene.say("", 1, ROSE)
    scene.say("see?", 2)
    assert scene.sent == []
    scene.arrive(THERE)
    assert scene.sent == ["rose.png", "see?"]
    assert scene.answers == [(1, "", 1), (2, "see?", 0)]
    scene.say("now", 3)
    assert scene.sent[-1] == "now"


def test_author_is_shown_the_file_by_his_own_address():
    """He knows it by that; the words beside it are his."""
    scene = Bringing()
    scene.say("a rose", 1, ROSE)
    scene.arrive(THERE)
    [sent] = [one for one in scene.told[ROMEO] if isinstance(one, Sent)]
    assert (sent.message.attachments, sent.message.body.plain) == ((ROSE,), "a rose")


def test_files_and_words_are_answered_one_by_one():
    """Each part that became a message is told, the last as such."""
    scene = Bringing()
    scene.say("roses", 1, ROSE, ROSE)
    scene.brought[0].callback(THERE)
    scene.turn()
    scene.brought[1].callback(Attachment(url="mxc://hs.example/other", name="b.png", type="image/png"))
    scene.turn()
    assert scene.sent == ["roses", "rose.png", "b.png"]
    assert scene.answers == [(1, "roses", 0), (1, "", 1), (1, "", 1)]
    assert [one.last for one in scene.told[ROMEO] if isinstance(one, Sent)] == [False, False, True]


def test_file_that_cannot_be_brought_is_sent_as_its_address():
    """After the words, so that nothing is lost."""
    scene = Bringing()
    scene.say("a rose", 1, ROSE)
    scene.arrive(None)
    assert scene.sent == ["a rose\nhttps://f/rose.png"]
    assert scene.answers == [(1, "a rose\nhttps://f/rose.png", 0)]


def test_what_fails_meanwhile_is_reported_and_the_rest_goes_on():
    """A fault of ours, a nick that is taken: each is answered, and the next is done."""
    scene = Bringing()
    scene.say("", 1, ROSE)
    scene.network.submit(ROMEO, ChangeNick(room=GARDEN, nick="Alice"))
    scene.say("still here", 2)
    scene.arrive(BridgeError(Trouble.BUSY))
    failed, refused, *_ = scene.told[ROMEO]
    assert isinstance(failed, Failed) and (failed.ref, failed.error.trouble) == (1, Trouble.BUSY)
    assert isinstance(refused, NickRefused) and refused.error.trouble is Trouble.NICK_IN_USE
    assert scene.sent == ["still here"]


def test_who_left_meanwhile_is_told_that_it_was_not_said():
    """The ghost is in the room no more."""
    scene = Bringing()
    scene.say("", 1, ROSE)
    scene.network.submit(ROMEO, Depart(room=GARDEN))
    scene.turn()
    scene.arrive(THERE)
    [failed] = [one for one in scene.told[ROMEO] if isinstance(one, Failed)]
    assert (failed.ref, failed.error.trouble, scene.sent) == (1, Trouble.NOT_IN_ROOM, [])


# ---- after a crash


def left(scene: Bringing, **changes) -> tuple[UserId, Ref, bytes]:
    """Say something that is kept, as a crash leaves it."""
    scene.say("hello", 7)
    wish = msgspec.json.decode(scene.repeatables[Ref(7)], type=Wish)
    scene.server.asked.clear()
    scene.told[ROMEO].clear()
    return ROMEO, Ref(7), msgspec.json.encode(structs.replace(wish, **changes))


def test_what_was_asked_before_a_crash_is_asked_again():
    """The same, for the homeserver to tell that it is; the user is answered though he is in no room."""
    scene = Bringing()
    scene.left = [left(scene)]
    scene.start()
    scene.turn()
    [(_, user, kind, content)] = [asked for asked in scene.server.asked if asked[0] == "send"]
    assert (user, kind, content["body"]) == (ghost(ROMEO), "m.room.message", "hello")
    assert scene.told[ROMEO] == []
    scene.turn(RESUMED)
    assert scene.told[ROMEO] == [Sent(ref=Ref(7))]


def test_what_was_said_before_a_crash_is_shown_to_its_author_when_he_is_back():
    """He sees what the room sees, in its place; and is answered once."""
    scene = Bringing()
    scene.left = [left(scene)]
    scene.start()
    scene.enter()
    scene.turn(RESUMED)
    [sent] = [one for one in scene.told[ROMEO] if isinstance(one, Sent)]
    assert (sent.ref, sent.message.body.plain, sent.message.nick) == (7, "hello", "romeo")
    assert (sent.message.id, sent.message.room) == ("$sent3", GARDEN)


def test_what_was_said_before_a_crash_comes_before_what_is_said_now():
    """Also while the room is searched for it."""
    scene = Bringing()
    scene.left = [left(scene)]
    searched = scene.server.held["messages"] = Deferred()
    scene.start()
    scene.inside()
    scene.say("now", 8)
    assert scene.sent == []
    del scene.server.held["messages"]
    searched.callback(None)
    scene.turn()
    assert scene.sent == ["hello", "now"]


def test_what_cannot_be_gone_on_with_is_answered():
    """Be it refused, too old, or not to be read."""
    scene = Bringing()
    kept = left(scene)
    scene.server.refused["send"] = BridgeError(Trouble.CANNOT_SPEAK)
    scene.left = [kept, (ROMEO, Ref(8), b"nonsense"), left(scene, time=-10_000.0)]
    scene.start()
    scene.turn()
    answers = [(one.ref, one.error.trouble) for one in scene.told[ROMEO] if isinstance(one, Failed)]
    assert answers == [(8, Trouble.LOST), (7, Trouble.CANNOT_SPEAK), (7, Trouble.LOST)]


def test_what_is_on_disk_as_not_asked_for_is_asked_for_when_it_is_not():
    """A crash in between would be told of wrongly; what he says meanwhile comes after it."""
    scene = Bringing()
    scene.keeping[Ref(1)] = Deferred()
    scene.say("first", 1)
    scene.say("second", 2)
    assert scene.sent == []
    scene.keeping[Ref(1)].callback(None)
    scene.turn()
    assert scene.sent == ["first", "second"]
