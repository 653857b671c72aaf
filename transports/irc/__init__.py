"""IRC: channels as rooms, one connection per user and server (RFC 1459, RFC 2812, IRCv3)."""
