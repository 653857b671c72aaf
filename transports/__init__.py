"""The adapters to foreign networks, one package each."""
