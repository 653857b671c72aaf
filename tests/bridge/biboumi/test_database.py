"""Biboumi's users' data in our store."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess

import msgspec
import pytest

from bridge.biboumi import Imported, import_database
from bridge.biboumi.source import Source
from bridge.network import Scope
from bridge.settings import decode_settings
from bridge.store import Store, StoreError, Subscription
from transports.irc.settings import GatewaySettings, RoomSettings, ServerSettings

GW = "irc.example.org"
ROOM = "#balcony%irc.example.net"
ROMEO = "romeo@montague.lit"
JULIET = "juliet@capulet.lit"
NOW = 1_700_000_000.0
THEN = 1_600_000_000


class Target:
    """Our store: imported into, then opened."""

    def __init__(self, url: str) -> None:
        self.url = url

    def take(self, biboumi, **options) -> Imported:
        return import_database(biboumi.url, self.url, GW, now=NOW, **options)

    def __enter__(self) -> Target:
        self._calls = queue.SimpleQueue()
        self.store = Store(self.url, lambda *call: self._calls.put(call), lambda: NOW)
        self.wait(self.store.start())
        return self

    def __exit__(self, *_) -> None:
        self.wait(self.store.stop())

    def wait(self, deferred):
        results = []
        deferred.addCallback(results.append)
        while not results:
            function, *arguments = self._calls.get(timeout=20)
            function(*arguments)
        return results[0]

    def bodies(self, owner: str, room: str = ROOM) -> list[str]:
        return [one.body for one in self.wait(self.store.history(GW, room, owner, 100))]

    def settings(self, owner: str, scope: Scope, key: str, kind):
        return decode_settings(kind, self.store.get_setting(GW, owner, scope.value, key))


@pytest.fixture
def target(tmp_path) -> Target:
    return Target(str(tmp_path / "xmppbridge.sqlite"))


SERVER = {
    "owner_": ROMEO,
    "server_": "irc.example.net",
    "pass_": "pass",
    "tlsports_": "6697;6670",
    "ports_": "6667",
    "username_": "",
    "realname_": "Romeo M.",
    "verifycert_": 1,
    "trustedfingerprint_": "",
    "encodingout_": "",
    "encodingin_": "cp1251",
    "maxhistorylength_": 3,
    "address_": "",
    "nick_": "Romeo",
    "saslpassword_": "sesame",
    "throttlelimit_": 10,
}


def test_import_takes_server_settings_over(biboumi, target):
    """A user finds his nick, passwords and commands again."""
    biboumi.add("ircserveroptions_", **SERVER)
    biboumi.add("after_connection_commands_", fk_=1, afterconnectioncommand_="MODE Romeo +x")
    biboumi.add("after_connection_commands_", fk_=1, afterconnectioncommand_="PRIVMSG Q :hi")
    assert target.take(biboumi) == Imported(settings=1)
    with target:
        found = target.settings(ROMEO, Scope.SERVER, "irc.example.net", ServerSettings)
    assert found == ServerSettings(
        password="pass",
        realname="Romeo M.",
        encoding_in="cp1251",
        nick="Romeo",
        sasl_password="sesame",
        after_connect_commands=("MODE Romeo +x", "PRIVMSG Q :hi"),
    )


def test_import_takes_what_differs_from_biboumis_defaults(biboumi, target):
    """Ports, trust and pacing that a user chose are kept."""
    changed = {
        "ports_": "6668",
        "tlsports_": "",
        "verifycert_": 0,
        "trustedfingerprint_": "AB:CD",
        "throttlelimit_": -1,
        "address_": "10.0.0.1",
    }
    biboumi.add("ircserveroptions_", **{**SERVER, **changed})
    target.take(biboumi)
    with target:
        found = target.settings(ROMEO, Scope.SERVER, "irc.example.net", ServerSettings)
    assert (found.ports, found.tls_ports, found.verify_cert) == ((6668,), (), False)
    assert (found.fingerprint, found.throttle_limit, found.address) == ("AB:CD", -1, "10.0.0.1")


def test_import_takes_gateway_and_channel_settings_over(biboumi, target):
    """History and persistence are as they were; a channel's recording may be unset."""
    biboumi.add("globaloptions_", owner_=ROMEO, maxhistorylength_=5, recordhistory_=0, persistent_=1)
    for channel, recording in (("#a", -1), ("#b", 0), ("#C", 1)):
        biboumi.add(
            "ircchanneloptions_",
            owner_=ROMEO,
            server_="irc.example.net",
            channel_=channel,
            encodingout_="latin1",
            recordhistory_=recording,
            persistent_=1,
        )
    target.take(biboumi)
    with target:
        found = target.settings(ROMEO, Scope.GATEWAY, "", GatewaySettings)
        rooms = [
            target.settings(ROMEO, Scope.ROOM, f"#{name}%irc.example.net", RoomSettings) for name in "abc"
        ]
    assert found == GatewaySettings(max_history_length=5, record_history=False, persistent=True)
    assert [room.record_history for room in rooms] == [False, None, True]
    assert all(room.encoding_out == "latin1" and room.persistent for room in rooms)


