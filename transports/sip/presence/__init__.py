"""How people are, both ways (RFC 3856, RFC 3863, RFC 8048)."""
