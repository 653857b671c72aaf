"""What IRCv3 servers can do beyond the packaged ones, by script."""

import base64
import hashlib
import hmac

from tests.live.cast.archive import query
from tests.live.cast.irc import Line
from tests.live.cast.scripted import NAME, Link
from tests.live.cast.stanzas import Pattern, item, value, values
from tests.live.cast.xmpp import condition
from tests.live.stage import Script

JULIET = ":juliet!j@host"


async def test_capabilities_are_asked_for_only_as_offered(script: Script):
    """CAP LS 302 with values; what the server does not offer is not requested."""
    script.ircd.caps = ["multi-prefix", "server-time", "example.org/unknown=1", "batch"]
    _, link = await script.enter()
    assert {"multi-prefix", "server-time", "batch"} <= link.enabled
    assert link.enabled <= {"multi-prefix", "server-time", "batch", "cap-notify"}


async def test_server_time_becomes_a_delay(script: Script):
    """A line stamped in the past is shown as of then (XEP-0203)."""
    script.ircd.caps = ["server-time"]
    romeo, link = await script.enter()
    link.send(f"@time=2020-01-01T12:00:00.000Z {JULIET} PRIVMSG {script.channel} :old news")
    stanza = await romeo.message(body="old news")
    assert value(stanza, "delay:delay/@stamp").startswith("2020-01-01T12:00:00")


async def test_echo_message_is_the_reflection(script: Script):
    """With echo-message the room shows what the server made of the message, in its order, once."""
    script.ircd.caps = ["echo-message", "labeled-response", "batch", "message-tags"]
    romeo, link = await script.enter()
    ident = romeo.say(script.room, "hello")
    line = await link.find("PRIVMSG", script.channel)
    link.send(f"{JULIET} PRIVMSG {script.channel} :I was first")
    tags = ";".join(["msgid=abc", *(f"label={line.tags['label']}" for _ in [0] if "label" in line.tags)])
    link.send(f"@{tags} :{link.mask} PRIVMSG {script.channel} :hello")
    link.send(f"{JULIET} PRIVMSG {script.channel} :end")
    await romeo.message(body="I was first")
    await romeo.message(body="hello", id=ident, frm=f"{script.room}/romeo")
    await romeo.message(body="end")


async def test_refused_labelled_message_is_an_error_of_that_message(script: Script):
    """labeled-response ties 404 to the very message."""
    script.ircd.caps = ["echo-message", "labeled-response", "batch", "message-tags"]
    romeo, link = await script.enter()
    ident = romeo.say(script.room, "may I?")
    line = await link.find("PRIVMSG", script.channel)
    link.send(f"@label={line.tags['label']} :{NAME} 404 romeo {script.channel} :Cannot send to channel")
    assert condition(await romeo.message(type="error", id=ident)) == "forbidden"


async def test_netsplit_and_netjoin_are_one_event_each(script: Script):
    """A hundred people leave and come back together: one line tells of each, and all can be heard again."""
    script.ircd.caps = ["batch", "message-tags"]
    script.ircd.others = "@juliet " + " ".join(f"p{number}" for number in range(100))
    romeo, link = await script.enter()
    link.send(f":{NAME} BATCH +s netsplit a.example b.example")
    link.send(*(f"@batch=s :p{number}!u@h QUIT :a.example b.example" for number in range(100)))
    link.send(f":{NAME} BATCH -s")
    told = await romeo.message(type="groupchat", frm=script.room)
    assert "a.example" in (told.findtext("body") or "")
    link.send(f":{NAME} BATCH +j netjoin a.example b.example")
    link.send(*(f"@batch=j :p{number}!u@h JOIN {script.channel}" for number in range(100)))
    link.send(f":{NAME} BATCH -j")
    link.send(f":p7!u@h PRIVMSG {script.channel} :whole again")
    await romeo.mailbox.find(Pattern("message", frm=f"{script.room}/p7", body="whole again"))


async def test_somebody_new_after_a_netsplit_is_seen(script: Script):
    """QUITs that name two servers split without a batch too; who joins meanwhile is a new occupant."""
    script.ircd.others = "@juliet p1 p2"
    romeo, link = await script.enter()
    link.send(*(f":p{number}!u@h QUIT :a.example b.example" for number in (1, 2)))
    link.send(f":p3!u@h JOIN {script.channel}")
    await romeo.mailbox.find(Pattern("presence", frm=f"{script.room}/p3", type=None))


