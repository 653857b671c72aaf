"""A real homeserver beside the bridge."""
