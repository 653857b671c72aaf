"""The edge towards XMPP servers."""
