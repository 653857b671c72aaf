"""Nicknames (XEP-0045 §7.6): changed, taken, refused."""

from tests.live.cast.stanzas import Pattern, item, status
from tests.live.cast.xmpp import condition
from tests.live.stage import Stage


async def test_nick_change_shows_303_then_the_new_nick(stage: Stage):
    """A presence to the new nick changes it on IRC and in the room."""
    romeo, juliet = await stage.together()
    old, new = stage.nick("romeo"), stage.nick("montague")
    romeo.send(f"<presence to='{stage.room}/{new}'/>")
    await juliet.find("NICK", nick=old, last=new)
    await romeo.presence(
        frm=f"{stage.room}/{old}", type="unavailable", has=[status(303), status(110), item(nick=new)]
    )
    await romeo.presence(frm=f"{stage.room}/{new}", type=None, has=status(110))


async def test_nick_change_of_another_is_seen(stage: Stage):
    """A nick changed on IRC is 303 and a new presence."""
    romeo, juliet = await stage.together()
    old, new = juliet.nick, stage.nick("capulet")
    juliet.send(f"NICK {new}")
    await romeo.presence(frm=f"{stage.room}/{old}", type="unavailable", has=[status(303), item(nick=new)])
    await romeo.presence(frm=f"{stage.room}/{new}", type=None, has=item(role="moderator"))


async def test_nick_change_shows_in_every_room(stage: Stage):
    """IRC has one nick for all channels: each room shows the change."""
    romeo, _ = await stage.together()
    second = stage.room_of(stage.new_channel())
    await romeo.join(second, stage.nick("romeo"))
    new = stage.nick("montague")
    romeo.send(f"<presence to='{stage.room}/{new}'/>")
    rooms = set()
    for _ in range(2):
        shown = await romeo.mailbox.find(Pattern("presence", type=None, has=status(110)))
        room, _, nick = shown.get("from", "").partition("/")
        assert nick == new
        rooms.add(room)
    assert rooms == {stage.room, second}


async def test_taken_nick_at_join_is_a_conflict(stage: Stage):
    """433 while connecting: the join ends with conflict, and works with another nick."""
    juliet = await stage.on_irc("juliet", stage.channel)
    romeo = await stage.on_xmpp("romeo")
    assert await romeo.refused(stage.room, juliet.nick) == "conflict"
    seen = await romeo.join(stage.room, stage.nick("romeo"))
    assert seen.nick == stage.nick("romeo")


async def test_change_to_a_taken_nick_is_a_conflict(stage: Stage):
    """433 later: the change is refused and the old nick stays."""
    romeo, juliet = await stage.together()
    romeo.send(f"<presence to='{stage.room}/{juliet.nick}'/>")
    assert condition(await romeo.presence(type="error")) == "conflict"
    romeo.say(stage.room, "still me")
    await juliet.hears(stage.channel, "still me", nick=stage.nick("romeo"))


async def test_change_to_a_bad_nick_is_refused(stage: Stage):
    """432 later: not-acceptable, and the old nick stays."""
    romeo, juliet = await stage.together()
    romeo.send(f"<presence to='{stage.room}/1;2'/>")
    assert condition(await romeo.presence(type="error")) in ("not-acceptable", "jid-malformed")
    romeo.say(stage.room, "still me")
    await juliet.hears(stage.channel, "still me", nick=stage.nick("romeo"))
