"""RPL_ISUPPORT."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transports.irc.isupport import DEFAULT, MAX_LINE_LENGTH, MAX_TOKENS, ISupport

LIBERA = (
    "CHANTYPES=# EXCEPTS INVEX CHANMODES=eIbq,k,flj,CFLMPQScgimnprstuz CHANLIMIT=#:250 PREFIX=(ov)@+ "
    "MAXLIST=bqeI:100 MODES=4 NETWORK=Libera.Chat STATUSMSG=@+ CASEMAPPING=rfc1459 NICKLEN=16 CHANNELLEN=50 "
    "TOPICLEN=390 TARGMAX=NAMES:1,KICK:1,PRIVMSG:4,ACCEPT: WHOX"
)


def told(tokens: str, before: ISupport = DEFAULT) -> ISupport:
    return before.updated(["nick", *tokens.split(), "are supported by this server"])


def test_a_server_that_says_nothing_is_rfc1459():
    """The defaults."""
    assert DEFAULT.prefixes == (("o", "@"), ("v", "+"))
    assert (DEFAULT.line_length, DEFAULT.modes_max, DEFAULT.nick_length) == (512, 3, None)
    assert DEFAULT.is_channel("&local")
    assert not DEFAULT.is_channel("")


def test_a_real_server_is_understood():
    """Every kind of token that Libera.Chat sends."""
    isupport = told(LIBERA)
    assert isupport.channel_types == "#"
    assert isupport.channel_modes == ("eIbq", "k", "flj", "CFLMPQScgimnprstuz")
    assert (isupport.nick_length, isupport.channel_length, isupport.topic_length) == (16, 50, 390)
    assert isupport.modes_max == 4
    assert isupport.network == "Libera.Chat"
    assert isupport.target_max == {"NAMES": 1, "KICK": 1, "PRIVMSG": 4, "ACCEPT": None}
    assert isupport.list_max == {"b": 100, "q": 100, "e": 100, "I": 100}
    assert isupport.flags == {"EXCEPTS", "INVEX", "WHOX"}
    assert (isupport.ban_exception_mode, isupport.invite_exception_mode) == ("e", "I")


def test_sessions_that_were_told_the_same_share_it():
    """Whatever their nicks are."""
    assert DEFAULT.updated(["a", "NICKLEN=9", "x y"]) is DEFAULT.updated(["b", "NICKLEN=9", "x y"])


def test_lines_add_up_and_negation_restores_the_default():
    """A later line takes a token back."""
    isupport = told("MODES=20 UTF8ONLY", told("NICKLEN=30 PREFIX=(qaohv)~&@%+"))
    assert (isupport.nick_length, isupport.modes_max, isupport.utf8_only) == (30, 20, True)
    isupport = told("-MODES -PREFIX -UTF8ONLY -UNKNOWN", isupport)
    assert (isupport.modes_max, isupport.prefix_modes, isupport.utf8_only) == (3, "ov", False)


def test_values_are_unescaped():
    """A network's name may have a space, and letters of any script, but no line end."""
    assert told(r"NETWORK=My\x20Net\xC3\xA9\x0A").network == "My Neté"


@pytest.mark.parametrize(
    ("mapping", "folded"),
    [
        ("ascii", "a[]\\^Ä"),
        ("rfc1459", "a{}|~Ä"),
        ("rfc1459-strict", "a{}|^Ä"),
        ("strict-rfc1459", "a{}|^Ä"),
        ("rfc7613", "a[]\\^ä"),
        ("something-new", "a[]\\^Ä"),
    ],
)
def test_names_are_folded_by_the_servers_rule(mapping, folded):
    """CASEMAPPING, and ASCII for one that nobody knows."""
    assert told(f"CASEMAPPING={mapping}").fold("A[]\\^Ä") == folded


@given(st.text(max_size=20), st.sampled_from(["ascii", "rfc1459", "rfc7613"]))
def test_folding_twice_is_folding_once(text, mapping):
    """A folded name is its own fold."""
    isupport = told(f"CASEMAPPING={mapping}")
    assert isupport.fold(isupport.fold(text)) == isupport.fold(text)


