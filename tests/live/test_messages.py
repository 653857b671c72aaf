"""Room messages both ways (XEP-0045 §7.4): text intact, in order, once, at every length."""

import pytest

from tests.live.cast.stanzas import Pattern, value, values
from tests.live.cast.xmpp import condition
from tests.live.stage import Stage


async def test_message_to_irc_is_reflected_with_its_id(stage: Stage):
    """What a user says reaches IRC and comes back to him from the room."""
    romeo, juliet = await stage.together()
    ident = romeo.say(stage.room, "But, soft!")
    await juliet.hears(stage.channel, "But, soft!", nick=stage.nick("romeo"))
    own = f"{stage.room}/{stage.nick('romeo')}"
    await romeo.message(
        type="groupchat", frm=own, id=ident, body="But, soft!", has=f"sid:stanza-id[@by='{stage.room}']"
    )


async def test_message_from_irc_comes_from_its_occupant(stage: Stage):
    """What is said on IRC is a groupchat message of that nick, with a stanza-id."""
    romeo, juliet = await stage.together()
    juliet.say(stage.channel, "Ay me!")
    await romeo.message(
        type="groupchat",
        frm=f"{stage.room}/{juliet.nick}",
        body="Ay me!",
        has=f"sid:stanza-id[@by='{stage.room}']",
    )


async def test_conversation_keeps_its_order(stage: Stage):
    """A hundred lines each way arrive once each, in order, with texts intact."""
    romeo, juliet = await stage.together()
    for number in range(100):
        juliet.say(stage.channel, f"from irc {number} äöü <&> '\"")
        romeo.say(stage.room, f"from xmpp {number} ♥ <&> '\"")
    heard, reflected = [], []
    while len(heard) + len(reflected) < 200:
        stanza = await romeo.mailbox.take("200 messages", timeout=60)
        mine = stanza.get("from", "").endswith(f"/{stage.nick('romeo')}")
        (reflected if mine else heard).append(stanza.findtext("body"))
    assert heard == [f"from irc {number} äöü <&> '\"" for number in range(100)]
    assert reflected == [f"from xmpp {number} ♥ <&> '\"" for number in range(100)]
    for number in range(100):
        line = await juliet.find("PRIVMSG", stage.channel)
        assert line.params[1] == f"from xmpp {number} ♥ <&> '\""


async def test_action_goes_both_ways(stage: Stage):
    """XEP-0245 /me is CTCP ACTION."""
    romeo, juliet = await stage.together()
    romeo.say(stage.room, "/me climbs")
    await juliet.hears(stage.channel, "\x01ACTION climbs\x01")
    await romeo.message(body="/me climbs")
    juliet.say(stage.channel, "\x01ACTION sighs\x01")
    await romeo.message(frm=f"{stage.room}/{juliet.nick}", body="/me sighs")


async def test_formatting_from_irc_becomes_xhtml(stage: Stage):
    """mIRC codes are stripped from the body and shown as XHTML-IM (XEP-0071)."""
    romeo, juliet = await stage.together()
    juliet.say(stage.channel, "\x02bold\x02 and \x0304red\x03 plain")
    stanza = await romeo.message(body="bold and red plain")
    html = "".join(values(stanza, "xhtmlim:html/xhtml:body//text()"))
    assert html == "bold and red plain"


async def test_lines_of_a_message_arrive_in_order(stage: Stage):
    """IRC has no line breaks: each line becomes its own, none is lost."""
    romeo, juliet = await stage.together()
    romeo.say(stage.room, "one\ntwo\n\nthree")
    for text in ("one", "two", "three"):
        await juliet.hears(stage.channel, text)
    reflected = ""
    while "three" not in reflected:
        reflected += (await romeo.message(type="groupchat")).findtext("body") or ""
    assert "".join(reflected.split()) == "onetwothree"


