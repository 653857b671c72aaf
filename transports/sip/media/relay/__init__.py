"""The embedded relay: a process of its own that passes media on, for small set-ups without rtpengine."""
