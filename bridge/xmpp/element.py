"""The element model: one small class, and the escaper that writes it.

Names carry no prefix: an element has a namespace and a local name, attributes a local name (or
``xml:lang``; other prefixed attributes are not used by XMPP and are dropped by the parser).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_NOT_XML = dict.fromkeys(
    {*range(0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF} - {ord("\t"), ord("\n"), ord("\r")}
)
"""What XML 1.0 §2.2 does not allow in a document; nothing of it is printable."""
_has_not_xml = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\ud800-\\udfff\ufffe\uffff]").search


def clean(text: str) -> str:
    """Remove the characters that XML cannot carry (XML 1.0 §2.2)."""
    return text if text.isprintable() or _has_not_xml(text) is None else text.translate(_NOT_XML)


def escape(text: str) -> str:
    """Escape character data."""
    if text.isprintable() and not ("&" in text or "<" in text or ">" in text):
        return text
    escaped = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("\r", "&#13;")


def quote(text: str) -> str:
    """Escape an attribute's value; the quotes around it are the caller's."""
    if text.isprintable() and not ("&" in text or "<" in text or ">" in text or "'" in text or '"' in text):
        return text
    escaped = escape(text).replace("'", "&apos;").replace('"', "&quot;")
    return escaped.replace("\n", "&#10;").replace("\t", "&#9;")


class Element:
    """An XML element: namespace, name, attributes, and children (elements and text, in order)."""

    __slots__ = ("attributes", "children", "name", "namespace")

    def __init__(
        self,
        name: str,
        namespace: str,
        attributes: Mapping[str, str | None] | None = None,
        *children: Element | str,
    ) -> None:
        """Build one; attributes that are None are left out."""
        self.name = name
        self.namespace = namespace
        self.attributes: dict[str, str] = (
            {key: value for key, value in attributes.items() if value is not None} if attributes else {}
        )
        self.children: list[Element | str] = list(children)

    def __repr__(self) -> str:
        return f"Element({self.to_xml()!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Element):
            return NotImplemented
        return self._key() == other._key()

    __hash__ = None  # type: ignore[assignment]

    def _key(self) -> tuple[object, ...]:
        return self.name, self.namespace, self.attributes, self.children

    def get(self, name: str) -> str | None:
        """Return an attribute's value, None if absent."""
        return self.attributes.get(name)

    def add(self, child: Element | str) -> Element:
        """Append a child and return self."""
        self.children.append(child)
        return self

    def elements(self) -> Iterator[Element]:
        """Iterate over the child elements."""
        return (child for child in self.children if isinstance(child, Element))

    def child(self, name: str, namespace: str | None = None) -> Element | None:
        """Return the first child so named; `namespace` None means this element's own."""
        wanted = self.namespace if namespace is None else namespace
        for child in self.children:
            if isinstance(child, Element) and child.name == name and child.namespace == wanted:
                return child
        return None

    def all(self, name: str, namespace: str | None = None) -> Iterator[Element]:
        """Iterate over the children so named; `namespace` None means this element's own."""
        wanted = self.namespace if namespace is None else namespace
        return (child for child in self.elements() if child.name == name and child.namespace == wanted)

    def text(self) -> str:
        """Return the character data directly inside, joined."""
        return "".join(child for child in self.children if isinstance(child, str))

    def child_text(self, name: str, namespace: str | None = None) -> str | None:
        """Return the text of the first child so named, None if there is no such child."""
        found = self.child(name, namespace)
        return None if found is None else found.text()

    def to_xml(self, default_namespace: str | None = None) -> str:
        """Serialise; the namespace is declared unless it is `default_namespace`, the one in force."""
        name, namespace = self.name, self.namespace
        tag = f"<{name}" if namespace == default_namespace else f"<{name} xmlns='{quote(namespace)}'"
        for key, value in self.attributes.items():
            tag += f" {key}='{value if value.isalnum() else quote(value)}'"
        if not self.children:
            return f"{tag}/>"
        content = ""
        for child in self.children:
            content += escape(child) if isinstance(child, str) else child.to_xml(namespace)
        return f"{tag}>{content}</{name}>"
