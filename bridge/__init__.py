"""xmppbridge: the XMPP side, the router and the services; networks live in ``transports``."""

__version__ = "0.1.0"