def test_import_once_more_changes_nothing(biboumi, target):
    """A second run finds everything there, and leaves what the user has changed since."""
    biboumi.add("ircserveroptions_", **SERVER)
    biboumi.add("roster", local=GW, remote=ROMEO)
    biboumi.log(ROMEO, THEN, "one")
    first = target.take(biboumi)
    assert first == Imported(settings=1, subscriptions=1, messages=1, spans=1)
    with target:
        target.store.put_setting(GW, ROMEO, "server", "irc.example.net", b"{}")
    biboumi.log(ROMEO, THEN + 60, "two")
    assert target.take(biboumi) == Imported(messages=1)
    assert target.take(biboumi) == Imported()
    with target:
        assert target.bodies(ROMEO) == ["one", "two"]
        assert target.store.get_setting(GW, ROMEO, "server", "irc.example.net") == b"{}"


def test_import_takes_contacts_over(biboumi, target):
    """Whoever had the gateway or a server in his roster keeps them."""
    biboumi.add("roster", local=GW, remote=ROMEO)
    biboumi.add("roster", local=f"irc.example.net@{GW}", remote=ROMEO)
    biboumi.add("roster", local=GW, remote="@@")
    assert target.take(biboumi) == Imported(subscriptions=2, skipped=1)
    with target:
        found = sorted(target.store.subscriptions(GW), key=lambda one: one.local)
    assert found == [
        Subscription(domain=GW, local=local, contact=ROMEO, inbound=True, outbound=False)
        for local in ("", "irc.example.net")
    ]


def test_import_unites_the_copies_of_a_message(biboumi, target):
    """A message that three users had is kept once, and all three read it."""
    for lag, owner in enumerate((ROMEO, JULIET, "nurse@capulet.lit")):
        biboumi.log(owner, THEN + lag, "hello")
        biboumi.log(owner, THEN + lag, "/me waves")
    assert target.take(biboumi) == Imported(messages=2, spans=3)
    with target:
        for owner in (ROMEO, JULIET, "nurse@capulet.lit"):
            assert target.bodies(owner) == ["hello", "waves"]
        page = target.wait(target.store.page(GW, ROOM, ROMEO, limit=9))
    assert [one.kind for one in page.messages] == ["text", "emote"]
    assert [one.id for one in page.messages] == [THEN * 1_000_000, THEN * 1_000_000 + 1]


def test_import_lets_each_user_read_exactly_what_he_had(biboumi, target):
    """Nobody comes to read what was said while he was away."""
    said = [
        ("a", (ROMEO, JULIET)),
        ("b", (ROMEO,)),
        ("c", (JULIET,)),
        ("d", (ROMEO, JULIET)),
        ("e", (ROMEO,)),
    ]
    for minute, (body, owners) in enumerate(said):
        for owner in owners:
            biboumi.log(owner, THEN + 60 * minute, body)
    target.take(biboumi)
    with target:
        assert target.bodies(ROMEO) == ["a", "b", "d", "e"]
        assert target.bodies(JULIET) == ["a", "c", "d"]
        assert target.bodies(ROMEO, "#other%irc.example.net") == []


def test_import_keeps_what_was_really_said_twice(biboumi, target):
    """Somebody who says "ok" twice said it twice."""
    for owner in (ROMEO, JULIET):
        for _ in range(2):
            biboumi.log(owner, THEN, "ok")
    biboumi.log(ROMEO, THEN + 10, "ok")
    assert target.take(biboumi).messages == 3
    with target:
        assert target.bodies(ROMEO) == ["ok", "ok", "ok"]
        assert target.bodies(JULIET) == ["ok", "ok"]


def test_import_of_a_long_silence_ends_the_span(biboumi, target):
    """What another gateway archived for others in between does not become his."""
    biboumi.log(ROMEO, THEN, "before")
    biboumi.log(ROMEO, THEN + 7 * 3600, "after")
    assert target.take(biboumi).spans == 2


def test_import_skips_rows_without_use_and_counts_them(biboumi, target):
    """Rows that cannot be right are counted, not guessed at."""
    biboumi.log("not a jid@", THEN, "x")
    biboumi.log(ROMEO, int(NOW) + 1000, "from the future")
    biboumi.log(ROMEO, 0, "from the epoch")
    biboumi.add("ircserveroptions_", **{**SERVER, "owner_": "@"})
    assert target.take(biboumi) == Imported(skipped=4)


