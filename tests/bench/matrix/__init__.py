"""Load on the Matrix gateway, against a real homeserver."""
