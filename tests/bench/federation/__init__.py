"""Load on a server from its peers and components: see `tests.bench.federation.__main__`."""
