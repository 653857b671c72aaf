"""Files that go with a message: XEP-0447 Stateless file sharing 0.3.1 with XEP-0446 File metadata 0.2.0,
XEP-0264 thumbnails 0.4.1, URLs of XEP-0103 1.0, and XEP-0066 Out of Band Data 1.5 for most clients.

Clients show a picture in place where the body is its address exactly and out-of-band data has it too. Words
beside it stand in lines before the addresses, which are marked as a fallback (XEP-0428). Conversations and
Dino, whose rule that is, then show the words with a link that can be opened; clients of XEP-0447 show both.
In two stanzas, as its §4.1 recommends, the picture would be in place there too; but what is one message on
the other side would be two here: a retraction, reply or archive query by its one id would reach but half of
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.events import Attachment, Thumbnail
from bridge.xmpp.element import Element
from bridge.xmpp.payloads.reply import build_fallback, without_fallback

NS_FILES = "urn:xmpp:sfs:0"
NS_METADATA = "urn:xmpp:file:metadata:0"
NS_THUMBNAIL = "urn:xmpp:thumbs:1"
NS_URL = "http://jabber.org/protocol/url-data"
NS_OOB = "jabber:x:oob"
NAMESPACES = frozenset((NS_FILES, NS_OOB))
"""The namespaces of what `parse_files` reads."""

MAX_FILES = 10
"""Files read of one message; further ones stay what they are in its body."""


def parse_files(message: Element) -> tuple[Attachment, ...]:
    """Return the files of a message, each address once; what is not on the web is none."""
    found: dict[str, Attachment] = {}
    for shared in message.all("file-sharing", NS_FILES):
        attachment = _parse_shared(shared)
        if attachment is not None:
            found.setdefault(attachment.url, attachment)
    for oob in message.all("x", NS_OOB):
        url = (oob.child_text("url") or "").strip()
        if _is_web(url):
            found.setdefault(url, Attachment(url=url))
    return tuple(found.values())[:MAX_FILES]


def without_links(message: Element, body: str, attachments: Sequence[Attachment]) -> str:
    """Return the words of a body beside the addresses of its files, which stand in lines at its end."""
    body = without_fallback(message, body, (NS_FILES, NS_OOB))
    urls = {attachment.url for attachment in attachments}
    lines = body.split("\n")
    while lines and (lines[-1].strip() in urls or not lines[-1].strip()):
        lines.pop()
    return "\n".join(lines)


def with_links(words: str, attachments: Sequence[Attachment]) -> str:
    """Return the body of a message: its words, then the addresses of its files."""
    return "\n".join(filter(None, (words, *(attachment.url for attachment in attachments))))


def build_files(words: str, attachments: Sequence[Attachment]) -> Iterator[Element]:
    """Write the files of a message whose body is `with_links`."""
    for attachment in attachments:
        yield _build_shared(attachment, words if len(attachments) == 1 else "")
    if len(attachments) == 1:
        yield Element("x", NS_OOB, None, Element("url", NS_OOB, None, attachments[0].url))
    whole = len(with_links(words, attachments))
    yield build_fallback(NS_FILES, *(((len(words), whole),) if words else ()))


def _build_shared(attachment: Attachment, words: str) -> Element:
    facts = (
        ("media-type", attachment.type),
        ("name", attachment.name),
        ("size", attachment.size),
        ("width", attachment.width),
        ("height", attachment.height),
        ("length", None if attachment.duration is None else round(attachment.duration * 1000)),
        ("desc", words),
    )
    file = Element("file", NS_METADATA)
    for name, value in facts:
        if value not in (None, ""):
            file.add(Element(name, NS_METADATA, None, str(value)))
    if attachment.thumbnail is not None:
        file.add(_build_thumbnail(attachment.thumbnail))
    source = Element("url-data", NS_URL, {"target": attachment.url})
    sort = attachment.type.partition("/")[0]
    shown = {"disposition": "inline" if sort in ("image", "video", "audio") else "attachment"}
    return Element("file-sharing", NS_FILES, shown, file, Element("sources", NS_FILES, None, source))


def _build_thumbnail(thumbnail: Thumbnail) -> Element:
    sizes = {"width": thumbnail.width, "height": thumbnail.height}
    return Element(
        "thumbnail",
        NS_THUMBNAIL,
        {
            "uri": thumbnail.url,
            "media-type": thumbnail.type or None,
            **{name: None if size is None else str(size) for name, size in sizes.items()},
        },
    )


def _parse_shared(shared: Element) -> Attachment | None:
    sources = shared.child("sources")
    targets = () if sources is None else (one.get("target") or "" for one in sources.all("url-data", NS_URL))
    url = next(filter(_is_web, targets), "")
    if not url:
        return None
    file = shared.child("file", NS_METADATA) or Element("file", NS_METADATA)
    length = _number(file, "length")
    return Attachment(
        url=url,
        name=(file.child_text("name") or "").strip(),
        type=(file.child_text("media-type") or "").strip(),
        size=_number(file, "size"),
        width=_number(file, "width"),
        height=_number(file, "height"),
        duration=None if length is None else length / 1000,
    )


def _number(file: Element, name: str) -> int | None:
    text = (file.child_text(name) or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None


def _is_web(url: str) -> bool:
    return url.startswith(("https://", "http://")) and url.isprintable() and " " not in url
