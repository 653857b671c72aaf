"""People of a network as guests in rooms of XMPP; `service` is the wiring."""
