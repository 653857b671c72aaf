"""Rooms after faults of the bridge and of the XMPP server."""

from pathlib import Path

from tests.scenarios.stage import GATEWAY, JULIET, ROMEO, ROOM, Stage


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


def test_restart_of_the_bridge_puts_clients_back_that_are_still_there(tmp_path: Path) -> None:
    """After a crash Romeo is in again without doing anything; Juliet, who went meanwhile, is not."""
    url = f"sqlite:///{tmp_path}/store.sqlite"
    before = Stage(url).open()
    before.join(ROMEO, "Romeo")
    before.join(JULIET, "Juliet")
    before.take()
    before.close()
    after = Stage(url).open()
    after.muc.link_up()
    after.clock.advance(1)
    assert sorted(answer_pings(after, {ROMEO})) == [JULIET, ROMEO]
    seen = after.take()
    assert {one.element.get("to") for one in seen} == {ROMEO}
    assert seen[0].has("user:x/user:status[@code='110']")
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
