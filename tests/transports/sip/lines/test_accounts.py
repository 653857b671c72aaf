"""Users' own accounts, in front of a SIP server in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from bridge.errors import BridgeError
from bridge.events import DirectMessage, ServerNotice, UserId
from bridge.forms import Ask, CommandContext, Done
from bridge.network import GatewayAddress
from bridge.secret import Secret
from tests.transports.sip.test_network import JULIET, ROMEO, STRANGER, Scene, troubles
from tests.transports.sip.wires import PEER
from transports.sip.config import SipConfig
from transports.sip.lines.accounts import KEY, PATIENCE
from transports.sip.wire.message import Request

SECRET = Secret("a secret of the operator")
ADDRESS = f"romeo@{STRANGER}"


class Played(Scene):
    """A gateway whose operator lets users have accounts."""

    def __init__(self, kept: dict | None = None, **config: object) -> None:
        config.setdefault("account_key", SECRET)
        super().__init__({}, kept=kept, **config)

    def command(self, node: str, user: UserId = ROMEO) -> Any:
        found = {one.node: one for one in self.network.commands(GatewayAddress())}
        return found[node].begin(CommandContext(user=user, full_jid=f"{user}/a"))

    def fill(self, user: UserId = ROMEO, **values: str) -> list[Any]:
        """Fill in the form; return the list that gets the outcome."""
        asked = self.command("sip-account", user)
        assert isinstance(asked, Ask)
        outcome: list[Any] = []
        asked.proceed({name: (value,) for name, value in values.items()}).addBoth(outcome.append)
        return outcome

    def registering(self) -> Request:
        [register] = self.asked()
        assert register.method == "REGISTER"
        return register

    def registered(self, user: UserId = ROMEO, address: str = ADDRESS) -> Request:
        outcome = self.fill(user, address=address, password="word")
        register = self.registering()
        self.reply(register, host=STRANGER)
        assert outcome[0].note.text == f"Your account {address} is registered."
        return register

    def state(self, user: UserId = ROMEO) -> str:
        done = self.command("sip-account-state", user)
        assert isinstance(done, Done) and done.note is not None
        return done.note.text


def refused(do: Callable[[], Any]) -> str:
    """Return with which words something is refused."""
    with pytest.raises(BridgeError) as raised:
        do()
    return raised.value.text


def contact_user(register: Request) -> str:
    """Return the user part of the Contact."""
    return (register.get("Contact") or "").partition(":")[2].partition("@")[0]


def test_account_is_registered_kept_and_shown() -> None:
    """The password is in no clear text anywhere, and the Contact is a word that nobody can guess."""
    scene = Played()
    assert scene.state() == "You have no SIP account here."
    register = scene.registered()
    assert str(register.to.uri) == f"sip:{ADDRESS}" and len(contact_user(register)) >= 20
    assert scene.state() == f"Your account {ADDRESS} is registered."
    assert b"word" not in scene.bridge.kept[ROMEO][KEY]
    assert scene.network.users() == [ROMEO]
    form = scene.command("sip-account").form
    assert [one.values for one in form.fields] == [(ADDRESS,), (), ()]


def test_owner_writes_and_is_written_to_by_his_account() -> None:
    """Numbers and people of its domain; others go as before, and nobody else is reached by its word."""
    scene = Played()
    word = contact_user(scene.registered())
    scene.say("hello", contact=f"bob@{STRANGER}")
    [asked] = scene.asked()
    assert str(asked.from_.uri) == f"sip:{ADDRESS}"
    scene.say("hello", contact="+15551234")
    [asked] = scene.asked()
    assert str(asked.uri) == f"sip:+15551234@{STRANGER};user=phone"
    scene.say("help", contact="112")
    scene.say("hello", contact="+15551234", user=JULIET)
    assert len(troubles(scene)) == 2 and scene.asked() == []
    scene.hear("for you", f"sip:bob@{STRANGER}", f"sip:{word}@gw.example", STRANGER)
    [(user, heard)] = scene.bridge.taken()
    assert user == ROMEO and isinstance(heard, DirectMessage) and heard.contact == f"bob@{STRANGER}"
    scene.hear("elsewhere", f"sip:bob@{STRANGER}", f"sip:{word}@gw.example", PEER, branch="2")
    scene.hear("guess", f"sip:bob@{STRANGER}", "sip:romeo@gw.example", STRANGER, branch="3")
    scene.hear("other", f"sip:bob@{STRANGER}", "sip:juliet%40example.org@gw.example", STRANGER, branch="4")
    assert scene.bridge.taken() == []


def test_password_that_is_refused_changes_nothing() -> None:
    """The form may be sent again."""
    scene = Played()
    scene.registered()
    outcome = scene.fill(address=f"other@{STRANGER}", password="wrong")
    scene.reply(scene.registering(), 403, host=STRANGER)
    assert isinstance(outcome[0].value, BridgeError)
    assert scene.state() == f"Your account {ADDRESS} is registered."


def test_server_that_does_not_answer_changes_nothing() -> None:
    """The user is told in time."""
    scene = Played()
    outcome = scene.fill(address=ADDRESS, password="word")
    scene.reactor.pump([1.0] * int(PATIENCE + 1))
    assert "did not answer" in outcome[0].value.text
    assert scene.state() == "You have no SIP account here." and not scene.bridge.owners()


def test_account_is_changed_without_entering_the_password_again() -> None:
    """For the same address only; the old registration is taken back."""
    scene = Played()
    first = scene.registered()
    outcome = scene.fill(address=ADDRESS, server=f"sip:{STRANGER};transport=udp", password="")
    [register] = scene.asked()
    scene.reply(register, host=STRANGER)
    assert "is registered" in outcome[0].note.text
    [gone] = scene.asked()
    assert gone.get("Expires") == "0" and contact_user(gone) == contact_user(first)
    asked = scene.command("sip-account")
    assert "password" in refused(lambda: asked.proceed({"address": (f"new@{STRANGER}",)}))


def test_account_is_removed_with_its_registration() -> None:
    """Twice does no harm."""
    scene = Played()
    scene.registered()
    assert "removed" in scene.command("sip-account-remove").note.text
    assert scene.registering().get("Expires") == "0"
    assert scene.bridge.owners() == [] and "no SIP account" in scene.command("sip-account-remove").note.text


def test_account_is_there_again_after_a_restart() -> None:
    """Unless the operator's secret is another one: then it has to be entered again."""
    scene = Played()
    scene.registered()
    again = Played(kept=scene.bridge.kept)
    again.reactor.advance(0)
    again.reply(again.registering(), host=STRANGER)
    assert again.state() == f"Your account {ADDRESS} is registered."
    locked = Played(kept=scene.bridge.kept, account_key=Secret("another secret of the operator"))
    locked.reactor.advance(1)
    assert locked.asked() == [] and "cannot be read" in locked.state()
    assert "removed" in locked.command("sip-account-remove").note.text


