"""`python -m tests.demo serve` runs the demonstration, `chat` opens a terminal client to it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.demo.serve import serve
from tests.demo.terminal import chat

FOLDER = Path(".demo").absolute()


def main() -> int:
    """Do what the command line says and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the demonstration until Ctrl-C")
    chatting = commands.add_parser("chat", help="open profanity, or else a chat line by line")
    chatting.add_argument("--lines", action="store_true", help="line by line even if there is profanity")
    arguments = parser.parse_args()
    return serve(FOLDER) if arguments.command == "serve" else chat(FOLDER, lines=arguments.lines)


if __name__ == "__main__":
    sys.exit(main())
