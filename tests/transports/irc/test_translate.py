"""Formatting codes, modes and nicks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.events import Affiliation, Role, Span, Style, Text
from bridge.text import MAX_SPANS
from transports.irc.isupport import DEFAULT
from transports.irc.translate import from_irc, lines, mode_changes, occupant_from, sanitise, to_irc

FULL = DEFAULT.updated(["n", "PREFIX=(qaohv)~&@%+"])
UNICODE = DEFAULT.updated(["n", "CASEMAPPING=rfc7613"])

words = st.text(st.sampled_from("ab 0123456789,é€😀#"), max_size=30)
coded = st.text(
    st.sampled_from("ab 09,1F\x02\x03\x04\x0f\x11\x16\x1d\x1e\x1f\x07\x01\t\r\n\x7fé"), max_size=60
)


def seen(text: Text) -> list[tuple[str, str, str]]:
    return [(text.plain[span.start : span.end], span.style.value, span.value) for span in text.spans]


@pytest.mark.parametrize(
    ("raw", "plain", "spans"),
    [
        ("plain", "plain", []),
        ("a\x02b\x02c", "abc", [("b", "bold", "")]),
        (
            "\x1da\x1d\x1fb\x1f\x1ec\x1e\x11d",
            "abcd",
            [("a", "italic", ""), ("b", "underline", ""), ("c", "strike", ""), ("d", "monospace", "")],
        ),
        ("\x02a\x1db\x0fc", "abc", [("ab", "bold", ""), ("b", "italic", "")]),
        ("\x034red\x03 no", "red no", [("red", "colour", "#ff0000")]),
        ("\x0304,01x", "x", [("x", "background", "#000000"), ("x", "colour", "#ff0000")]),
        ("\x03041", "1", [("1", "colour", "#ff0000")]),
        ("\x034,x", ",x", [(",x", "colour", "#ff0000")]),
        ("\x03,4", ",4", []),
        ("\x034a\x0399b", "ab", [("a", "colour", "#ff0000")]),
        ("\x0398x", "x", [("x", "colour", "#ffffff")]),
        ("\x04FF00aax\x04y", "xy", [("x", "colour", "#ff00aa")]),
        ("\x0400ff00,0000ffx", "x", [("x", "background", "#0000ff"), ("x", "colour", "#00ff00")]),
        ("\x0412x", "12x", []),
        ("\x16x\x16y", "xy", [("x", "background", "#000000"), ("x", "colour", "#ffffff")]),
        ("\x034\x16x", "x", [("x", "background", "#ff0000"), ("x", "colour", "#ffffff")]),
        ("\x02\x02\x03\x0f", "", []),
        ("a\x07b\x01\tc\x7f\u200b", "ab\tc\u200b", []),
    ],
)
def test_codes_become_spans(raw, plain, spans):
    """Every code that clients send, and no control character in the words."""
    text = from_irc(raw)
    assert text.plain == plain
    assert seen(text) == spans


@pytest.mark.parametrize(
    ("spans", "raw"),
    [
        ([], "ab1"),
        ([(0, 1, Style.BOLD, "")], "\x02a\x0fb1"),
        ([(0, 3, Style.BOLD, ""), (1, 2, Style.ITALIC, "")], "\x02a\x1db\x1d1"),
        ([(0, 1, Style.COLOUR, "#FF0000")], "\x0304a\x0fb1"),
        ([(0, 3, Style.BOLD, ""), (0, 2, Style.COLOUR, "#ff0000")], "\x02\x0304ab\x03\x02\x021"),
        ([(2, 3, Style.COLOUR, "#ff0000")], "ab\x0304\x02\x021"),
        ([(0, 1, Style.BACKGROUND, "#00007f")], "\x0399,02a\x0fb1"),
        ([(0, 1, Style.COLOUR, "#fe0102")], "\x0304a\x0fb1"),
        ([(0, 1, Style.COLOUR, "tomato")], "a\x0fb1"),
    ],
)
def test_spans_become_codes(spans, raw):
    """Colours are written so that a digit of the text is not taken for one."""
    spans = tuple(Span(start=start, end=end, style=style, value=value) for start, end, style, value in spans)
    assert to_irc(Text(plain="ab1", spans=spans)) == raw


@st.composite
def formatted(draw, plains=words):
    plain = draw(plains)
    spans = st.builds(
        lambda start, size, style, value: Span(start=start, end=start + size, style=style, value=value),
        st.integers(0, 30),
        st.integers(1, 30),
        st.sampled_from(Style),
        st.sampled_from(["", "#ff0000", "#00ff00", "#123456", "x"]),
    )
    return Text(plain=plain, spans=tuple(draw(st.lists(spans, max_size=6))))


@settings(max_examples=200, deadline=None)
@given(formatted())
def test_words_survive_their_formatting(text):
    """What was written with codes is read as the same words."""
    assert from_irc(to_irc(text)).plain == text.plain


@settings(max_examples=200, deadline=None)
@given(coded)
def test_any_codes_can_be_passed_on(raw):
    """Words and looks stay the same on the way out and in again, but for colours that few clients know."""
    text = from_irc(raw)
    again = from_irc(to_irc(text))
    assert again.plain == text.plain
    assert not set(text.plain) & set(map(chr, [*range(9), *range(10, 32), 127]))
    plain_styles = [span for span in text.spans if not span.value]
    assert [span for span in again.spans if not span.value] == plain_styles


def test_control_characters_of_a_user_do_not_leave():
    """Neither codes nor CTCP can be smuggled in."""
    assert to_irc(Text(plain="\x01DCC\x01 \x02b\x034\ttab\nline")) == "DCC b4\ttab\nline"
    bold = (Span(start=0, end=4, style=Style.BOLD),)
    assert to_irc(Text(plain="\x01\x00\x02\x1f!", spans=bold)) == "!"


def test_a_storm_of_codes_is_bounded():
    """Words stay, spans end somewhere."""
    text = from_irc("\x02a\x02b" * 5000)
    assert text.plain == "ab" * 5000
    assert len(text.spans) == MAX_SPANS


@settings(max_examples=150, deadline=None)
@given(formatted(st.text(st.sampled_from("ab é€😀1,\n\x02"), max_size=80)), st.integers(16, 60))
def test_lines_fit_and_lose_no_words(text, limit):
    """Each is one line of at most so many bytes."""
    pieces = lines(text, limit)
    assert all(0 < len(to_irc(piece).encode()) <= limit for piece in pieces)
    assert not any("\n" in piece.plain for piece in pieces)
    kept = "".join(to_irc(Text(plain=piece.plain)) for piece in pieces)
    assert "".join(kept.split()) == "".join(text.plain.replace("\x02", "").split())


def test_lines_keep_their_formatting():
    """Bold text over two lines is bold on both."""
    text = Text(plain="one two\n\nthree", spans=(Span(start=4, end=14, style=Style.BOLD),))
    assert [to_irc(line) for line in lines(text, 100)] == ["one \x02two", "\x02three"]
    assert [to_irc(line) for line in lines(text, 5)] == ["one", "\x02two", "\x02thre", "\x02e"]


@pytest.mark.parametrize(
    ("modes", "standing"),
    [
        ("q", (Affiliation.OWNER, Role.MODERATOR)),
        ("a", (Affiliation.OWNER, Role.MODERATOR)),
        ("o", (Affiliation.ADMIN, Role.MODERATOR)),
        ("ov", (Affiliation.ADMIN, Role.MODERATOR)),
        ("vo", (Affiliation.ADMIN, Role.MODERATOR)),
        ("h", (Affiliation.MEMBER, Role.MODERATOR)),
        ("v", (Affiliation.MEMBER, Role.PARTICIPANT)),
        ("", (Affiliation.NONE, Role.PARTICIPANT)),
    ],
)
def test_prefix_modes_make_a_standing(modes, standing):
    """The highest of them counts."""
    assert occupant_from(modes, FULL) == standing


def test_in_a_moderated_channel_the_rest_are_visitors():
    """Whoever has voice may speak."""
    assert occupant_from("", FULL, moderated=True) == (Affiliation.NONE, Role.VISITOR)
    assert occupant_from("v", FULL, moderated=True) == (Affiliation.MEMBER, Role.PARTICIPANT)


def test_an_unknown_prefix_counts_as_the_known_one_below():
    """Servers have symbols of their own for their operators."""
    isupport = DEFAULT.updated(["n", "PREFIX=(Yov)!@+"])
    assert occupant_from("Y", isupport) == (Affiliation.ADMIN, Role.MODERATOR)
    assert occupant_from("x", isupport) == (Affiliation.NONE, Role.PARTICIPANT)
    assert occupant_from("Y", DEFAULT.updated(["n", "PREFIX=(Y)!"])) == (Affiliation.NONE, Role.PARTICIPANT)


@pytest.mark.parametrize(
    ("wanted", "full", "op_and_voice"),
    [
        (Affiliation.OWNER, "+a-q", "+o"),
        (Affiliation.ADMIN, "+o-aq", "+o"),
        (Affiliation.MEMBER, "+v-hoaq", "+v-o"),
        (Affiliation.NONE, "-vhoaq", "-vo"),
        (Affiliation.OUTCAST, "", ""),
        (Role.MODERATOR, "+h-oaq", "+o"),
        (Role.PARTICIPANT, "+v-hoaq", "+v-o"),
        (Role.VISITOR, "-vhoaq", "-vo"),
        (Role.NONE, "", ""),
    ],
)
def test_a_standing_is_given_by_modes(wanted, full, op_and_voice):
    """With all five prefix modes, and with the two that every server has."""
    assert compact(mode_changes(wanted, FULL)) == full
    assert compact(mode_changes(wanted, DEFAULT)) == op_and_voice


def compact(changes: list[tuple[str, str]]) -> str:
    result, last = "", ""
    for sign, mode in changes:
        result += mode if sign == last else sign + mode
        last = sign
    return result


def test_modes_that_change_nothing_are_left_out():
    """When it is known what somebody has."""
    assert mode_changes(Affiliation.MEMBER, FULL, "ov") == [("-", "o")]
    assert mode_changes(Affiliation.ADMIN, FULL, "o") == []
    assert mode_changes(Affiliation.NONE, FULL, "") == []
    assert mode_changes(Role.MODERATOR, DEFAULT, "v") == [("+", "o")]


def test_what_a_server_lacks_is_not_asked_of_it():
    """A server without voice, and one without operators."""
    only_op = DEFAULT.updated(["n", "PREFIX=(o)@"])
    assert mode_changes(Affiliation.MEMBER, only_op, "o") == [("-", "o")]
    assert mode_changes(Affiliation.ADMIN, DEFAULT.updated(["n", "PREFIX=(v)+"])) == []


@pytest.mark.parametrize(
    "wanted", [Affiliation.OWNER, Affiliation.ADMIN, Affiliation.MEMBER, Affiliation.NONE]
)
def test_the_modes_of_an_affiliation_give_that_affiliation(wanted):
    """There and back."""
    modes = "".join(mode for sign, mode in mode_changes(wanted, FULL, "") if sign == "+")
    assert occupant_from(modes, FULL)[0] is wanted


@pytest.mark.parametrize(
    ("nick", "isupport", "legal"),
    [
        ("romeo", DEFAULT, "romeo"),
        ("[R]\\^{|}`_-1", DEFAULT, "[R]\\^{|}`_-1"),
        ("My  Nick", DEFAULT, "My_Nick"),
        ("1st", DEFAULT, "_1st"),
        ("-x", DEFAULT, "_-x"),
        ("@#romeo!", DEFAULT, "romeo"),
        ("Jürgen", DEFAULT, "Jurgen"),
        ("Jürgen", UNICODE, "Jürgen"),
        ("Юля", UNICODE, "Юля"),
        ("Юля", DEFAULT, None),
        ("a\r\nQUIT", DEFAULT, "a_QUIT"),
        ("_", DEFAULT, "_"),
        ("! !", DEFAULT, None),
        ("", DEFAULT, None),
        ("abcdefghijkl", DEFAULT.updated(["n", "NICKLEN=9"]), "abcdefghi"),
        ("éééé", UNICODE.updated(["n", "NICKLEN=5"]), "éé"),
        ("x", DEFAULT.updated(["n", "NICKLEN=0"]), None),
    ],
)
def test_a_nick_is_made_legal_or_refused(nick, isupport, legal):
    """As near to what the user wanted as the server can have it."""
    assert sanitise(nick, isupport) == legal


@given(st.text(max_size=20), st.sampled_from([DEFAULT, UNICODE]))
def test_a_legal_nick_stays_as_it_is(nick, isupport):
    """And holds nothing that would break a line."""
    legal = sanitise(nick, isupport)
    if legal is not None:
        assert sanitise(legal, isupport) == legal
        assert not set(legal) & set(" \r\n\0!@#&~+%$:,*?.")
