"""XMPP vocabulary: pure values and machines, no sockets and no clock."""
