"""Strict tests of the gateway stanza by stanza, with the test in the XMPP server's place (XEP-0114)."""
