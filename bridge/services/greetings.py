"""Two commands to try whether commands work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.forms import Ask, Command, CommandContext, Done, Field, FieldType, Form, Note
from bridge.network import Address, GatewayAddress

_NAME = Form(
    title="Configure your name.",
    instructions="Please provide your name.",
    fields=(Field(var="name", type=FieldType.TEXT_SINGLE, label="Your name", required=True),),
)


def greetings(address: Address) -> Sequence[Command]:
    """Offer them at the gateway."""
    if not isinstance(address, GatewayAddress):
        return ()
    return (
        Command(node="ping", name="Do a ping", begin=_ping),
        Command(node="hello", name="Receive a custom greeting", begin=_hello),
    )


def _ping(_context: CommandContext) -> Done:
    return Done(note=Note("Pong"))


def _hello(_context: CommandContext) -> Ask:
    return Ask(form=_NAME, proceed=_greet)


def _greet(values: Mapping[str, Sequence[str]]) -> Done:
    return Done(note=Note(f"Hello {values['name'][0]}!"))