async def test_away_notify_is_show_away(script: Script):
    """AWAY of another is <show>away</show> with its text, and back."""
    script.ircd.caps = ["away-notify"]
    romeo, link = await script.enter()
    link.send(f"{JULIET} AWAY :asleep")
    stanza = await romeo.presence(frm=f"{script.room}/juliet", has="show[.='away']")
    assert stanza.findtext("status") == "asleep"
    link.send(f"{JULIET} AWAY")
    await romeo.presence(frm=f"{script.room}/juliet", lacks="show")


async def test_own_presence_is_away(script: Script):
    """Romeo's own away status becomes AWAY, and being available takes it back."""
    romeo, link = await script.enter()
    romeo.send(f"<presence to='{script.room}/romeo'><show>away</show><status>at Friar's</status></presence>")
    line = await link.find("AWAY")
    assert line.params == ("at Friar's",)
    link.send(f":{NAME} 306 romeo :You have been marked as being away")
    romeo.send(f"<presence to='{script.room}/romeo'/>")
    assert (await link.find("AWAY")).params in ((), ("",))


async def test_extended_join_account_and_chghost(script: Script):
    """A join with an account, a changed host: the occupant stays one."""
    script.ircd.caps = ["extended-join", "account-notify", "chghost", "setname"]
    romeo, link = await script.enter()
    link.send(f":nurse!n@host JOIN {script.channel} nurseacc :The Nurse")
    await romeo.presence(frm=f"{script.room}/nurse", has=item(role="participant"))
    link.send(
        ":nurse!n@host CHGHOST n new.host",
        ":nurse!n@new.host SETNAME :Angelica",
        ":nurse!n@new.host ACCOUNT *",
    )
    link.send(f":nurse!n@new.host PRIVMSG {script.channel} :still one")
    await romeo.mailbox.find(Pattern("message", frm=f"{script.room}/nurse", body="still one"))


async def test_reply_and_reaction_tags(script: Script):
    """+draft/reply is XEP-0461, +draft/react is XEP-0444, by message ids."""
    script.ircd.caps = ["message-tags", "echo-message", "batch"]
    romeo, link = await script.enter()
    link.send(f"@msgid=m1 {JULIET} PRIVMSG {script.channel} :question?")
    first = await romeo.message(body="question?")
    ident = value(first, "sid:stanza-id/@id")
    link.send(f"@msgid=m2;+draft/reply=m1 {JULIET} PRIVMSG {script.channel} :answer")
    stanza = await romeo.message(type="groupchat", has="reply:reply")
    assert value(stanza, "reply:reply/@id") == ident
    link.send(f"@msgid=m3;+draft/reply=m1;+draft/react=👍 {JULIET} TAGMSG {script.channel}")
    stanza = await romeo.message(has="react:reactions")
    assert value(stanza, "react:reactions/@id") == ident
    assert values(stanza, "react:reactions/react:reaction") == ["👍"]


async def test_typing_tag_is_a_chat_state(script: Script):
    """+typing=active is composing (XEP-0085)."""
    script.ircd.caps = ["message-tags"]
    romeo, link = await script.enter()
    link.send(f"@+typing=active {JULIET} TAGMSG {script.channel}")
    await romeo.message(frm=f"{script.room}/juliet", has="states:composing")


async def test_standard_reply_is_told(script: Script):
    """FAIL is shown, not swallowed."""
    script.ircd.caps = ["standard-replies"]
    romeo, link = await script.enter()
    link.send(f":{NAME} FAIL * SOMETHING_ODD :The moon is full")
    await romeo.notice("The moon is full")


