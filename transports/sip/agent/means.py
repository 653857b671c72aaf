"""By what requests are sent, and what goes with them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from msgspec import Struct

from transports.sip.agent.guard import Guard
from transports.sip.agent.locate import Locator
from transports.sip.agent.routing import Hop
from transports.sip.agent.user_agent import Agent
from transports.sip.wire.request import Token
from transports.sip.wire.uri import Uri

ContactOf = Callable[[str, Hop], Uri]
"""Makes the URI under which a user part is reached by what comes from a hop."""


class Means(Struct, frozen=True):
    """See the module's docstring. `clock` is the reactor, `token` makes words that nobody can guess."""

    agent: Agent
    locator: Locator
    guard: Guard
    clock: Any
    random: Random
    token: Token
    contact_of: ContactOf
