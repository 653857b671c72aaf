"""Several resources of one account behind one nick."""

from tests.live.cast.stanzas import Pattern, status
from tests.live.stage import Stage


async def test_second_resource_sees_the_room_and_irc_sees_one_nick(stage: Stage):
    """A second resource joins with the whole sequence; IRC sees no second join."""
    romeo, juliet = await stage.together()
    second = await stage.on_xmpp("romeo", "b")
    seen = await second.join(stage.room, stage.nick("romeo"))
    assert seen.nicks == {juliet.nick}
    juliet.say(stage.channel, "hello both")
    for person in (romeo, second):
        await person.mailbox.find(Pattern("message", body="hello both"))
    assert not juliet.seen("JOIN")


async def test_both_resources_see_what_one_says(stage: Stage):
    """A message of one resource is reflected to both, with its id to the sender."""
    romeo, juliet = await stage.together()
    second = await stage.on_xmpp("romeo", "b")
    await second.join(stage.room, stage.nick("romeo"))
    ident = second.say(stage.room, "from b")
    await second.mailbox.find(Pattern("message", body="from b", id=ident))
    await romeo.mailbox.find(Pattern("message", body="from b"))
    await juliet.hears(stage.channel, "from b")


async def test_one_resource_leaves_and_the_other_stays(stage: Stage):
    """The nick leaves IRC only with its last resource."""
    romeo, juliet = await stage.together()
    second = await stage.on_xmpp("romeo", "b")
    await second.join(stage.room, stage.nick("romeo"))
    await second.left(stage.room, stage.nick("romeo"))
    juliet.say(stage.channel, "still there?")
    await romeo.mailbox.find(Pattern("message", body="still there?"))
    await second.nothing_more(stage.domain)
    await romeo.left(stage.room, stage.nick("romeo"))
    mine = stage.nick("romeo")
    await juliet.sync()
    while not any(line.nick == mine for command in ("PART", "QUIT") for line in juliet.seen(command)):
        await juliet.sync()


async def test_logging_out_leaves_irc(stage: Stage):
    """An XMPP session that ends takes its nick from IRC."""
    romeo, juliet = await stage.together()
    await romeo.log_out()
    mine = stage.nick("romeo")
    while not any(line.nick == mine for command in ("PART", "QUIT") for line in juliet.seen(command)):
        await juliet.sync()


async def test_joining_again_gives_the_whole_room_again(stage: Stage):
    """A client that lost its state joins again and gets occupants, itself and the subject."""
    romeo, juliet = await stage.together()
    again = await romeo.join(stage.room, stage.nick("romeo"))
    assert again.nicks == {juliet.nick}


async def test_kick_puts_every_resource_out(stage: Stage):
    """307 reaches both resources."""
    romeo, juliet = await stage.together()
    second = await stage.on_xmpp("romeo", "b")
    await second.join(stage.room, stage.nick("romeo"))
    juliet.send(f"KICK {stage.channel} {stage.nick('romeo')} :out")
    for person in (romeo, second):
        await person.mailbox.find(Pattern("presence", type="unavailable", has=[status(307), status(110)]))