def test_owner_is_told_when_his_account_is_refused_later() -> None:
    """As after a change of its password elsewhere; the operator is not troubled."""
    scene = Played()
    scene.registered()
    scene.reactor.advance(3599)
    [register] = [one for one in scene.asked() if one.method == "REGISTER"]
    scene.reply(register, 403, host=STRANGER)
    [(user, notice)] = scene.bridge.taken()
    assert user == ROMEO and isinstance(notice, ServerNotice) and "403" in notice.text
    assert scene.bridge.troubles == [] and "not registered" in scene.state()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"address": "romeo", "password": "word"}, "look like"),
        ({"address": "+15551234", "password": "word"}, "look like"),
        ({"address": ADDRESS, "password": "word", "server": "http://a"}, "look like"),
        ({"address": ADDRESS, "password": "word", "server": "sip:me@a.example"}, "look like"),
        ({"address": ADDRESS}, "password"),
        ({"address": "romeo@barred.example", "password": "word"}, "does not let"),
    ],
)
def test_form_that_makes_no_sense_is_answered_with_words(values: dict, words: str) -> None:
    """Nothing is sent."""
    scene = Played(account_domains=("203.*",))
    form = scene.command("sip-account")
    assert words in refused(lambda: form.proceed({name: (value,) for name, value in values.items()}))
    assert scene.asked() == []


def test_operator_says_who_may_have_an_account() -> None:
    """Nobody without a secret; and after a reload who may no longer has none."""
    assert Scene({}).network.commands(GatewayAddress()) == ()
    scene = Played(account_users=("example.org",))
    assert "does not let" in refused(lambda: scene.command("sip-account", UserId("paris@elsewhere.example")))
    scene.registered()
    scene.network.reload(replace(scene.config, account_users=("else.example",)))
    assert scene.registering().get("Expires") == "0" and ROMEO in scene.bridge.owners()
    with pytest.raises(ValueError, match="account_key"):
        SipConfig(domain="gw.example", account_key=Secret("short"))


def test_user_does_not_choose_which_private_addresses_are_spoken_with() -> None:
    """A server inside the operator's network is none of his; one that is a trunk's is."""
    scene = Played(allowed_peers=())
    outcome = scene.fill(address="romeo@10.0.0.1", password="word")
    assert isinstance(outcome[0].value, BridgeError) and scene.asked() == []
    assert not scene.network._guard.may_reach("10.0.0.1")


def test_server_of_a_user_may_send_no_more_than_strangers() -> None:
    """It is not the operator's."""
    scene = Played()
    scene.registered()
    guard = scene.network._guard
    assert guard.trunks(STRANGER) and not guard.is_trusted(STRANGER)