async def test_scram_sha_256_logs_in(script: Script):
    """RFC 7677: both sides prove that they know the password."""
    script.ircd.caps = ["sasl=SCRAM-SHA-256"]
    steps: list[bytes] = []
    salt, rounds, password = b"salt" * 4, 4096, b"sesame"

    def authenticate(link: Link, line: Line) -> None:
        if line.params[0] == "SCRAM-SHA-256":
            link.send("AUTHENTICATE +")
            return
        message = base64.b64decode(line.params[0]) if line.params[0] != "+" else b""
        steps.append(message)
        if len(steps) == 1:
            nonce = message.split(b"r=")[1] + b"server"
            steps.append(b"r=" + nonce + b",s=" + base64.b64encode(salt) + b",i=%d" % rounds)
            link.send("AUTHENTICATE " + base64.b64encode(steps[1]).decode())
        elif len(steps) == 3:
            salted = hashlib.pbkdf2_hmac("sha256", password, salt, rounds)
            bare, without = steps[0].partition(b"n,,")[2], message.rpartition(b",p=")[0]
            signed = b",".join((bare, steps[1], without))
            client_key = hmac.digest(salted, b"Client Key", "sha256")
            stored = hashlib.sha256(client_key).digest()
            proof = bytes(
                a ^ b for a, b in zip(client_key, hmac.digest(stored, signed, "sha256"), strict=True)
            )
            assert base64.b64decode(message.rpartition(b",p=")[2]) == proof
            server_key = hmac.digest(salted, b"Server Key", "sha256")
            final = b"v=" + base64.b64encode(hmac.digest(server_key, signed, "sha256"))
            link.send("AUTHENTICATE " + base64.b64encode(final).decode())
        else:
            link.send(f":{NAME} 900 {link.nick} {link.mask} romeo :in", f":{NAME} 903 {link.nick} :ok")

    script.ircd.answers["AUTHENTICATE"] = authenticate
    romeo = await script.on_xmpp("romeo")
    await romeo.command(script.server, "configure", {"sasl_account": "romeo", "sasl_password": "sesame"})
    await romeo.join(script.room, "romeo")
    assert len(steps) == 4


async def test_casemapping_and_prefixes_of_the_server_hold(script: Script):
    """ISUPPORT decides: ascii folding keeps {} and [] apart."""
    script.ircd.others = "@juliet a[ a{"
    romeo = await script.on_xmpp("romeo")
    romeo.enter(script.room, "romeo")
    await script.ircd.link()
    seen = await romeo.joined(script.room)
    assert seen.nicks == {"juliet", "a[", "a{"}


async def test_names_may_come_in_any_number_of_lines(script: Script):
    """Two thousand occupants in many 353 lines are all shown before oneself."""
    people = [f"p{number}" for number in range(2000)]

    def names(link: Link, line: Line) -> None:
        link.send(f":{link.mask} JOIN {script.channel}")
        for start in range(0, len(people), 40):
            link.send(f":{NAME} 353 {link.nick} = {script.channel} :{' '.join(people[start : start + 40])}")
        link.send(
            f":{NAME} 353 {link.nick} = {script.channel} :{link.nick}",
            f":{NAME} 366 {link.nick} {script.channel} :End",
        )

    script.ircd.answers["JOIN"] = names
    romeo = await script.on_xmpp("romeo")
    romeo.enter(script.room, "romeo")
    await script.ircd.link()
    seen = await romeo.joined(script.room)
    assert seen.nicks == set(people)


async def test_archive_tells_what_was_done_to_messages(script: Script):
    """Reactions and retractions are entries by their stanza-ids, the retracted message is a tombstone."""
    script.ircd.caps = ["message-tags", "draft/message-redaction", "echo-message"]
    romeo, link = await script.enter()
    link.send(
        f"@msgid=m1 {JULIET} PRIVMSG {script.channel} :stays",
        f"@msgid=m2 {JULIET} PRIVMSG {script.channel} :slip",
        f"@msgid=r1;+reply=m1;+draft/react=x {JULIET} TAGMSG {script.channel}",
        f"@msgid=r2 :nurse!n@host REDACT {script.channel} m2 :hush",
    )
    heard = [await romeo.message(frm=f"{script.room}/juliet") for _ in range(3)]
    heard.append(await romeo.message(frm=script.room))
    told = [value(one, "sid:stanza-id/@id") for one in heard]
    found, _ = await query(romeo, script.room)
    assert [value(one, "mam:result/@id") for one in found] == told
    inner = "mam:result/forward:forwarded/message/"
    assert value(found[0], f"{inner}body") == "stays"
    assert values(found[1], f"{inner}body") == []
    assert value(found[1], f"{inner}retract:retracted/@id") == value(found[3], f"{inner}@id")
    assert value(found[2], f"{inner}react:reactions/@id") == told[0]
    assert value(found[2], f"{inner}react:reactions/react:reaction") == "x"
    assert value(found[3], f"{inner}retract:retract/@id") == told[1]
    for one, path in ((found[1], "retract:retracted"), (found[3], "retract:retract")):
        assert value(one, f"{inner}{path}/moderate:moderated/@by") == f"{script.room}/nurse"
        assert value(one, f"{inner}{path}/retract:reason") == "hush"
    after, _ = await query(romeo, script.room, f"<after>{told[1]}</after>")
    assert [value(one, "mam:result/@id") for one in after] == told[2:]
    await romeo.left(script.room, "romeo")
    seen = await romeo.join(script.room, "romeo")
    assert [one.findtext("body") for one in seen.history] == ["stays"]
