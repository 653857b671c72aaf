"""Dialogs and the sessions in them, as pure machines (RFC 3261 §12 to §15, RFC 3264)."""
