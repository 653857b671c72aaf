"""Links that only we can write."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.events import UserId
from bridge.web.links import NAME_LENGTH, STEP, Expired, Forged, Links, Slot, clean_name

DOMAIN = "mx.example"
DAY = 86_400
NOW = 1_800_000_000.0


class Time:
    """The wall clock."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def links(key: bytes = b"key", time: Time | None = None) -> Links:
    return Links("https://files.example/x/", key, DAY, time or Time())


def parts(url: str) -> tuple[str, str]:
    """Token and file name of a link."""
    token, name = urlsplit(url).path.split("/")[-2:]
    return token, unquote(name)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_link_leads_to_what_it_was_made_for(name: str, filename: str):
    """Whatever the network calls the file, and people; the address holds nothing but ASCII."""
    made = links()
    url = made.link(DOMAIN, name, filename)
    assert url.isascii() and url.startswith("https://files.example/x/media/mx.example/")
    assert made.file(DOMAIN, *parts(url))[0] == name
    assert made.linked(DOMAIN, url) == name


@given(st.integers(0, 200), st.integers(1, 255))
def test_changed_token_is_none_of_ours(at: int, change: int):
    """Whichever part of it is changed."""
    made = links()
    token, name = parts(made.link(DOMAIN, "server/id", "rose.png"))
    at %= len(token)
    other = token[:at] + chr(33 + (ord(token[at]) + change) % 94) + token[at + 1 :]
    # the last character has bits that say nothing
    if at < len(token) - 1 and other != token:
        with pytest.raises(Forged):
            made.file(DOMAIN, other, name)


@pytest.mark.parametrize("token", ["", "é", "AAAA", "=" * 9, "A" * 60])
def test_odd_token_is_none_of_ours(token: str):
    """Whatever stands in a path."""
    with pytest.raises(Forged):
        links().file(DOMAIN, token, "rose.png")


def test_link_is_bound_to_domain_name_and_key():
    """It works for no other gateway, under no other name, and not with another key."""
    token, name = parts(links().link(DOMAIN, "server/id", "rose.png"))
    for made, domain, filename in (
        (links(), "other.example", name),
        (links(), DOMAIN, "rose.exe"),
        (links(b"other"), DOMAIN, name),
    ):
        with pytest.raises(Forged):
            made.file(domain, token, filename)


def test_link_expires_after_its_time():
    """Then it leads nowhere; before, it says how long it lives."""
    time = Time()
    made = links(time=time)
    url = made.link(DOMAIN, "server/id", "rose.png")
    assert DAY <= made.file(DOMAIN, *parts(url))[1] <= DAY + STEP
    assert made.link(DOMAIN, "server/id", "rose.png") == url
    time.now += DAY + STEP + 1
    with pytest.raises(Expired):
        made.file(DOMAIN, *parts(url))
    assert made.linked(DOMAIN, url) is None


@pytest.mark.parametrize(
    "url", ["", "https://files.example/x/media/mx.example/", "https://[", "http://a/b/c"]
)
def test_other_address_is_no_link_of_ours(url: str):
    """It is fetched like any other."""
    assert links().linked(DOMAIN, url) is None


def test_slot_is_read_back_and_is_no_link():
    """What allows to write does not allow to read, and the other way round."""
    made = links()
    slot = Slot(DOMAIN, UserId("romeo@example"), "server/id", "rose.png", "image/png", 5)
    put, token = made.slot(slot, 60)
    assert put == "https://files.example/x/media/mx.example/upload/rose.png"
    assert made.read_slot(token) == slot
    with pytest.raises(Forged):
        made.file(DOMAIN, token, "rose.png")
    with pytest.raises(Forged):
        made.read_slot(parts(made.link(DOMAIN, "server/id", "rose.png"))[0])


def test_slot_expires_after_its_time():
    """A leave that was not used is none any more."""
    time = Time()
    made = links(time=time)
    _, token = made.slot(Slot(DOMAIN, UserId("romeo@example"), "server/id", "rose.png", "", 5), 60)
    time.now += 62
    with pytest.raises(Expired):
        made.read_slot(token)


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("rose.png", "rose.png"),
        ("../../etc/passwd", "....etcpasswd"),
        ("..", "file"),
        ("", "file"),
        ("a\nb\u202ec.png", "abc.png"),
    ],
)
def test_file_name_is_one_step_of_a_path(written: str, cleaned: str):
    """It leads nowhere else, and shows as what it is."""
    assert clean_name(written) == cleaned


def test_long_file_name_keeps_its_ending():
    """By which it is opened."""
    cleaned = clean_name("a" * 500 + ".png")
    assert len(cleaned) <= NAME_LENGTH and cleaned.endswith("a.png")
    assert len(clean_name("a" * 500)) <= NAME_LENGTH
