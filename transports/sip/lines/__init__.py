"""Trunks and users' own accounts: how they are reached, who may use them, and for what."""
