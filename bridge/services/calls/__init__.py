"""Calls: what clients say of them by Jingle (XEP-0166, XEP-0353), as `bridge.calls` has it."""
