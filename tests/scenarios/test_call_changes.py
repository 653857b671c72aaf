"""What happens in a call: hold, keys, other media."""

import pytest

from tests.scenarios.calling import ECHO, FILM, SID, STUBBORN, VOICE, jingle, press, words
from tests.scenarios.stage import GATEWAY, ROMEO, SERVER, Stage


@pytest.fixture
def talking(stage: Stage) -> Stage:
    """Romeo talks with two contacts."""
    for contact in (ECHO, STUBBORN):
        assert words(jingle(stage, "session-initiate", VOICE, contact))[-1] == "session-accept"
    return stage


def test_contact_holds_and_goes_on(talking: Stage) -> None:
    """XEP-0167 §8.2."""
    assert words(press(talking, "1")) == ["result", "session-info hold"]
    assert words(press(talking, "2")) == ["result", "session-info active"]


@pytest.mark.parametrize("info", ["hold", "unhold", "active", "mute", "unmute", "ringing"])
def test_infos_of_the_client_are_taken(talking: Stage, info: str) -> None:
    """XEP-0167 §8."""
    told = f"<{info} xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>"
    assert words(jingle(talking, "session-info", told)) == ["result"]


def test_keys_are_pressed_both_ways(talking: Stage) -> None:
    """XEP-0181."""
    assert words(press(talking, "7")) == ["result", "session-info dtmf"]


def test_client_adds_video_and_takes_it_away(talking: Stage) -> None:
    """Where the contact lets it."""
    assert words(jingle(talking, "content-add", FILM)) == ["result", "content-accept"]
    webcam = "<content creator='initiator' name='webcam'/>"
    assert words(jingle(talking, "content-remove", webcam)) == ["result"]
    assert words(jingle(talking, "content-add", FILM, STUBBORN)) == ["result", "content-reject"]


def test_contact_adds_video_and_takes_it_away(talking: Stage) -> None:
    """The client is asked for the one, and told of the other."""
    answered = press(talking, "3")
    assert words(answered) == ["result", "content-add"]
    content = answered[-1].element[0][0]
    assert (content.get("creator"), content.get("name")) == ("responder", "film")
    accepted = (
        FILM.replace("'webcam'", "'film'").replace("'initiator'", "'responder'").replace("actpass", "active")
    )
    assert words(jingle(talking, "content-accept", accepted)) == ["result"]
    assert words(press(talking, "4")) == ["result", "content-remove"]


def test_flow_that_is_not_had_is_turned_back(talking: Stage) -> None:
    """XEP-0166 §7.2.3: by a contrary modification."""
    content = "<content creator='initiator' name='voice' senders='initiator'/>"
    assert words(jingle(talking, "content-modify", content)) == ["result"]
    back = jingle(talking, "content-modify", content, STUBBORN)
    assert words(back) == ["result", "content-modify"]
    assert back[-1].element[0][0].get("senders") == "both"


def test_contact_is_transferred(talking: Stage) -> None:
    """XEP-0251: to somebody whom he can reach, or not."""
    transfer = "<transfer xmlns='urn:xmpp:jingle:transfer:0' to='{}'/>"
    nobody = transfer.format(f"nobody%{SERVER}@{GATEWAY}")
    assert words(jingle(talking, "session-info", nobody)) == ["result", "The call could not be transferred."]
    assert words(jingle(talking, "session-info", transfer.format(ROMEO))) == ["not-acceptable"]
    bell = transfer.format(f"bell%{SERVER}@{GATEWAY}")
    assert words(jingle(talking, "session-info", bell)) == ["result", "session-terminate success"]


def test_stun_servers_are_none(stage: Stage) -> None:
    """XEP-0215: asked for at the gateway."""
    stage.say(
        f"<iq type='get' from='{ROMEO}' to='{GATEWAY}' id='s1'><services xmlns='urn:xmpp:extdisco:2'/></iq>"
    )
    (answer,) = stage.take()
    assert answer.element.get("type") == "result" and len(answer.element[0]) == 0
    assert SID not in answer.text
