"""How many calls there may be, and how long each step of one may take; times are in seconds."""

from __future__ import annotations

CALLS_PER_USER = 8
"""Calls that one user may have at once, in whatever state."""
CALLS = 10_000
"""Calls of one gateway."""
RING_TIME = 120.0
"""How long it rings at the user's clients."""
SILENCE = 2.0
"""After which a client that knows XEP-0353 is taken to ring, though it does not say so."""
PATIENCE = 180.0
"""How long the network may take to answer a call of the user's."""
INITIATE_TIME = 30.0
"""From the news that a call is taken to the beginning of its session, and from there to its acceptance."""
ANSWER_TIME = 30.0
"""How long a client may take to answer what is offered in a call that stands."""
PING_INTERVAL, RINGING_PING_INTERVAL = 60.0, 10.0
"""Between two looks whether the client is there: in a call that stands, and while it waits for an answer."""
CANDIDATES_KEPT = 64
"""Pieces of news about candidates that wait in one direction of a call."""
STEPS_KEPT = 8
"""Offers of a client that wait for the end of an earlier one."""
DIRECT_DEVICES = 10
"""Clients of a user that are called one by one."""
DEVICES = 100_000
"""Clients of all users that are known to be there, each for each contact that it shows itself to."""
DEVICES_KNOWN = 2_000
"""Kinds of clients of which it is known what they can do."""