def test_import_for_a_fixed_server_uses_its_short_addresses(biboumi, target):
    """With a fixed server rooms are called by their channel alone; other servers' rows are left."""
    biboumi.add("ircserveroptions_", **SERVER)
    biboumi.add("ircserveroptions_", **{**SERVER, "server_": "other.example.net"})
    biboumi.log(ROMEO, THEN, "hello")
    done = target.take(biboumi, fixed_server="irc.example.net")
    assert done == Imported(settings=1, messages=1, spans=1, skipped=1)
    with target:
        assert target.bodies(ROMEO, "#balcony") == ["hello"]
        assert target.settings(ROMEO, Scope.SERVER, "", ServerSettings).nick == "Romeo"


def test_import_of_an_old_database_takes_what_there_is(biboumi, target):
    """Tables and columns that came with later releases may be missing."""
    biboumi.execute("DROP TABLE roster")
    biboumi.execute("DROP TABLE after_connection_commands_")
    biboumi.execute("ALTER TABLE ircserveroptions_ DROP COLUMN throttlelimit_")
    biboumi.add("ircserveroptions_", owner_=ROMEO, server_="irc.example.net", nick_="Romeo")
    assert target.take(biboumi) == Imported(settings=1)
    with target:
        found = target.settings(ROMEO, Scope.SERVER, "irc.example.net", ServerSettings)
    assert found == ServerSettings(nick="Romeo")


def test_import_from_and_into_postgresql_is_the_same(postgresql_biboumi, postgresql_url):
    """Both databases may be PostgreSQL, here even one schema."""
    postgresql_biboumi.add("ircserveroptions_", **SERVER)
    postgresql_biboumi.add("after_connection_commands_", fk_=1, afterconnectioncommand_="MODE Romeo +x")
    postgresql_biboumi.add("roster", local=GW, remote=ROMEO)
    for owner in (ROMEO, JULIET):
        postgresql_biboumi.log(owner, THEN, "hello")
    target = Target(postgresql_url)
    expected = Imported(settings=1, subscriptions=1, messages=1, spans=2)
    assert target.take(postgresql_biboumi) == expected
    assert target.take(postgresql_biboumi) == Imported()
    with target:
        found = target.settings(ROMEO, Scope.SERVER, "irc.example.net", ServerSettings)
        assert found.after_connect_commands == ("MODE Romeo +x",)
        assert target.bodies(JULIET) == ["hello"]


def test_import_from_a_file_that_is_not_there_is_refused(target, tmp_path):
    """A wrong path is told, and makes no file."""
    missing = str(tmp_path / "missing.sqlite")
    with pytest.raises(StoreError, match="no such database"):
        import_database(missing, target.url, GW, now=NOW)
    assert not os.path.exists(missing)


def test_import_from_something_else_is_refused(target, tmp_path):
    """A file that is no database is told."""
    other = tmp_path / "other"
    other.write_text("hostname=x\n" * 1000)
    with pytest.raises(StoreError, match="not a database"):
        import_database(str(other), target.url, GW, now=NOW)


def test_import_into_a_store_in_use_is_refused(biboumi, target):
    """A running bridge would overwrite what was imported."""
    with target, pytest.raises(StoreError, match="another process"):
        target.take(biboumi)


def test_import_reads_what_the_installed_biboumi_creates(tmp_path, target):
    """The tables of these tests are those of the real program."""
    program = shutil.which("biboumi")
    assert program is not None, "biboumi is not installed (Debian: apt-get install biboumi)"
    database = tmp_path / "real.sqlite"
    options = (
        "hostname=x",
        "password=x",
        "xmpp_server_ip=127.0.0.1",
        "port=1",
        f"db_name={database}",
        "log_level=3",
    )
    (tmp_path / "biboumi.cfg").write_text("\n".join(options) + f"\nlog_file={tmp_path}/log\nidentd_port=0\n")
    subprocess.run([program, str(tmp_path / "biboumi.cfg")], timeout=20, stdout=subprocess.DEVNULL)
    source = Source(str(database))
    assert list(source.rows("muclogline_", "date_", "id_")) == []
    source.close()
    assert import_database(str(database), target.url, GW, now=NOW) == Imported()


def test_settings_names_are_those_of_the_irc_network():
    """A renamed setting would be dropped without a word: the names are compared."""
    ours = {field.encode_name for field in msgspec.structs.fields(ServerSettings)}
    from bridge.biboumi.database import TEXTS

    names = {"ports", "tls_ports", "verify_cert", "throttle_limit", "after_connect_commands"}
    assert set(TEXTS) | names <= ours
