"""What the network promises to its users, whatever happens and in whatever order (stateful property)."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bridge.errors import BridgeError, Trouble
from bridge.events import (
    Depart,
    Enter,
    Entered,
    Exited,
    Failed,
    Invite,
    Message,
    NotEntered,
    Ref,
    Sent,
    Text,
    UserId,
)
from tests.transports.matrix.homeserver import GARDEN, JULIET, ROMEO, ROOM_ID, Scene, ghost
from tests.transports.matrix.raw import ALICE, BOB, levels, member, said, state

USERS = st.sampled_from([ROMEO, JULIET])
PEOPLE = st.sampled_from([ALICE, BOB, ghost(ROMEO), ghost(JULIET)])
TROUBLES = st.sampled_from([Trouble.BANNED, Trouble.UNREACHABLE, Trouble.TIMED_OUT])
WAYS = st.sampled_from(["join", "send", "state", "leave"])


class Conduct(RuleBasedStateMachine):
    """Two users, one room, and a homeserver that fails now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene()
        self.refs = 0
        self.asked: Counter[UserId] = Counter()
        self.open: dict[UserId, set[Ref]] = {ROMEO: set(), JULIET: set()}
        self.inside: dict[UserId, bool] = {ROMEO: False, JULIET: False}

    def hear(self) -> None:
        """Take in what the users were told, and hold the network to it."""
        for user, told in self.scene.told.items():
            for event in told:
                match event:
                    case Entered():
                        self.asked[user] = max(self.asked[user] - (not self.inside[user]), 0)
                        self.inside[user] = True
                    case NotEntered():
                        assert self.asked[user] > 0, "nobody wanted to enter"
                        self.asked[user] -= 1
                    case Exited():
                        self.inside[user], self.asked[user] = False, 0
                    case Failed(ref=ref) | Sent(ref=ref):
                        assert ref in self.open[user], f"{ref} is answered twice"
                        self.open[user].discard(ref)
                    case Invite():
                        pass
                    case _:
                        assert self.inside[user], f"{event} though he is not inside"
            told.clear()

    @rule(user=USERS)
    def enter(self, user: UserId) -> None:
        """A user enters, if he is not in or on the way."""
        if not self.inside[user] and not self.asked[user]:
            self.asked[user] += 1
            self.scene.network.submit(user, Enter(room=GARDEN, nick=user.partition("@")[0]))

    @rule(user=USERS)
    def depart(self, user: UserId) -> None:
        """A user leaves, whether he is in or not."""
        self.scene.network.submit(user, Depart(room=GARDEN))

    @rule(user=USERS)
    def say(self, user: UserId) -> None:
        """A user says something, whether he is in or not."""
        self.refs += 1
        self.open[user].add(Ref(self.refs))
        self.scene.network.submit(user, Message(room=GARDEN, body=Text(plain="hi"), ref=Ref(self.refs)))

    @rule(who=PEOPLE, how=st.sampled_from(["join", "leave", "ban", "invite"]), by=PEOPLE)
    def move(self, who: str, how: str, by: str) -> None:
        """Somebody comes, goes, or is put out."""
        self.scene.server._happens(member(who, who[1:6], how, by), ROOM_ID)

    @rule(event=st.sampled_from([said(ALICE, "hi"), levels(users={ALICE: 100}), said(ghost(ROMEO), "x")]))
    def happens(self, event: dict) -> None:
        """Something else happens in the room."""
        self.scene.server._happens(event, ROOM_ID)

    @rule(topic=st.text(max_size=5))
    def topic(self, topic: str) -> None:
        """The topic changes."""
        self.scene.server._happens(state("m.room.topic", ALICE, {"topic": topic}), ROOM_ID)

    @rule(way=WAYS, trouble=TROUBLES)
    def refuse(self, way: str, trouble: Trouble) -> None:
        """From now on something fails."""
        self.scene.server.refused[way] = BridgeError(trouble)

    @rule()
    def work(self) -> None:
        """Everything works again."""
        self.scene.server.refused.clear()

    @rule(seconds=st.sampled_from([0, 1, 40]))
    def turn(self, seconds: int) -> None:
        """Time passes."""
        self.scene.turn(seconds)

    @precondition(lambda self: not any(self.open.values()))
    @rule()
    def restart(self) -> None:
        """The gateway is started anew; the bridge has nobody in any room then."""
        self.scene.turn()
        self.hear()
        self.scene.network.stop("")
        self.scene.turn(40)
        self.scene.told[ROMEO].clear()
        self.scene.told[JULIET].clear()
        self.inside = dict.fromkeys(self.inside, False)
        self.asked.clear()
        self.scene.start()

    @invariant()
    def promises_hold(self) -> None:
        """After every step."""
        self.hear()

    def teardown(self) -> None:
        """In the end everything is answered, and nobody's room is kept."""
        self.scene.server.refused.clear()
        self.scene.turn(1)
        for _ in range(10):
            self.scene.turn(40)
        self.hear()
        assert not any(self.asked.values()), "an Enter is not answered"
        assert not any(self.open.values()), "a Ref is not answered"
        for user in (ROMEO, JULIET):
            assert self.inside[user] is (self.scene.network.snapshot(user, GARDEN) is not None)
            self.scene.network.submit(user, Depart(room=GARDEN))
        for _ in range(3):
            self.scene.turn(40)
        self.hear()
        assert self.scene.network._stays.sessions == {}
        assert len(self.scene.network.inbox._rooms) == 0


TestConduct = Conduct.TestCase
TestConduct.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
