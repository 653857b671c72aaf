"""How fast SIP is read and written."""
