"""Ad-hoc commands: listing, sessions, and the commands that the bridge itself has."""

from __future__ import annotations

from itertools import count
from typing import Annotated, ClassVar

import pytest
from msgspec import Meta
from twisted.internet.defer import Deferred, fail, succeed

from bridge.errors import BridgeError, Trouble
from bridge.forms import Ask, Command, Done, Field, FieldType, Form, Note, Settings
from bridge.network import Scope
from bridge.services.administration import Administration
from bridge.services.commands import SESSION_LIFETIME, SESSIONS_PER_USER, Commands
from bridge.services.configuration import Configuration
from bridge.services.greetings import greetings
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.commands import NS_COMMANDS
from bridge.xmpp.payloads.forms import NS_FORMS, build_submit, parse_form
from tests.bridge.services.scene import (
    DOMAIN,
    JULIET,
    NURSE,
    ROMEO,
    ROOM,
    SERVER,
    Scene,
    condition,
    error_text,
)

ADMIN = "friar@church.example/cell"


class ServerSettings(Settings, frozen=True, kw_only=True):
    """A server's."""

    title: ClassVar[str] = "Configure the server {server}"

    nick: Annotated[str, Meta(title="Nickname")] = ""
    limit: Annotated[int, Meta(title="Limit", ge=0)] = 10


class NoSettings(Settings, frozen=True, kw_only=True):
    """Where there is nothing to choose."""

    title: ClassVar[str] = "Nothing"


class Played(Scene):
    """A scene with all commands; `users` are connected, `gone` were disconnected."""

    def __init__(self) -> None:
        super().__init__()
        self.network.settings = {
            Scope.GATEWAY: ServerSettings,
            Scope.SERVER: ServerSettings,
            Scope.ROOM: ServerSettings,
        }
        self.users = ["romeo@montague.example", "juliet@capulet.example"]
        self.gone: list[tuple[str, str]] = []
        self.reloaded: Deferred[None] = succeed(None)
        ids = count(1)
        administration = Administration(lambda: self.reloaded, lambda: self.users, self.disconnect)
        self.commands = Commands(
            [
                greetings,
                Configuration(self.network, self.settings).commands,
                administration.commands,
                lambda address: self.network.commands(address),
            ],
            lambda jid: str(jid).startswith("friar@"),
            self.clock.seconds,
            lambda: f"s{next(ids)}",
        )
        self.add(self.commands)

    def disconnect(self, user: str, reason: str) -> bool:
        self.gone.append((user, reason))
        return user in self.users

    def execute(
        self, to: str, node: str, *children: Element, sender: str = ROMEO, **attributes: str
    ) -> Element:
        payload = Element("command", NS_COMMANDS, {"node": node, **attributes}, *children)
        return self.iq("set", to, payload, sender)

    def step(self, to: str, node: str, *children: Element, sender: str = ROMEO, **attributes: str) -> Element:
        answer = self.execute(to, node, *children, sender=sender, **attributes)
        assert answer.get("type") == "result", answer
        return next(answer.elements())


@pytest.fixture
def scene() -> Played:
    return Played()


def submit(**values: str) -> Element:
    return build_submit("", list(values.items()))


def note(command: Element) -> tuple[str | None, str]:
    element = command.child("note")
    assert element is not None, command
    return element.get("type"), element.text()


def form_of(command: Element) -> Form:
    x = command.child("x", NS_FORMS)
    assert x is not None, command
    return parse_form(x)


def actions(command: Element) -> list[str]:
    element = command.child("actions")
    return [] if element is None else [child.name for child in element.elements()]


# ---- the bridge's own


def test_ping_is_done_in_one_step(scene):
    """As Biboumi's: a note says Pong."""
    done = scene.step(DOMAIN, "ping", action="execute")
    assert (done.get("status"), note(done)) == ("completed", ("info", "Pong"))
    assert done.get("sessionid")


