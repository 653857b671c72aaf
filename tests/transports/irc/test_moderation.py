"""What the user does to a channel and its members."""

from __future__ import annotations

from bridge.errors import Trouble
from bridge.events import (
    Affiliation,
    Failed,
    Invite,
    Kick,
    Ref,
    Role,
    Sent,
    ServerNotice,
    SetAffiliation,
    SetRole,
    Topic,
)

from .script import SERVER, World, room

CHAN = room("#chan")
REF = Ref(5)


def op():
    """A user with power, and others."""
    return World().client("romeo").in_room(names="@juliet +nurse peter")


def test_kick_is_confirmed_by_its_echo():
    """The server's KICK is the answer."""
    romeo = op()
    romeo.submit(Kick(room=CHAN, nick="peter", reason="go to", ref=REF))
    assert romeo.lines()[0] == "KICK #chan peter :go to"
    romeo.feed(":romeo!~u@host.example KICK #chan peter :go to")
    assert Sent(ref=REF) in romeo.events()


def test_refused_kick_fails():
    """482 and 441 name what they are about."""
    for numeric, trouble in (
        ("482 romeo #chan", Trouble.NO_PRIVILEGE),
        ("441 romeo peter #chan", Trouble.NO_SUCH_NICK),
    ):
        romeo = op()
        romeo.submit(Kick(room=CHAN, nick="peter", ref=REF))
        romeo.feed(f":{SERVER} {numeric} :no")
        failed = romeo.event(Failed)
        assert (failed.ref, failed.error.trouble, failed.error.text) == (REF, trouble, "no")


def test_change_without_answer_is_confirmed_by_the_fence():
    """The PING behind it comes back: the server has dealt with it."""
    romeo = op()
    romeo.submit(Topic(room=CHAN, text="new\ntopic", ref=REF))
    romeo.world.pass_time(0)
    line, fence = romeo.lines()
    assert line == "TOPIC #chan :new topic"
    romeo.feed(f":{SERVER} PONG {SERVER} :{fence.split()[1]}")
    assert romeo.event(Sent).ref == REF


def test_roles_and_affiliations_are_modes():
    """irc.md's table, leaving out what is so already."""
    cases = [
        (
            SetAffiliation(room=CHAN, target="peter", affiliation=Affiliation.MEMBER, ref=REF),
            "MODE #chan +v peter",
        ),
        (
            SetAffiliation(room=CHAN, target="peter", affiliation=Affiliation.ADMIN, ref=REF),
            "MODE #chan +o peter",
        ),
        (SetRole(room=CHAN, nick="nurse", role=Role.VISITOR, ref=REF), "MODE #chan -v nurse"),
        (
            SetAffiliation(room=CHAN, target="juliet", affiliation=Affiliation.NONE, ref=REF),
            "MODE #chan -o juliet",
        ),
        (
            SetAffiliation(room=CHAN, target="nurse%irc.example.org", affiliation=Affiliation.OWNER, ref=REF),
            "MODE #chan +a nurse",
        ),
    ]
    for event, line in cases:
        romeo = op()
        romeo.submit(event)
        assert romeo.lines()[0] == line
        romeo.feed(":romeo!~u@host.example " + line)
        assert Sent(ref=REF) in romeo.events()


def test_what_is_so_already_is_done():
    """No line for no change."""
    romeo = op()
    romeo.submit(SetAffiliation(room=CHAN, target="peter", affiliation=Affiliation.NONE, ref=REF))
    assert romeo.lines() == []
    assert romeo.event(Sent).ref == REF


def test_outcast_is_banned_by_host_and_kicked():
    """The widest mask that names him alone, then out."""
    romeo = op()
    romeo.feed(":paris!p@villa.example JOIN #chan")
    romeo.submit(
        SetAffiliation(room=CHAN, target="paris", affiliation=Affiliation.OUTCAST, reason="fie", ref=REF)
    )
    assert romeo.lines()[:2] == ["MODE #chan +b *!*@villa.example", "KICK #chan paris fie"]
    romeo.feed(":romeo!~u@host.example MODE #chan +b *!*@villa.example")
    assert [event.last for event in romeo.events(Sent)] == [False]
    romeo.feed(":romeo!~u@host.example KICK #chan paris :fie")
    assert [event.last for event in romeo.events(Sent)] == [True]
    romeo.submit(SetAffiliation(room=CHAN, target="paris", affiliation=Affiliation.NONE, ref=Ref(6)))
    assert "MODE #chan -b *!*@villa.example" in romeo.lines()


def test_absent_outcast_is_banned_by_nick_or_mask():
    """Nobody to kick."""
    romeo = op()
    romeo.submit(SetAffiliation(room=CHAN, target="paris", affiliation=Affiliation.OUTCAST, ref=REF))
    romeo.submit(SetAffiliation(room=CHAN, target="*!*@evil", affiliation=Affiliation.OUTCAST, ref=REF))
    assert [line for line in romeo.lines() if "MODE" in line] == [
        "MODE #chan +b paris!*@*",
        "MODE #chan +b *!*@evil",
    ]


def test_rank_for_somebody_absent_fails():
    """There is no nick to give it to."""
    romeo = op()
    romeo.submit(SetAffiliation(room=CHAN, target="paris", affiliation=Affiliation.MEMBER, ref=REF))
    assert romeo.event(Failed).error.trouble is Trouble.NO_SUCH_NICK


def test_invitation_is_confirmed_in_biboumis_words():
    """341."""
    romeo = op()
    romeo.submit(Invite(room=CHAN, nick="paris", ref=REF))
    assert romeo.lines()[0] == "INVITE paris #chan"
    romeo.feed(f":{SERVER} 341 romeo paris #chan")
    events = romeo.events()
    assert Sent(ref=REF) in events
    assert [event.text for event in events if isinstance(event, ServerNotice)] == [
        "paris has been invited to #chan"
    ]


def test_labelled_error_is_tied_to_its_request():
    """IRCv3 labeled-response needs no guessing."""
    romeo = World().client("romeo").in_room(names="peter paul", caps="message-tags batch labeled-response")
    romeo.submit(Kick(room=CHAN, nick="peter", ref=REF))
    romeo.submit(Kick(room=CHAN, nick="paul", ref=Ref(6)))
    labels = [line.split()[0].removeprefix("@label=") for line in romeo.lines() if "KICK" in line]
    romeo.feed(f"@label={labels[1]} :{SERVER} 482 romeo #chan :You're not channel operator")
    assert romeo.event(Failed).ref == Ref(6)
    romeo.feed(f"@label={labels[0]} :{SERVER} ACK")
    assert romeo.event(Sent).ref == REF


def test_request_in_a_room_one_is_not_in_fails():
    """Nothing hangs."""
    romeo = op()
    romeo.submit(Kick(room=room("#other"), nick="peter", ref=REF))
    assert romeo.event(Failed).error.trouble is Trouble.NOT_IN_ROOM


def test_request_under_way_when_the_link_breaks_fails():
    """Every Ref ends."""
    romeo = op()
    romeo.submit(Kick(room=CHAN, nick="peter", ref=REF))
    romeo.events()
    romeo.session.connection_lost(None, "gone")
    assert romeo.event(Failed).error.trouble is Trouble.LOST
