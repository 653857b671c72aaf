"""Biboumi's users' data into our store: settings, contacts, archive.

Run it while no bridge uses the store (its lock sees to that). What a user has set here already
stays; what was imported before is not imported twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from bridge.biboumi.addresses import Addresses
from bridge.biboumi.archive import ReaderSpan, read_lines, unite
from bridge.biboumi.source import Source
from bridge.network import Scope
from bridge.store import ArchivedMessage, StoreError
from bridge.store.archive import Archive
from bridge.store.connection import Connection, open_connection
from bridge.store.schema import migrate
from bridge.store.tables import SETTING, SUBSCRIPTION, Table

ROWS_PER_COMMIT = 20_000
"""Archive rows of one transaction."""

DEFAULT_HISTORY = 20
DEFAULT_PORTS = ("6667", "6697;6670")
DEFAULT_THROTTLE = 10
"""Biboumi's defaults: what equals them was hardly chosen, and is left to our operator's."""

TEXTS = {
    "address": "address_",
    "fingerprint": "trustedfingerprint_",
    "sasl_password": "saslpassword_",
    "nick": "nick_",
    "pass": "pass_",
    "username": "username_",
    "realname": "realname_",
    "encoding_out": "encodingout_",
    "encoding_in": "encodingin_",
}
"""Our name of a server's textual settings, and Biboumi's column."""


class Imported(Struct, kw_only=True):
    """How much was new; `skipped` counts rows that could not be understood or belong elsewhere."""

    settings: int = 0
    subscriptions: int = 0
    messages: int = 0
    spans: int = 0
    skipped: int = 0


def import_database(
    source_url: str, target_url: str, domain: str, *, now: float, fixed_server: str = ""
) -> Imported:
    """Copy Biboumi's data into the store at `target_url`, for the gateway `domain`. Blocks.

    URLs as in the two configurations; `now` is seconds since the epoch; `fixed_server` is the
    configuration's. Raises StoreError.
    """
    source = Source(source_url)
    try:
        target = open_connection(target_url)
        try:
            migrate(target)
            return _Import(source, target, domain, Addresses(fixed_server), now).run()
        except Exception as error:
            if target.is_database_error(error):
                raise StoreError(f"the import stopped: {error}") from error
            raise
        finally:
            target.close()
    finally:
        source.close()


class _Import:
    def __init__(
        self, source: Source, target: Connection, domain: str, addresses: Addresses, now: float
    ) -> None:
        self._source = source
        self._target = target
        self._domain = domain
        self._addresses = addresses
        self._now = now
        self._done = Imported()

    def run(self) -> Imported:
        with self._target.transaction():
            self._settings()
            self._subscriptions()
        self._archive()
        return self._done

    # ---- settings

    def _settings(self) -> None:
        rows = [*self._gateway_settings(), *self._server_settings(), *self._room_settings()]
        kept = [
            (self._domain, owner, scope.value, key, msgspec.json.encode(values))
            for owner, scope, key, values in rows
            if values
        ]
        self._done.settings = self._insert(SETTING, kept)

    def _gateway_settings(self) -> Iterator[tuple[str, Scope, str, dict[str, Any]]]:
        for row in self._source.rows("globaloptions_", "id_"):
            owner = self._addresses.owner(row.get("owner_", ""))
            if owner is None:
                self._skip()
                continue
            yield owner, Scope.GATEWAY, "", gateway_settings(row)

    def _server_settings(self) -> Iterator[tuple[str, Scope, str, dict[str, Any]]]:
        commands: dict[int, list[str]] = {}
        for row in self._source.rows("after_connection_commands_", "id_"):
            if row.get("afterconnectioncommand_"):
                commands.setdefault(row.get("fk_", 0), []).append(row["afterconnectioncommand_"])
        for row in self._source.rows("ircserveroptions_", "id_"):
            owner = self._addresses.owner(row.get("owner_", ""))
            server = self._addresses.server(row.get("server_", ""))
            if owner is None or server is None:
                self._skip()
                continue
            yield owner, Scope.SERVER, server, server_settings(row, commands.get(row["id_"], []))

    def _room_settings(self) -> Iterator[tuple[str, Scope, str, dict[str, Any]]]:
        for row in self._source.rows("ircchanneloptions_", "id_"):
            owner = self._addresses.owner(row.get("owner_", ""))
            room = self._addresses.room(row.get("channel_", ""), row.get("server_", ""))
            if owner is None or room is None:
                self._skip()
                continue
            yield owner, Scope.ROOM, room, room_settings(row)

    # ---- contacts

    def _subscriptions(self) -> None:
        """Biboumi notes whom it accepted, not whether he accepted it in turn."""
        kept = []
        for row in self._source.rows("roster"):
            contact = self._addresses.owner(row.get("remote", ""))
            local = self._addresses.local(row.get("local", ""))
            if contact is None or local is None:
                self._skip()
                continue
            kept.append((self._domain, contact, local, 1, 0))
        self._done.subscriptions = self._insert(SUBSCRIPTION, kept)

    # ---- archive

    def _archive(self) -> None:
        rows = self._source.rows("muclogline_", "date_", "id_")
        entries = unite(read_lines(rows, self._addresses, self._now, self._skip))
        archive = Archive(self._target)
        while chunk := list(islice(entries, ROWS_PER_COMMIT)):
            with self._target.transaction():
                messages = [(self._domain, one) for one in chunk if isinstance(one, ArchivedMessage)]
                spans = [one for one in chunk if isinstance(one, ReaderSpan)]
                self._done.messages += archive.insert_counted(messages)
                for span in spans:
                    self._done.spans += archive.put_span(
                        self._domain, span.room, span.owner, span.first, span.last
                    )

    def _skip(self) -> None:
        self._done.skipped += 1

    def _insert(self, table: Table, rows: Iterable[tuple[Any, ...]]) -> int:
        """Insert rows whose keys are new; return how many."""
        width = len(table.keys)
        known = {row[:width] for row in self._target.execute(table.select)}
        fresh = {row[:width]: row for row in rows if row[:width] not in known}
        self._target.insert(table, list(fresh.values()))
        return len(fresh)


def gateway_settings(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a user's ``globaloptions_`` as our settings."""
    settings: dict[str, Any] = {}
    if row.get("maxhistorylength_", DEFAULT_HISTORY) != DEFAULT_HISTORY:
        settings["max_history_length"] = max(0, row["maxhistorylength_"])
    if not row.get("recordhistory_", True):
        settings["record_history"] = False
    if "persistent_" in row:
        # kept in any case: Biboumi's default was the operator's choice
        settings["persistent"] = bool(row["persistent_"])
    return settings


