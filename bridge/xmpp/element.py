"""The element model: one small class, and the escaper that writes it.

Names carry no prefix: an element has a namespace and a local name, attributes a local name (or
``xml:lang``; other prefixed attributes are not used by XMPP and are dropped by the parser).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_TEXT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE_ESCAPES = _TEXT_ESCAPES | str.maketrans(
    {"'": "&apos;", '"': "&quot;", "\n": "&#10;", "\t": "&#9;"}
)
_NOT_XML = dict.fromkeys(
    {*range(0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF} - {ord("\t"), ord("\n"), ord("\r")}
)
"""What XML 1.0 §2.2 does not allow in a document."""


def clean(text: str) -> str:
    """Remove the characters that XML cannot carry (XML 1.0 §2.2)."""
    return text if text.isprintable() else text.translate(_NOT_XML)


_needs_escape = re.compile("[&<>\\x00-\\x1f\\ud800-\\udfff\ufffe\uffff]").search
_needs_quote = re.compile("[&<>'\"\\x00-\\x1f\\ud800-\\udfff\ufffe\uffff]").search


def escape(text: str) -> str:
    """Escape character data."""
    return text if _needs_escape(text) is None else clean(text).translate(_TEXT_ESCAPES)


def quote(text: str) -> str:
    """Escape an attribute's value; the quotes around it are the caller's."""
    return text if _needs_quote(text) is None else clean(text).translate(_ATTRIBUTE_ESCAPES)


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
        parts: list[str] = []
        self._write(parts, default_namespace)
        return "".join(parts)

    def _write(self, parts: list[str], default_namespace: str | None) -> None:
        tag = f"<{self.name}"
        if self.namespace != default_namespace:
            tag += f" xmlns='{quote(self.namespace)}'"
        for key, value in self.attributes.items():
            tag += f" {key}='{value if _needs_quote(value) is None else quote(value)}'"
        if not self.children:
            parts.append(tag + "/>")
            return
        parts.append(tag + ">")
        for child in self.children:
            if isinstance(child, str):
                parts.append(escape(child))
            else:
                child._write(parts, self.namespace)
        parts.append(f"</{self.name}>")
