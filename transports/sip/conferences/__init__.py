"""Conferences by text: users in those of SIP, and people of SIP in rooms of XMPP (RFC 7702)."""