def server_settings(row: Mapping[str, Any], commands: list[str]) -> dict[str, Any]:
    """Return a user's ``ircserveroptions_`` as our settings.

    The history length is left out: Biboumi labelled it "Throttle limit" and did not use it.
    """
    settings: dict[str, Any] = {ours: row[theirs] for ours, theirs in TEXTS.items() if row.get(theirs)}
    plain, secure = row.get("ports_", DEFAULT_PORTS[0]), row.get("tlsports_", DEFAULT_PORTS[1])
    if (plain, secure) != DEFAULT_PORTS:
        settings["ports"], settings["tls_ports"] = _ports(plain), _ports(secure)
    if not row.get("verifycert_", True):
        settings["verify_cert"] = False
    if row.get("throttlelimit_", DEFAULT_THROTTLE) != DEFAULT_THROTTLE:
        settings["throttle_limit"] = max(-1, row["throttlelimit_"])
    if commands:
        settings["after_connect_commands"] = commands
    return settings


def room_settings(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a user's ``ircchanneloptions_`` as our settings; recording is 1, -1, or 0 for unset."""
    settings: dict[str, Any] = {
        ours: row[TEXTS[ours]] for ours in ("encoding_out", "encoding_in") if row.get(TEXTS[ours])
    }
    recording = row.get("recordhistory_", 0)
    if recording:
        settings["record_history"] = recording > 0
    if row.get("persistent_"):
        settings["persistent"] = True
    return settings


def _ports(written: str) -> list[int]:
    """Read ``6697;6670``."""
    return [int(port) for port in written.split(";") if port.strip().isdecimal() and 0 < int(port) < 65536]
