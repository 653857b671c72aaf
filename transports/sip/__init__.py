"""SIP: messages, transactions, dialogs and sessions, as pure machines (RFC 3261 and its extensions)."""
