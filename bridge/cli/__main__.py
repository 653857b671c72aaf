"""`python -m bridge.cli`, for a checkout that is not installed."""

from bridge.cli import main

main(prog_name="xmppbridge")
