"""The bridge as the server of components (XEP-0114) that other people wrote, here with slixmpp."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from slixmpp import ComponentXMPP, Message
from slixmpp.exceptions import IqError

from tests.live.cast.stanzas import TIMEOUT
from tests.live.peers.daemon import HOST, Daemon, answers, free_port
from tests.live.peers.gateway import ROOT, table
from tests.live.peers.xmpp import SECRET

ROMEO, JULIET, NURSE = "romeo.test", "juliet.test", "nurse.test"


class Host:
    """A bridge that hosts Romeo, whose place another may take, and Juliet, whose place nobody may."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "xmppbridge.toml"
        self.write_config(SECRET, ROMEO, JULIET)
        self.daemon = Daemon(
            "xmppbridge",
            folder,
            [sys.executable, "-m", "bridge.cli", "run", "--config", str(self._config)],
            ready=lambda: answers(self.port),
            environment={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def write_config(self, secret: str, *domains: str) -> None:
        """Host these components; the gateway that there has to be finds no server."""
        gateway = 'gateways."irc.hosting.test"'
        text = table("store", {"url": f"sqlite:///{self._config.parent}/xmppbridge.sqlite"})
        text += table(gateway, {"network": "irc"}) + table(f"{gateway}.irc", {})
        text += table(f"{gateway}.component", {"host": HOST, "port": 1, "secret": SECRET})
        text += table("components", {"listen": [f"{HOST}:{self.port}"]})
        for domain in domains:
            second = "replace" if domain == ROMEO else "refuse"
            values = {"secret": secret, "second_connection": second}
            text += table(f'components.domains."{domain}"', values)
        self._config.write_text(text)

    async def reload(self) -> None:
        """Have the configuration read again."""
        before = self.daemon.output().count("configuration")
        self.daemon.send_signal(signal.SIGHUP)
        while self.daemon.output().count("configuration") == before:
            await asyncio.sleep(0.02)


class Component(ComponentXMPP):
    """An ordinary component of slixmpp, which answers pings and keeps its messages."""

    def __init__(self, domain: str, port: int, secret: str = SECRET) -> None:
        super().__init__(domain, secret, HOST, port)
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0199")
        self.heard: asyncio.Queue[Message] = asyncio.Queue()
        self.condition = ""
        """Of the stream error that ended the stream, if one did."""
        self.gone = asyncio.Event()
        self._is_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.add_event_handler("session_start", lambda _: self._is_up.done() or self._is_up.set_result(None))
        self.add_event_handler("message", self.heard.put_nowait)
        self.add_event_handler("stream_error", self._failed)
        self.add_event_handler("disconnected", self._disconnected)

    def _failed(self, error) -> None:
        self.condition = error["condition"]

    def _disconnected(self, _: object) -> None:
        self.gone.set()
        if not self._is_up.done():
            self._is_up.set_exception(ConnectionRefusedError(self.condition))

    async def up(self) -> Component:
        """Connect; ConnectionRefusedError names the condition."""
        self.connect(HOST, self.server_port)
        await asyncio.wait_for(self._is_up, TIMEOUT)
        return self

    async def hears(self) -> Message:
        """Return the next message."""
        return await asyncio.wait_for(self.heard.get(), TIMEOUT)

    async def ping(self, to: str) -> None:
        """Have a ping answered (XEP-0199); IqError if it is refused."""
        await self.plugin["xep_0199"].send_ping(to, ifrom=f"one@{self.boundjid.host}", timeout=TIMEOUT)

    async def is_gone(self) -> str:
        """Wait for the end; returns the condition that was given for it."""
        await asyncio.wait_for(self.gone.wait(), TIMEOUT)
        return self.condition

    async def leave(self) -> None:
        """End the stream, if it has not ended, and what slixmpp leaves running."""
        if not self.gone.is_set():
            await asyncio.wait_for(self.disconnect(wait=1.0), TIMEOUT)
        if self._run_out_filters is not None:
            self._run_out_filters.cancel()


class Cast:
    """The host, and the components of one test."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._components: list[Component] = []

    def component(self, domain: str, secret: str = SECRET) -> Component:
        """Return a component that is not connected yet."""
        self._components.append(Component(domain, self.host.port, secret))
        return self._components[-1]

    async def close(self) -> None:
        """Everybody leaves."""
        for component in self._components:
            await component.leave()


@pytest.fixture
def cast(folder: Path, request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop) -> Iterator[Cast]:
    """A host of this test's own."""
    mine = folder / request.node.name
    mine.mkdir()
    host = Host(mine)
    host.daemon.start()
    made = Cast(host)
    yield made
    loop.run_until_complete(made.close())
    host.daemon.close()


async def test_components_talk_with_each_other(cast: Cast):
    """Messages and requests both ways, and within one domain."""
    romeo, juliet = await cast.component(ROMEO).up(), await cast.component(JULIET).up()
    romeo.send_message(mto=f"one@{JULIET}/x", mbody="<3 ♥", mtype="chat", mfrom=f"two@{ROMEO}")
    heard = await juliet.hears()
    assert (heard["body"], heard["from"], heard["to"]) == ("<3 ♥", f"two@{ROMEO}", f"one@{JULIET}/x")
    heard.reply("who?").send()
    assert (await romeo.hears())["body"] == "who?"
    await romeo.ping(JULIET)
    await juliet.ping(f"somebody@{ROMEO}")
    await juliet.ping(JULIET)


async def test_absent_component_is_answered_for_until_it_is_there(cast: Cast):
    """Its senders may try again, and then get through; after it has left, too."""
    romeo = await cast.component(ROMEO).up()
    for _ in range(2):
        with pytest.raises(IqError) as refused:
            await romeo.ping(JULIET)
        error = refused.value.iq.xml.find("{jabber:component:accept}error")
        assert error.get("type") == "wait"
        assert error.find("{urn:ietf:params:xml:ns:xmpp-stanzas}service-unavailable") is not None
        juliet = await cast.component(JULIET).up()
        await romeo.ping(JULIET)
        await juliet.leave()


@pytest.mark.parametrize(
    ("domain", "secret", "condition"),
    [(ROMEO, "guessed", "not-authorized"), (NURSE, SECRET, "host-unknown")],
)
async def test_component_that_is_not_known_is_refused(cast: Cast, domain: str, secret: str, condition: str):
    """XEP-0114 §3: a stream error says why, and the bridge's log says who it was."""
    with pytest.raises(ConnectionRefusedError, match=condition):
        await cast.component(domain, secret).up()
    assert f"the stream of {HOST} ended: {condition}" in cast.host.daemon.output()


async def test_second_connection_is_refused(cast: Cast):
    """The first one goes on."""
    romeo, juliet = await cast.component(ROMEO).up(), await cast.component(JULIET).up()
    with pytest.raises(ConnectionRefusedError, match="conflict"):
        await cast.component(JULIET).up()
    await juliet.ping(ROMEO)
    await romeo.ping(JULIET)


async def test_second_connection_replaces_the_first(cast: Cast):
    """Where that is wanted; the first is told."""
    first = await cast.component(ROMEO).up()
    second, juliet = await cast.component(ROMEO).up(), await cast.component(JULIET).up()
    assert await first.is_gone() == "conflict"
    juliet.send_message(mto=ROMEO, mbody="which one?", mfrom=JULIET)
    assert (await second.hears())["body"] == "which one?"
    assert first.heard.empty()


async def test_stanza_of_another_domain_ends_that_stream_only(cast: Cast):
    """It is delivered to nobody."""
    romeo, juliet = await cast.component(ROMEO).up(), await cast.component(JULIET).up()
    romeo.send_message(mto=JULIET, mbody="forged", mfrom=f"x@{NURSE}")
    assert await romeo.is_gone() == "invalid-from"
    await juliet.ping(JULIET)
    assert juliet.heard.empty()


async def test_reread_configuration_counts(cast: Cast):
    """SIGHUP: who was removed has to go, who was added may come, and secrets are the new ones."""
    romeo, juliet = await cast.component(ROMEO).up(), await cast.component(JULIET).up()
    cast.host.write_config("new", ROMEO, NURSE)
    await cast.host.reload()
    assert await juliet.is_gone() == "host-gone"
    nurse = await cast.component(NURSE, "new").up()
    await nurse.ping(ROMEO)
    await romeo.leave()
    with pytest.raises(ConnectionRefusedError, match="not-authorized"):
        await cast.component(ROMEO).up()
    await cast.component(ROMEO, "new").up()


async def test_stopped_bridge_says_goodbye(cast: Cast):
    """The stream is closed properly, and the process ends without delay."""
    romeo = await cast.component(ROMEO).up()
    cast.host.daemon.send_signal(signal.SIGTERM)
    assert await romeo.is_gone() == ""
    assert await asyncio.to_thread(cast.host.daemon.wait) == 0
