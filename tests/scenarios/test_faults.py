"""Rooms after faults of the bridge and of the XMPP server."""

from collections.abc import Callable
from pathlib import Path

from pytest import MonkeyPatch

from bridge.errors import BridgeError, Trouble
from bridge.events import Depart, DirectMessage, Failed, Message, MessageId, RoomId, Sent, Text
from tests.scenarios.stage import GATEWAY, JULIET, ROMEO, ROOM, SERVER, Stage
from transports.loopback.config import LoopbackConfig
from transports.loopback.network import LoopbackNetwork


def answer_pings(stage: Stage, alive: set[str]) -> list[str]:
    """Play the XMPP server: clients that are there answer, for the others the server does."""
    asked = []
    for one in stage.take():
        if one.has("self::c:iq[@type='get']"):
            to, ident = one.element.get("to"), one.element.get("id")
            asked.append(to)
            if to in alive:
                stage.say(f"<iq from='{to}' to='{GATEWAY}' type='result' id='{ident}'/>")
            else:
                stage.say(
                    f"<iq from='{to}' to='{GATEWAY}' type='error' id='{ident}'><error type='cancel'>"
                    "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
                )
    return asked


def test_restart_of_the_bridge_puts_clients_back_that_are_still_there(
    tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    """After a crash Romeo is in again without doing anything; Juliet, who went meanwhile, is not."""
    url = f"sqlite:///{tmp_path}/store.sqlite"
    before = Stage(url).open()
    before.join(ROMEO, "Romeo")
    before.join(JULIET, "Juliet")
    before.take()
    before.close()
    after = Stage(url).open()
    departed, depart = [], after.network.submit
    monkeypatch.setattr(
        after.network,
        "submit",
        lambda user, event: (departed.append((user, type(event))), depart(user, event)),
    )
    after.muc.link_up()
    after.clock.advance(1)
    assert sorted(answer_pings(after, {ROMEO})) == [JULIET, ROMEO]
    seen = after.take()
    assert {one.element.get("to") for one in seen} == {ROMEO}
    assert seen[0].has("user:x/user:status[@code='110']")
    # the network may have kept her place
    assert (JULIET.partition("/")[0], Depart) in departed and (
        ROMEO.partition("/")[0],
        Depart,
    ) not in departed
    after.speak(ROMEO, "I am back")
    assert len(after.take_for(ROMEO)) == 1
    after.close()


def test_link_back_after_the_xmpp_server_restarted_takes_out_who_is_gone(stage: Stage) -> None:
    """Clients that did not survive the server's restart leave the network too."""
    stage.muc.link_up()
    stage.join(ROMEO, "Romeo")
    stage.join(JULIET, "Juliet")
    stage.take()
    stage.muc.link_up()
    stage.clock.advance(1)
    answer_pings(stage, {JULIET})
    seen = stage.take_for(JULIET)
    assert seen[0].has("self::*[@type='unavailable']") and seen[0].get("string(@from)") == f"{ROOM}/Romeo"


def test_client_that_does_not_answer_in_time_is_kept(stage: Stage) -> None:
    """A slow phone is no ghost."""
    stage.muc.link_up()
    stage.join(ROMEO, "Romeo")
    stage.take()
    stage.muc.link_up()
    stage.clock.advance(60)
    stage.take()
    stage.speak(ROMEO, "here")
    assert len(stage.take_for(ROMEO)) == 1


class Slow(LoopbackNetwork):
    """A network that takes messages and does not say what became of them."""

    def submit(self, user, event):
        if not isinstance(event, Message | DirectMessage):
            super().submit(user, event)


def test_message_under_way_in_a_crash_is_reported_to_its_sender(tmp_path: Path) -> None:
    """Romeo is told that what he said may not have arrived; nothing is lost silently."""
    url = f"sqlite:///{tmp_path}/store.sqlite"
    before = Stage(url, Slow(LoopbackConfig(server=SERVER))).open()
    before.join(ROMEO, "Romeo")
    before.speak(ROMEO, "hello", "lost1")
    before.clock.advance(1)
    before.take()
    before.close()
    after = Stage(url).open()
    after.muc.link_up()
    (error,) = [one for one in after.take() if one.has("self::c:message")]
    assert error.has("self::*[@type='error'][@id='lost1']/c:error/err:remote-server-timeout")
    assert error.element.get("to") == ROMEO
    after.close()
    again = Stage(url).open()
    again.muc.link_up()
    assert not [one for one in again.take() if one.has("self::c:message")]
    again.close()


class Repeating(Slow):
    """A network that can go on after a crash with what it was asked for."""

    def go_on(self):
        self.left = list(self._uplink.unanswered())

    def submit(self, user, event):
        super().submit(user, event)
        if isinstance(event, Message | DirectMessage):
            self._uplink.repeatable(event.ref, b"again")


def repeating(url: str) -> Stage:
    stage = Stage(url, Repeating(LoopbackConfig(server=SERVER))).open()
    stage.network.go_on()
    return stage


def crash_after(url: str, said: Callable[[Stage], None]) -> Stage:
    """Have something under way in a crash, and return what comes up again."""
    before = repeating(url)
    before.join(ROMEO, "Romeo")
    said(before)
    before.clock.advance(1)
    before.take()
    before.close()
    return repeating(url)


def test_message_that_the_network_goes_on_with_is_reflected_after_a_crash(tmp_path: Path) -> None:
    """Romeo is told of no trouble; he sees what he said when the room does, as he wrote it."""
    url = f"sqlite:///{tmp_path}/store.sqlite"
    after = crash_after(url, lambda stage: stage.speak(ROMEO, "hello", "m1", inside="<thread>t</thread>"))
    [(user, ref, data)] = after.network.left
    assert (user, data) == (ROMEO.partition("/")[0], b"again")
    after.muc.link_up()
    after.clock.advance(1)
    answer_pings(after, {ROMEO})
    assert not [one for one in after.take() if one.has("self::c:message[@type='error']")]
    seen = Message(
        room=RoomId(f"#verona%{SERVER}"), nick="Romeo", body=Text(plain="hello"), id=MessageId("1")
    )
    after.muc.deliver(user, (Sent(ref=ref, message=seen),))
    [reflected] = after.take_for(ROMEO)
    assert reflected.has("self::c:message[@type='groupchat'][@id='m1'][c:body='hello'][c:thread='t']")
    after.close()
    assert not repeating(url).network.left


def test_message_that_the_network_could_not_go_on_with_is_reported(tmp_path: Path) -> None:
    """It is an error then, as it would have been before; and it is over."""
    url = f"sqlite:///{tmp_path}/store.sqlite"
    after = crash_after(url, lambda stage: stage.speak(ROMEO, "hello", "m1"))
    [(user, ref, _)] = after.network.left
    after.muc.deliver(user, (Failed(ref=ref, error=BridgeError(Trouble.CANNOT_SPEAK)),))
    [error] = [one for one in after.take() if one.has("self::c:message")]
    assert error.has("self::*[@type='error'][@id='m1']/c:error/err:forbidden")
    after.muc.link_up()
    assert not [one for one in after.take() if one.has("self::c:message")]
    after.close()


def test_message_to_one_person_is_gone_on_with_too(tmp_path: Path) -> None:
    """A second crash does not change that."""
    url = f"sqlite:///{tmp_path}/store.sqlite"
    chat = f"<message from='{ROMEO}' to='Juliet%{SERVER}@{GATEWAY}' type='chat' id='m2'><body>psst</body></message>"
    between = crash_after(url, lambda stage: stage.say(chat))
    assert len(between.network.left) == 1
    between.close()
    after = repeating(url)
    [(user, ref, _)] = after.network.left
    after.muc.deliver(user, (Sent(ref=ref),))
    after.muc.link_up()
    assert not [one for one in after.take() if one.has("self::c:message")]
    after.close()
    assert not repeating(url).network.left


def test_message_that_arrived_is_not_reported_after_a_crash(tmp_path: Path) -> None:
    """What was reflected is settled."""
    url = f"sqlite:///{tmp_path}/store.sqlite"
    before = Stage(url).open()
    before.join(ROMEO, "Romeo")
    before.speak(ROMEO, "hello", "fine")
    before.clock.advance(1)
    before.take()
    before.close()
    after = Stage(url).open()
    after.muc.link_up()
    assert not [one for one in after.take() if one.has("self::c:message")]
    after.close()


def test_persistent_room_is_entered_again_after_an_orderly_restart(tmp_path: Path) -> None:
    """Who wants to stay in a room without any client is in it again when the gateway is back."""
    url = f"sqlite:///{tmp_path}/store.sqlite"
    before = Stage(url).open()
    before.join(ROMEO, "Romeo")
    before.join(JULIET, "Juliet")
    before.say(
        f"<iq from='{ROMEO}' to='{ROOM}' type='set' id='s'><query xmlns='http://jabber.org/protocol/muc#owner'>"
        "<x xmlns='jabber:x:data' type='submit'><field var='persistent'><value>true</value></field></x></query></iq>"
    )
    before.network.stop("restart")
    before.take()
    before.close()
    after = Stage(url).open()
    after.muc.link_up()
    after.join(JULIET, "Juliet")
    assert after.take_for(JULIET)[0].get("string(@from)") == f"{ROOM}/Romeo"
    after.close()
