"""Chats that have a session: MSRP (RFC 4975), as RFC 7573 has it between SIP and XMPP."""
