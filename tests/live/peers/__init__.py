"""Servers that a test starts, stops, kills and starts again: private folders, free ports, loopback only."""
