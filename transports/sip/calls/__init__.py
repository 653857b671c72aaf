"""Calls: each joins a dialog of SIP, its media, and its side on XMPP."""
