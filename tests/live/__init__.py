"""Live tests: the gateway between real XMPP servers and real IRC servers, all on loopback."""
