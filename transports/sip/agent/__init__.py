"""The user agent: transactions, connections, and whom it speaks with (RFC 3261 §17, §18; RFC 3263)."""
