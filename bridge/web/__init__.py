"""The bridge's web server, and what the bridge fetches from the web."""