def test_hello_asks_for_a_name_and_greets(scene):
    """As Biboumi's, in two steps."""
    asked = scene.step(DOMAIN, "hello", action="execute")
    form = form_of(asked)
    assert asked.get("status") == "executing"
    assert actions(asked) == ["complete"]
    assert (form.title, form.instructions) == ("Configure your name.", "Please provide your name.")
    assert form.fields[0].required and form.fields[0].type is FieldType.TEXT_SINGLE
    done = scene.step(
        DOMAIN, "hello", submit(name="COUCOU"), sessionid=asked.get("sessionid"), action="complete"
    )
    assert (done.get("status"), note(done)) == ("completed", ("info", "Hello COUCOU!"))
    assert actions(done) == []


def test_form_without_a_required_field_is_an_error_and_can_be_corrected(scene):
    """The execution goes on after a mistake."""
    session = scene.step(DOMAIN, "hello").get("sessionid")
    refused = scene.execute(DOMAIN, "hello", submit(), sessionid=session, action="complete")
    assert condition(refused) == ("modify", "bad-request")
    assert error_text(refused) == "Your name: this is required."
    done = scene.step(DOMAIN, "hello", submit(name="Romeo"), sessionid=session)
    assert note(done) == ("info", "Hello Romeo!")


@pytest.mark.parametrize(
    ("to", "node", "scope", "key"),
    [
        (DOMAIN, "configure", "gateway", ""),
        (SERVER, "configure", "server", "irc.example"),
        (ROOM, "configure", "room", "#verona%irc.example"),
    ],
)
def test_configure_keeps_what_was_set(scene, to, node, scope, key):
    """Each address has its own settings; the form shows them again."""
    session = scene.step(to, node).get("sessionid")
    done = scene.step(to, node, submit(nick="Romeo"), sessionid=session, action="complete")
    assert note(done) == ("info", "Configuration successfully applied.")
    assert (DOMAIN, "romeo@montague.example", scope, key) in scene.store.kept
    shown = {field.var: field.values for field in form_of(scene.step(to, node)).fields}
    assert shown == {"nick": ("Romeo",), "limit": ("10",)}
    others = {field.var: field.values for field in form_of(scene.step(to, node, sender=JULIET)).fields}
    assert others["nick"] == ()


def test_configure_names_the_server(scene):
    """Titles carry the network's own names."""
    assert form_of(scene.step(ROOM, "configure")).title == "Configure the server irc.example"


def test_where_there_is_no_choice_there_is_no_command(scene):
    """A form without fields would only puzzle."""
    scene.network.settings = dict.fromkeys(Scope, NoSettings)
    assert condition(scene.execute(SERVER, "configure"))[1] == "item-not-found"


def test_bad_value_is_refused_and_changes_nothing(scene):
    """A wrong number names its field."""
    session = scene.step(SERVER, "configure").get("sessionid")
    refused = scene.execute(SERVER, "configure", submit(limit="bleh", nick="x"), sessionid=session)
    assert condition(refused) == ("modify", "not-acceptable")
    assert error_text(refused).startswith("Limit:")
    assert scene.store.kept == {}


def test_gateway_of_one_server_has_both_configurations(scene):
    """As Biboumi's with a fixed server."""
    scene.network.single_server = True
    assert form_of(scene.step(DOMAIN, "global-configure")).fields
    assert form_of(scene.step(DOMAIN, "server-configure")).title == "Configure the server irc.example"
    assert condition(scene.execute(DOMAIN, "configure"))[1] == "item-not-found"


def test_cancel_ends_the_execution(scene):
    """XEP-0050 §2.4.4; also by a form of type cancel."""
    session = scene.step(DOMAIN, "hello").get("sessionid")
    assert scene.step(DOMAIN, "hello", sessionid=session, action="cancel").get("status") == "canceled"
    assert condition(scene.execute(DOMAIN, "hello", submit(name="x"), sessionid=session))[1] == "bad-request"
    session = scene.step(DOMAIN, "hello").get("sessionid")
    refusal = Element("x", NS_FORMS, {"type": "cancel"})
    assert scene.step(DOMAIN, "hello", refusal, sessionid=session).get("status") == "canceled"


# ---- administrators


