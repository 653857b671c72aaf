"""The demonstration behind `make demo`: an IRC server, Prosody and the gateway on loopback."""