@pytest.mark.parametrize("text", ["x" * 3000, "ä♥" * 700, "word " * 500], ids=["ascii", "utf8", "words"])
async def test_long_message_is_split_and_whole(stage: Stage, text: str):
    """A message longer than a line reaches others in pieces that add up to it, cut at characters."""
    romeo, juliet = await stage.together()
    mercutio = await stage.on_irc("mercutio", stage.channel)
    romeo.say(stage.room, text.strip())
    for person in (juliet, mercutio):
        heard = ""
        while len(heard.replace(" ", "")) < len(text.replace(" ", "")):
            line = await person.find("PRIVMSG", stage.channel)
            assert "\udc80" <= "\udcff" and not any("\udc80" <= char <= "\udcff" for char in line.params[1])
            heard += line.params[1]
        assert heard.replace(" ", "") == text.replace(" ", "")


async def test_latin1_from_irc_is_readable(stage: Stage):
    """Bytes that are no UTF-8 are read in the fallback charset."""
    romeo, juliet = await stage.together()
    juliet.send_bytes(f"PRIVMSG {stage.channel} :".encode() + "caffè".encode("latin-1") + b"\r\n")
    await romeo.message(body="caffè")


async def test_control_characters_from_irc_do_not_break_the_stream(stage: Stage):
    """What XML forbids is dropped, the rest is shown."""
    romeo, juliet = await stage.together()
    juliet.say(stage.channel, "a\x04\x05\x07b\x1b\x7fc")
    juliet.say(stage.channel, "still here")
    await romeo.mailbox.find(Pattern("message", body="still here"))


async def test_notice_in_a_channel_is_shown(stage: Stage):
    """A channel's NOTICE is a message of the room, marked as notice."""
    romeo, juliet = await stage.together()
    juliet.send(f"NOTICE {stage.channel} :mind the gap")
    stanza = await romeo.message(type="groupchat", frm=f"{stage.room}/{juliet.nick}")
    assert "mind the gap" in (stanza.findtext("body") or "")


async def test_message_of_a_resource_not_in_the_room_is_refused(stage: Stage):
    """XEP-0045 §7.4: who is no occupant may not speak."""
    romeo, juliet = await stage.together()
    other = await stage.on_xmpp("romeo", "b")
    ident = other.say(stage.room, "let me in")
    assert condition(await other.message(type="error", id=ident)) == "not-acceptable"
    juliet.say(stage.channel, "nothing else came")
    await romeo.message(body="nothing else came")


async def test_moderated_channel_refuses_the_voiceless(stage: Stage):
    """404: what the channel did not take comes back to its sender as an error."""
    romeo, juliet = await stage.together()
    await juliet.mode(stage.channel, "+m")
    ident = romeo.say(stage.room, "may I?")
    answer = await romeo.mailbox.find(Pattern("message", type="error", id=ident))
    assert condition(answer) == "forbidden"


async def test_forged_stanza_id_is_removed(stage: Stage):
    """XEP-0359 §5: only the room names its ids."""
    romeo, juliet = await stage.together()
    forged = f"<stanza-id xmlns='urn:xmpp:sid:0' id='forged' by='{stage.room}'/>"
    romeo.say(stage.room, "hello", extra=forged)
    await juliet.hears(stage.channel, "hello")
    stanza = await romeo.message(body="hello")
    assert value(stanza, "sid:stanza-id/@id") != "forged"
    assert len(values(stanza, f"sid:stanza-id[@by='{stage.room}']/@id")) == 1


async def test_users_of_one_channel_all_get_it_once(stage: Stage):
    """Ten users of the gateway in one channel: each line is delivered to each exactly once."""
    juliet = await stage.on_irc("juliet", stage.channel)
    people = [await stage.on_xmpp(f"p{number}") for number in range(10)]
    for number, person in enumerate(people):
        await person.join(stage.room, stage.nick(f"p{number}"))
    for number in range(20):
        juliet.say(stage.channel, f"line {number}")
    for person in people:
        bodies: list[str | None] = []
        while bodies[-1:] != ["line 19"]:
            stanza = await person.mailbox.find(Pattern("message", type="groupchat"))
            if stanza.find("body") is not None:
                bodies.append(stanza.findtext("body"))
        assert bodies == [f"line {number}" for number in range(20)]