def test_admin_commands_are_for_admins(scene):
    """Others cannot execute them."""
    for node in ("reload", "disconnect-user"):
        assert condition(scene.execute(DOMAIN, node)) == ("auth", "forbidden")
    assert scene.gone == []


def test_reload_by_an_administrator_reads_the_configuration(scene):
    """As Biboumi's; what is wrong in the new configuration is told."""
    assert note(scene.step(DOMAIN, "reload", sender=ADMIN)) == ("info", "Configuration reloaded.")
    scene.reloaded = fail(BridgeError(Trouble.NOT_ACCEPTABLE, "line 3: nonsense"))
    refused = scene.execute(DOMAIN, "reload", sender=ADMIN)
    assert error_text(refused) == "line 3: nonsense"


@pytest.mark.parametrize(
    ("jids", "words"),
    [
        (["romeo@montague.example"], "1 user has been disconnected."),
        (["romeo@montague.example", "juliet@capulet.example"], "2 users have been disconnected."),
        (["nobody@x.example"], "No users have been disconnected."),
    ],
)
def test_disconnect_user(scene, jids, words):
    """As Biboumi's: choose users, give a reason."""
    asked = scene.step(DOMAIN, "disconnect-user", sender=ADMIN)
    jid_field, reason_field = form_of(asked).fields
    assert [value for _, value in jid_field.options] == ["juliet@capulet.example", "romeo@montague.example"]
    assert (jid_field.var, reason_field.var) == ("jids", "quit-message")
    form = build_submit("", [*(("jids", jid) for jid in jids[:1]), ("quit-message", "Bye")])
    field = next(one for one in form.elements() if one.get("var") == "jids")
    for jid in jids[1:]:
        field.add(Element("value", NS_FORMS, None, jid))
    done = scene.step(DOMAIN, "disconnect-user", form, sender=ADMIN, sessionid=asked.get("sessionid"))
    assert note(done) == ("info", words)
    assert scene.gone == [(jid, "Bye") for jid in jids]


# ---- sessions


def test_unknown_node_is_not_found(scene):
    """XEP-0050 §3: item-not-found, also at an address that has other commands."""
    assert condition(scene.execute(DOMAIN, "dance"))[1] == "item-not-found"
    assert condition(scene.execute(SERVER, "ping"))[1] == "item-not-found"
    assert condition(scene.execute(NURSE, "ping"))[1] == "feature-not-implemented"
    assert condition(scene.execute(f"{ROOM}/a", "ping"))[1] == "feature-not-implemented"


@pytest.mark.parametrize("action", ["cancel", "prev", "dance"])
def test_action_without_an_execution_is_refused(scene, action):
    """There is nothing to cancel before a beginning."""
    assert condition(scene.execute(DOMAIN, "hello", action=action)) == ("modify", "bad-request")


def test_execution_belongs_to_one_client_and_one_address(scene):
    """Nobody else, no other resource, address or node, can go on with it."""
    session = scene.step(DOMAIN, "hello").get("sessionid")
    form = submit(name="x")
    assert (
        condition(scene.execute(DOMAIN, "hello", form, sessionid=session, sender=JULIET))[1] == "bad-request"
    )
    other = "romeo@montague.example/phone"
    assert (
        condition(scene.execute(DOMAIN, "hello", form, sessionid=session, sender=other))[1] == "bad-request"
    )
    assert condition(scene.execute(SERVER, "hello", form, sessionid=session))[1] == "bad-request"
    assert condition(scene.execute(DOMAIN, "configure", form, sessionid=session))[1] == "bad-request"
    assert scene.step(DOMAIN, "hello", form, sessionid=session).get("status") == "completed"


def test_idle_execution_expires(scene):
    """After a while an abandoned form is forgotten."""
    session = scene.step(DOMAIN, "hello").get("sessionid")
    scene.clock.advance(SESSION_LIFETIME)
    assert condition(scene.execute(DOMAIN, "hello", submit(name="x"), sessionid=session))[1] == "bad-request"


