"""Asking an archive of XMPP (XEP-0313), and reading what it answers."""

from __future__ import annotations

from tests.live.cast.stanzas import NAMESPACES, Stanza, values
from tests.live.cast.xmpp import Person


async def query(romeo: Person, room: str, rsm: str = "", form: str = "") -> tuple[list[Stanza], Stanza]:
    """Ask the archive and return its messages and the final answer."""
    ident = romeo.fresh_id()
    paging = f"<set xmlns='http://jabber.org/protocol/rsm'>{rsm}</set>" if rsm else ""
    data = (
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
        f"<value>urn:xmpp:mam:2</value></field>{form}</x>"
    )
    fin = await romeo.result(
        room, f"<query xmlns='urn:xmpp:mam:2' queryid='{ident}'>{data}{paging}</query>", "set"
    )
    waiting = list(romeo.mailbox.waiting)
    romeo.mailbox.clear()
    path = f"mam:result[@queryid='{ident}']"
    return [one for one in waiting if one.xpath(path, namespaces=NAMESPACES)], fin


def bodies(found: list[Stanza]) -> list[str]:
    """Return the bodies of archived messages."""
    return [values(one, "mam:result/forward:forwarded/message/body")[0] for one in found]
