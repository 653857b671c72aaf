"""SIP on the wire: bytes to messages and back, and what stands in them; all of it pure."""
