"""Short messages without a session (RFC 3428, RFC 7572)."""
