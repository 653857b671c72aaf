"""Guests of ours in rooms of real servers."""
