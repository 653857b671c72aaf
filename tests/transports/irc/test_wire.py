"""Lines in and out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transports.irc.wire import (
    MAX_CLIENT_TAGS,
    MAX_LINE,
    Line,
    LineBuffer,
    UnsafeParameter,
    encode,
    is_charset,
    parse,
    room_for_text,
    split_points,
    split_text,
)

few = settings(max_examples=60, deadline=None)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
words = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=" "), min_size=1, max_size=12
)
middles = words.filter(lambda word: word[0] != ":")
commands = st.sampled_from(["PRIVMSG", "JOIN", "MODE", "001", "433"])


def read(raw: bytes, **options: object) -> Line:
    line = parse(raw, **options)
    assert line is not None
    return line


@pytest.mark.parametrize(
    ("raw", "command", "params"),
    [
        (b"PING :a b", "PING", ("a b",)),
        (b"ping tok", "PING", ("tok",)),
        (b":irc.example.org 001 me :Hi  there ", "001", ("me", "Hi  there ")),
        (b"MODE  #c   +o  x ", "MODE", ("#c", "+o", "x")),
        (b"PRIVMSG #c ::)", "PRIVMSG", ("#c", ":)")),
        (b"PRIVMSG #c :", "PRIVMSG", ("#c", "")),
        (b"QUIT", "QUIT", ()),
        (b"  NOTICE * hi", "NOTICE", ("*", "hi")),
        (b"PRIVMSG #c :a :b", "PRIVMSG", ("#c", "a :b")),
        (b"PRIVMSG #c :a\rb\0c\r\n", "PRIVMSG", ("#c", "abc")),
        (b"PRIVMSG #c a\tb", "PRIVMSG", ("#c", "a\tb")),
    ],
)
@pytest.mark.spec("RFC 2812 §2.3")
def test_a_line_is_read_into_command_and_parameters(raw, command, params):
    """Spaces may be many, the last parameter may hold spaces, the command is in capitals."""
    line = read(raw)
    assert (line.command, line.params) == (command, params)


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"   ", b":only.a.source", b"@only=tags", b"\xff\xfe", b": ", b"@ : :"]
)
def test_a_line_without_a_command_is_nothing(raw):
    """Blank lines and garbage are left out."""
    assert parse(raw) is None


@pytest.mark.parametrize(
    ("source", "nick", "user", "host"),
    [
        ("n!u@h", "n", "u", "h"),
        ("irc.example.org", "irc.example.org", "", ""),
        ("n@h", "n", "", "h"),
        ("n!u", "n", "u", ""),
        ("n!~u@gateway/web/x@y", "n", "~u", "gateway/web/x@y"),
        ("", "", "", ""),
    ],
)
def test_a_source_is_taken_apart(source, nick, user, host):
    """Nick, user and host each may be missing."""
    line = read(f":{source} QUIT".encode())
    assert (line.source, line.nick, line.user, line.host) == (source, nick, user, host)


@pytest.mark.spec("IRCv3 message-tags")
def test_tags_are_unescaped():
    """Each escape of the specification, an invalid one, and a lone backslash at the end."""
    line = read(rb"@a=\:\s\\\r\n;b;c=;+d/e=x=y;f=\b;g=end\ :n PRIVMSG #c :hi")
    assert line.tags == {"a": "; \\\r\n", "b": "", "c": "", "+d/e": "x=y", "f": "b", "g": "end"}
    assert line.params == ("#c", "hi")


def test_of_equal_tags_the_last_counts():
    """And an empty key is no tag."""
    assert read(b"@a=1;;=x;a=2 PING").tags == {"a": "2"}


def test_a_tag_that_is_not_utf8_loses_its_value():
    """No replacement characters stand in it, which might make two values one."""
    assert read(b"@a=\xff;b=\xc3\xa9 PING").tags == {"a": "", "b": "é"}


def test_tags_are_utf8_when_the_words_are_not():
    """Tags do not follow the charset of the rest."""
    line = read(b"@a=\xc3\xa9 PRIVMSG #c :caf\xe9")
    assert line.tags == {"a": "é"}
    assert line.params[1] == "café"


@pytest.mark.parametrize(
    ("raw", "options", "text"),
    [
        (b"caf\xc3\xa9", {}, "café"),
        (b"caf\xe9", {}, "café"),
        (b"\x80", {}, "€"),
        (b"\x81", {}, "�"),
        (b"\xa4", {"fallback": "iso8859-15"}, "€"),
        (b"\xcf\xf0\xe8", {"fallback": "cp1251"}, "При"),
        (b"caf\xe9!", {"utf8_only": True}, "caf�!"),
        (b"caf\xe9!", {"fallback": "no-such-charset"}, "caf�!"),
        (b"caf\xe9!", {"fallback": "hex"}, "caf�!"),
        ("d\u00e9j\u00e0 vu \u20ac".encode()[:-1], {}, "déjà vu "),
    ],
)
def test_words_are_shown_as_well_as_they_can_be(raw, options, text):
    """UTF-8 first, then the fallback, then U+FFFD; a character that a server cut is left out."""
    assert read(b"PRIVMSG #c :" + raw, **options).params[1] == text


def test_charsets_are_those_that_extend_ascii():
    """What the configuration may name as a fallback."""
    assert all(map(is_charset, ["cp1252", "latin-1", "koi8-r", "shift_jis", "utf-8"]))
    assert not any(map(is_charset, ["hex", "rot13", "utf-16", "cp037", "nonsense", "", "\0"]))


@pytest.mark.parametrize(
    ("parts", "raw"),
    [
        (("PRIVMSG", "#c", "hi"), b"PRIVMSG #c hi\r\n"),
        (("PRIVMSG", "#c", "hi there"), b"PRIVMSG #c :hi there\r\n"),
        (("PRIVMSG", "#c", ":)"), b"PRIVMSG #c ::)\r\n"),
        (("TOPIC", "#c", ""), b"TOPIC #c :\r\n"),
        (("TOPIC", "#c", "a\r\nQUIT\0"), b"TOPIC #c :a QUIT \r\n"),
        (("QUIT",), b"QUIT\r\n"),
    ],
)
def test_a_line_is_written(parts, raw):
    """The last parameter has a colon when it needs one, and never a line end."""
    assert encode(*parts) == raw


@pytest.mark.parametrize(
    "parts",
    [
        ("MODE", "", "+o"),
        ("MODE", "#c d", "+o"),
        ("MODE", ":c", "+o"),
        ("MODE", "#c\r\nQUIT", "+o"),
        ("MODE", "\0", "+o"),
        ("PRIV MSG", "x"),
        ("", "x"),
        ("42", "x"),
        ("É", "x"),
        ("QUIT\r\nJOIN", "x"),
        ("KICK", "#" + "x" * 600, "nick", "reason"),
        ("JOIN", "#" + "x" * 600),
        ("PRIVMSG", "x" * 500, "hi there"),
    ],
)
def test_an_unsafe_line_is_refused(parts):
    """Where a parameter would become another one, or a name be cut, nothing is sent."""
    with pytest.raises(UnsafeParameter):
        encode(*parts)


def test_tags_are_escaped_when_written():
    """And come before everything else."""
    raw = encode("TAGMSG", "#c", tags={"+typing": "active", "label": "a b;\\\r\n"})
    assert raw == b"@+typing=active;label=a\\sb\\:\\\\\\r\\n TAGMSG #c\r\n"


@pytest.mark.parametrize("tags", [{"a b": "x"}, {"": "x"}, {"a;b": ""}, {"a": "x" * MAX_CLIENT_TAGS}])
def test_unsafe_tags_are_refused(tags):
    """A key that is not one, or more than a server takes."""
    with pytest.raises(UnsafeParameter):
        encode("TAGMSG", "#c", tags=tags)


def test_long_words_are_cut_at_a_character():
    """The line has at most its limit, and stays UTF-8."""
    raw = encode("PRIVMSG", "#c", "é" * 600)
    assert MAX_LINE - 1 <= len(raw) <= MAX_LINE
    assert raw.decode().endswith("é\r\n")
    assert len(encode("PRIVMSG", "#c", "é" * 600, limit=1024)) > 1000


@few
@given(commands, st.lists(middles, max_size=4), texts)
def test_what_is_written_is_read_back(command, params, last):
    """Parsing a line that was encoded gives the same line."""
    last = last.translate({0: None, 10: None, 13: None})
    line = read(encode(command, *params, last, limit=8192))
    assert (line.command, line.params) == (command, (*params, last))
    assert encode(line.command, *line.params, limit=8192) == encode(command, *params, last, limit=8192)


@few
@given(st.dictionaries(st.from_regex(r"\+?[a-z]{1,4}", fullmatch=True), texts, max_size=5))
def test_tags_that_are_written_are_read_back(tags):
    """Every value but NUL survives."""
    line = read(encode("TAGMSG", "#c", tags=tags))
    assert line.tags == {key: value.replace("\0", "") for key, value in tags.items()}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=12), st.lists(st.text(max_size=30), max_size=5))
def test_no_parameter_becomes_a_second_command(command, params):
    """Whatever the words are, one line leaves with this command and as many parameters, or none."""
    try:
        raw = encode(command, *params)
    except UnsafeParameter:
        return
    assert raw.endswith(b"\r\n")
    assert not set(raw[:-2]) & {0, 10, 13}
    assert len(raw) <= MAX_LINE
    line = read(raw)
    assert line.command == command.upper()
    assert len(line.params) == len(params)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=120))
def test_any_bytes_are_a_line_or_nothing(raw):
    """Parsing never fails, and gives nothing that ends a line."""
    line = parse(raw)
    if line is not None:
        assert line.command.isalnum()
        assert not any(set(param) & {"\r", "\n", "\0"} for param in line.params)


@few
@given(
    st.lists(st.sampled_from([b"PING :x", b"\r", b"\n", b"\r\n", b"abcdefgh" * 3, b"\xff"]), max_size=30),
    st.data(),
)
def test_any_chunking_gives_the_same_lines(parts, data):
    """Bytes may arrive in whatever portions; over-long lines are cut alike."""
    stream = b"".join(parts)
    whole = LineBuffer(20).feed(stream)
    buffer, lines = LineBuffer(20), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        lines += buffer.feed(stream[:size])
        stream = stream[size:]
    assert lines == whole
    assert all(0 < len(line) <= 20 for line in lines)


def test_a_line_that_never_ends_is_bounded():
    """The start of it is shown, the rest is not kept, and the next line is whole."""
    buffer = LineBuffer(100)
    for _ in range(50):
        assert buffer.feed(b"x" * 1000) == []
    assert len(buffer._rest) == 100
    assert buffer.feed(b"\r\nPING\r\n") == [b"x" * 100, b"PING"]


def test_room_for_text_is_what_others_receive():
    """A text of that size makes a line of exactly the limit."""
    room = room_for_text("n!u@h", "PRIVMSG", "#c")
    assert len(f":n!u@h PRIVMSG #c :{'x' * room}\r\n") == MAX_LINE


@few
@given(st.text(st.sampled_from("ab é€😀  \u0301"), max_size=80), st.integers(4, 40))
def test_pieces_join_back_and_fit(text, limit):
    """Nothing but border spaces is lost, no piece is too long."""
    pieces = split_text(text, limit)
    assert all(0 < len(piece.encode()) <= limit for piece in pieces)
    assert "".join(pieces).replace(" ", "") == text.replace(" ", "")
    starts = split_points(text, limit)
    assert [text[start:end] for start, end in starts] == pieces


def test_pieces_end_at_words_and_whole_characters():
    """A word is kept whole if it can be; an accent stays on its letter."""
    assert split_text("one two three", 8) == ["one two", "three"]
    assert split_text("abcdefghij", 4) == ["abcd", "efgh", "ij"]
    assert split_text("abce\u0301f", 5) == ["abc", "e\u0301f"]
    assert split_text("ab👩\u200d🚀", 12) == ["ab", "👩\u200d🚀"]
    assert split_text("ab👩\u200d🚀", 9) == ["ab", "👩\u200d", "🚀"]
    assert split_text("", 10) == []
    assert split_text("€€", 1) == ["€", "€"]
