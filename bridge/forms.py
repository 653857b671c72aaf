"""Declared settings and ad-hoc commands, as plain typed values.

A `Settings` struct is the single declaration of what a user may set: the data form, its
validation, storage and documentation are derived from the fields' `field_doc`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred

from bridge.events import UserId
from bridge.xmpp.payloads.forms import Field, FieldType, Form

__all__ = [
    "Ask",
    "Command",
    "CommandContext",
    "CommandStep",
    "Done",
    "Field",
    "FieldType",
    "Form",
    "Note",
    "Outcome",
    "Settings",
]


class Settings(Struct, frozen=True, kw_only=True):
    """Base of a network's per-user settings for one `Scope`; see `bridge.settings`.

    `title` and `instructions` head the form; ``{name}`` in them stands for `Network.name` of the
    address, ``{server}`` for its server's name, ``{room}`` for the room without ``%server``.
    """

    title: ClassVar[str] = "Configure {name}"
    instructions: ClassVar[str] = "Edit the form, to configure {name}."


class Note(Struct, frozen=True):
    """XEP-0050 §2.2.6: `level` is info, warn or error."""

    text: str
    level: str = "info"


class Done(Struct, frozen=True, kw_only=True):
    """The command is finished."""

    note: Note | None = None
    form: Form | None = None


class Ask(Struct, frozen=True, kw_only=True):
    """The command needs this form filled in; `proceed` gets the values by var.

    A field the client left out is absent from the mapping, and keeps its old value.
    `proceed` may raise BridgeError, upon which the form may be submitted again. `more` says that
    another form follows this one.
    """

    form: Form
    proceed: Callable[[Mapping[str, Sequence[str]]], Outcome]
    more: bool = False


Outcome = Done | Ask | Deferred[Any]
"""What one step of a command leads to; the Deferred fires with a `Done` or an `Ask`."""


class CommandContext(Struct, frozen=True, kw_only=True):
    """Who executes a command; `is_admin` by the operator's configuration."""

    user: UserId
    full_jid: str
    is_admin: bool = False
    language: str = ""


class CommandStep(Protocol):
    """The first step of a command."""

    def __call__(self, context: CommandContext, /) -> Outcome:
        """Begin; may raise BridgeError."""


class Command(Struct, frozen=True, kw_only=True):
    """An ad-hoc command (XEP-0050); `admin` ones are listed and executed by admins only."""

    node: str
    name: str
    begin: CommandStep
    admin: bool = False
