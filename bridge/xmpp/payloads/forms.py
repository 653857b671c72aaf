"""XEP-0004 Data Forms 2.13.2, with the datatypes of XEP-0122 1.0.2 and FORM_TYPE of XEP-0068 1.3.0."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from msgspec import Struct

from bridge.xmpp.element import Element

NS_FORMS = "jabber:x:data"
NS_VALIDATE = "http://jabber.org/protocol/xdata-validate"
FIELD_LIMIT = 200
"""How many fields of a submitted form are read."""


class FieldType(Enum):
    """XEP-0004 §3.3."""

    BOOLEAN = "boolean"
    FIXED = "fixed"
    HIDDEN = "hidden"
    JID_MULTI = "jid-multi"
    JID_SINGLE = "jid-single"
    LIST_MULTI = "list-multi"
    LIST_SINGLE = "list-single"
    TEXT_MULTI = "text-multi"
    TEXT_PRIVATE = "text-private"
    TEXT_SINGLE = "text-single"


class Field(Struct, frozen=True, kw_only=True):
    """One field of a form; `options` are (label, value) pairs, `description` is its help.

    `datatype` is XEP-0122's, e.g. ``xs:integer``; "" for none.
    """

    var: str
    type: FieldType
    label: str = ""
    description: str = ""
    values: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    required: bool = False
    datatype: str = ""


class Form(Struct, frozen=True, kw_only=True):
    """A form to fill in, or filled-in data to show (`reported` empty)."""

    title: str = ""
    instructions: str = ""
    fields: tuple[Field, ...] = ()


def build_form(form: Form, type: str = "form", form_type: str = "") -> Element:
    """Write a form; `type` is XEP-0004 §3.1's, `form_type` the hidden FORM_TYPE's value."""
    x = Element("x", NS_FORMS, {"type": type})
    if form.title:
        x.add(Element("title", NS_FORMS, None, form.title))
    if form.instructions:
        x.add(Element("instructions", NS_FORMS, None, form.instructions))
    if form_type:
        x.add(_field(Field(var="FORM_TYPE", type=FieldType.HIDDEN, values=(form_type,)), type))
    for field in form.fields:
        x.add(_field(field, type))
    return x


def _field(field: Field, form_kind: str) -> Element:
    asking = form_kind == "form"
    element = Element(
        "field",
        NS_FORMS,
        {"var": field.var or None, "type": field.type.value, "label": field.label or None},
    )
    if asking and field.description:
        element.add(Element("desc", NS_FORMS, None, field.description))
    if asking and field.required:
        element.add(Element("required", NS_FORMS))
    if asking and field.datatype:
        # of a list, values beside its options are welcome
        kind = "open" if field.type is FieldType.LIST_MULTI else "basic"
        element.add(
            Element("validate", NS_VALIDATE, {"datatype": field.datatype}, Element(kind, NS_VALIDATE))
        )
    for value in field.values:
        element.add(Element("value", NS_FORMS, None, value))
    for label, value in field.options if asking else ():
        option = Element(
            "option", NS_FORMS, {"label": label or None}, Element("value", NS_FORMS, None, value)
        )
        element.add(option)
    return element


def find_form(parent: Element | None, form_type: str = "") -> Element | None:
    """Return the form in `parent`, the one with that FORM_TYPE if one is asked for."""
    if parent is None:
        return None
    for x in parent.all("x", NS_FORMS):
        if not form_type or parse_form_type(x) == form_type:
            return x
    return None


def parse_form_type(x: Element) -> str:
    """Return the value of FORM_TYPE, "" if there is none."""
    return next(iter(parse_values(x).get("FORM_TYPE", ())), "")


def parse_values(x: Element | None) -> dict[str, tuple[str, ...]]:
    """Return the values by var.

    A field with no ``<value/>`` has (), one with an empty ``<value/>`` has ("",).
    """
    values: dict[str, tuple[str, ...]] = {}
    for field in x.all("field", NS_FORMS) if x is not None else ():
        var = field.get("var")
        if var and var not in values and len(values) < FIELD_LIMIT:
            values[var] = tuple(value.text() for value in field.all("value", NS_FORMS))
    return values


def parse_form(x: Element) -> Form:
    """Read a whole form, FORM_TYPE excepted; unknown field types count as text-single."""
    fields = [_parse_field(field) for field in x.all("field", NS_FORMS) if field.get("var") != "FORM_TYPE"]
    return Form(
        title=x.child_text("title") or "",
        instructions="\n".join(line.text() for line in x.all("instructions")),
        fields=tuple(fields[:FIELD_LIMIT]),
    )


def _parse_field(field: Element) -> Field:
    try:
        type = FieldType(field.get("type") or "text-single")
    except ValueError:
        type = FieldType.TEXT_SINGLE
    validate = field.child("validate", NS_VALIDATE)
    return Field(
        var=field.get("var") or "",
        type=type,
        label=field.get("label") or "",
        description=field.child_text("desc") or "",
        values=tuple(value.text() for value in field.all("value")),
        options=tuple(
            (option.get("label") or "", option.child_text("value") or "") for option in field.all("option")
        ),
        required=field.child("required") is not None,
        datatype=(validate.get("datatype") or "") if validate is not None else "",
    )


def build_result(form_type: str, values: Iterable[tuple[str, str | Iterable[str]]]) -> Element:
    """Write a form of type result (XEP-0128): (var, value or values) pairs in order."""
    x = Element("x", NS_FORMS, {"type": "result"})
    x.add(_field(Field(var="FORM_TYPE", type=FieldType.HIDDEN, values=(form_type,)), "result"))
    for var, value in values:
        texts = (value,) if isinstance(value, str) else value
        x.add(
            Element(
                "field", NS_FORMS, {"var": var}, *(Element("value", NS_FORMS, None, text) for text in texts)
            )
        )
    return x


def build_submit(form_type: str, values: Iterable[tuple[str, str]]) -> Element:
    """Write a form of type submit."""
    x = build_result(form_type, values)
    x.attributes["type"] = "submit"
    return x
