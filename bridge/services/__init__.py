"""Everything with a JID that the bridge answers itself."""