@pytest.mark.parametrize(
    ("params", "changes"),
    [
        (["+o-v", "a", "b"], [("+", "o", "a"), ("-", "v", "b")]),
        (["+b", "*!*@x"], [("+", "b", "*!*@x")]),
        (["+b"], [("+", "b", None)]),
        (["+lk-l", "5", "key"], [("+", "l", "5"), ("+", "k", "key"), ("-", "l", None)]),
        (["-k", "key"], [("-", "k", "key")]),
        (["m+n"], [("+", "m", None), ("+", "n", None)]),
        (["+imq", "mask"], [("+", "i", None), ("+", "m", None), ("+", "q", "mask")]),
        ([], []),
        (["+"], []),
        (["+Y-Z", "spare"], [("+", "Y", None), ("-", "Z", None)]),
    ],
)
def test_mode_changes_take_the_right_arguments(params, changes):
    """Four classes of CHANMODES, and PREFIX."""
    assert told(LIBERA).parse_modes(params) == changes


def test_prefixes_and_status_targets_are_taken_off():
    """NAMES with multi-prefix, and messages to the operators of a channel."""
    isupport = told("PREFIX=(qaohv)~&@%+ STATUSMSG=@%+ CHANTYPES=#+")
    assert isupport.split_prefix("~@nick") == ("qo", "nick")
    assert isupport.split_prefix("nick") == ("", "nick")
    assert isupport.strip_status("@#chan") == ("@", "#chan")
    assert isupport.strip_status("#chan") == ("", "#chan")
    assert isupport.strip_status("@nick") == ("", "@nick")
    assert isupport.add_mode("v", "o") == "ov"
    assert isupport.add_mode("ov", "o") == "ov"


@pytest.mark.parametrize("name", ["#a,#b", "#a b", "#a\x07", "", "nick", "#a\r\nQUIT", "#" + "x" * 60])
def test_a_name_that_is_not_one_channel_is_not_joined(name):
    """A comma would join two, a space would give a key."""
    assert not told("CHANNELLEN=50").is_legal_channel(name)
    assert told("CHANNELLEN=50").is_legal_channel("#é.x")


@pytest.mark.parametrize(
    ("token", "allowed"),
    [
        ("", True),
        ("CLIENTTAGDENY=*", False),
        ("CLIENTTAGDENY=*,-typing", True),
        ("CLIENTTAGDENY=typing", False),
    ],
)
@pytest.mark.spec("IRCv3 message-tags")
def test_tags_are_denied_as_the_server_says(token, allowed):
    """CLIENTTAGDENY, with its exceptions."""
    assert told(token).allows_tag("typing") is allowed


@pytest.mark.parametrize(
    "tokens",
    [
        "PREFIX=( PREFIX=) PREFIX=(ov)@ PREFIX=ov@+",
        "CHANMODES=, CHANMODES=a,b,c,d,e,f",
        "TARGMAX=x TARGMAX=a:b MAXLIST=b MAXLIST=:",
        "LOAD=x LOAD_FEATURE=y SET=z",
        "NICKLEN=-1 NICKLEN=99999999999999999999 NICKLEN=x NICKLEN=٣",
        "=x - -- -=x",
    ],
)
def test_nonsense_is_survived(tokens):
    """A token that makes no sense leaves the rest as it is."""
    isupport = told(tokens)
    for token in tokens.split():
        isupport = told(token, isupport)
    assert told("NICKLEN=12", isupport).nick_length == 12
    assert isupport.line_length == 512


def test_a_server_without_prefixes_has_none():
    """An empty PREFIX is legal."""
    isupport = told("PREFIX=")
    assert isupport.prefixes == ()
    assert isupport.split_prefix("@nick") == ("", "@nick")


def test_what_a_server_says_is_bounded():
    """Ten thousand tokens and a line of gigabytes are not believed."""
    isupport = told(" ".join(f"T{index}=x" for index in range(10_000)) + " LINELEN=999999999")
    assert len(isupport.tokens) <= MAX_TOKENS
    assert told("LINELEN=999999999").line_length == MAX_LINE_LENGTH
    assert told("LINELEN=2048").line_length == 2048


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.from_regex(r"-?(PREFIX|CHANMODES|TARGMAX|MAXLIST|MODES|CASEMAPPING)(=[ -~]{0,12})?"), max_size=6
    )
)
def test_any_tokens_are_survived(tokens):
    """And the value that comes out can be used."""
    isupport = DEFAULT.updated(["n", *tokens, "are supported"])
    isupport.parse_modes(["+abcov-kl", "x", "y"])
    assert isupport.split_prefix("@x")[1]
    assert len(isupport.prefix_modes) == len(isupport.prefix_symbols)
