"""The bridge as a server among servers: Prosody, ejabberd and an IRC server around it."""
