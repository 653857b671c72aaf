"""The two servers talk with each other in every way in which the bridge is tried with them."""

import pytest

from tests.live.cast.stanzas import Pattern
from tests.live.federation.stage import A, B, Federation

HELLO = Pattern("message", type="chat", body="hello")


@pytest.mark.parametrize("kind", ["", "strict.", "self-signed.", "clear.", "direct."])
async def test_servers_without_the_bridge_talk(federation: Federation, kind: str):
    """A message goes each way: by certificate, by dialback over TLS, where TLS is optional, by direct TLS."""
    alice = await federation.person("alice", kind + A, (B,))
    bob = await federation.person("bob", kind + B, (A,))
    alice.say(bob.jid, "hello", type="chat")
    await bob.mailbox.find(HELLO)
    bob.say(alice.jid, "hello", type="chat")
    await alice.mailbox.find(HELLO)
    await alice.log_out()
    await bob.log_out()
