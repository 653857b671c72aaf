"""Who plays in a test: people on XMPP, people on IRC, and IRC servers that follow a script."""
