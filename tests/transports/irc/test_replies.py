"""What the user reads of the server's words, and in which order."""

from __future__ import annotations

import pytest

from bridge.events import ChangeNick, Command, Exited, NickRefused, ServerNotice

from .script import SERVER, World, room


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("002 romeo :Your host is here", f"{SERVER}: Your host is here "),
        ("353 romeo = #other :@op!o@host voice", f"{SERVER}: = #other @op voice "),
        ("366 romeo #other :End of /NAMES list.", f"{SERVER}: #other End of /NAMES list. "),
        ("311 romeo paris ~p host * :Paris", f"{SERVER}: paris ~p host * Paris"),
        ("422 romeo :MOTD File is missing", f"{SERVER}: MOTD File is missing: Unspecified error"),
        ("443 romeo paris #chan :is already on channel", "paris is already on channel #chan"),
        ("900 romeo romeo!u@h acc :You are now logged in as acc", f"{SERVER}: You are now logged in as acc"),
    ],
)
def test_numeric_is_shown_in_biboumis_words(line: str, words: str):
    """Scripts of its users match them."""
    romeo = World().client("romeo").in_room()
    romeo.feed(f":{SERVER} {line}")
    assert romeo.event(ServerNotice).text == words


def test_capabilities_of_the_server_are_not_shown():
    """RPL_MYINFO is for programs."""
    romeo = World().client("romeo").in_room()
    romeo.feed(f":{SERVER} 004 romeo {SERVER} v1 io nt")
    assert romeo.events() == []


def test_refusal_is_read_before_what_comes_of_it():
    """While the clients are still where they get to read it."""
    romeo = World().client("romeo").in_room()
    romeo.submit(ChangeNick(room=room("#chan"), nick="paris"))
    romeo.feed(f":{SERVER} 433 romeo paris :Nickname is already in use.")
    notice, refused = romeo.events()
    assert notice.text == f"{SERVER}: paris: Nickname is already in use."
    assert isinstance(refused, NickRefused)


def test_quit_in_the_users_own_words_ends_with_the_servers():
    """Out of the rooms first, with the whole reason, and then the farewell."""
    romeo = World().client("romeo").in_room()
    romeo.submit(Command(server=SERVER, line="QUIT bye bye"))
    _sent, exited, *farewell = romeo.events()
    assert isinstance(exited, Exited)
    assert exited.reason == "bye bye"
    assert [each.text for each in farewell] == ["ERROR: Quit: bye bye", "ERROR: Connection closed."]
    assert romeo.lines() == ["QUIT :bye bye"]