def test_one_user_s_executions_are_bounded(scene):
    """The one idle longest gives way; others' are not touched."""
    hers = scene.step(DOMAIN, "hello", sender=JULIET).get("sessionid")
    his = [scene.step(DOMAIN, "hello").get("sessionid") for _ in range(SESSIONS_PER_USER + 1)]
    form = submit(name="x")
    assert condition(scene.execute(DOMAIN, "hello", form, sessionid=his[0]))[1] == "bad-request"
    assert scene.step(DOMAIN, "hello", form, sessionid=his[1]).get("status") == "completed"
    assert scene.step(DOMAIN, "hello", form, sender=JULIET, sessionid=hers).get("status") == "completed"


# ---- a network's commands


def two_steps(first: Deferred[object] | None = None) -> Command:
    def end(values):
        return Done(note=Note(f"chosen {values['b'][0]}", "warn"), form=Form(title="Result"))

    second = Ask(form=Form(fields=(Field(var="b", type=FieldType.TEXT_SINGLE),)), proceed=end)
    begun = Ask(
        form=Form(fields=(Field(var="a", type=FieldType.TEXT_SINGLE),)),
        proceed=lambda _values: first or second,
        more=True,
    )
    return Command(node="two", name="Two steps", begin=lambda _context: begun)


def test_steps_go_forth_and_back(scene):
    """XEP-0050 §2.4.3: next, prev, complete; a result form and a note of its own level."""
    scene.network.offered = [two_steps()]
    first = scene.step(SERVER, "two")
    session = first.get("sessionid")
    assert actions(first) == ["next"]
    assert condition(scene.execute(SERVER, "two", sessionid=session, action="prev"))[1] == "bad-request"
    second = scene.step(SERVER, "two", submit(a="1"), sessionid=session, action="next")
    assert actions(second) == ["complete", "prev"]
    assert form_of(scene.step(SERVER, "two", sessionid=session, action="prev")).fields[0].var == "a"
    scene.step(SERVER, "two", submit(a="1"), sessionid=session, action="next")
    done = scene.step(SERVER, "two", submit(b="2"), sessionid=session, action="complete")
    assert note(done) == ("warn", "chosen 2")
    assert done.child("x", NS_FORMS).get("type") == "result"


def test_step_that_takes_time_is_answered_once(scene):
    """While a step is under way a second submission is refused; a failure leaves the form open."""
    waiting: Deferred[object] = Deferred()
    scene.network.offered = [two_steps(waiting)]
    session = scene.step(SERVER, "two").get("sessionid")
    payload = Element("command", NS_COMMANDS, {"node": "two", "sessionid": session}, submit(a="1"))
    stanza = Element(
        "iq", "jabber:component:accept", {"type": "set", "from": ROMEO, "to": SERVER, "id": "9"}, payload
    )
    assert scene.give(stanza) == []
    assert condition(scene.execute(SERVER, "two", submit(a="1"), sessionid=session))[1] == "bad-request"
    waiting.errback(BridgeError(Trouble.TIMED_OUT))
    (answer,) = scene.taken()
    assert condition(answer) == ("wait", "remote-server-timeout")
    scene.network.offered = []
    assert scene.step(SERVER, "two", sessionid=session, action="cancel").get("status") == "canceled"


def test_network_may_replace_a_command(scene):
    """A network's own command of the same node goes before the bridge's."""
    scene.network.offered = [
        Command(node="ping", name="Mine", begin=lambda _context: Done(note=Note("Mine")))
    ]
    assert note(scene.step(DOMAIN, "ping")) == ("info", "Mine")


def test_command_learns_who_executes_it(scene):
    """The context tells user, client, rights and language."""
    seen = []
    scene.network.offered = [
        Command(node="who", name="Who", begin=lambda context: seen.append(context) or Done())
    ]
    payload = Element("command", NS_COMMANDS, {"node": "who"})
    attributes = {"type": "set", "from": ADMIN, "to": DOMAIN, "id": "1", "xml:lang": "it"}
    scene.give(Element("iq", "jabber:component:accept", attributes, payload))
    (context,) = seen
    assert (context.user, context.full_jid, context.is_admin, context.language) == (
        "friar@church.example",
        ADMIN,
        True,
        "it",
    )
