"""Data forms."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.xmpp.element import Element
from bridge.xmpp.payloads.forms import (
    FIELD_LIMIT,
    NS_FORMS,
    NS_VALIDATE,
    Field,
    FieldType,
    Form,
    build_form,
    build_result,
    build_submit,
    find_form,
    parse_form,
    parse_form_type,
    parse_values,
)

WORDS = st.text(max_size=8)
FIELDS = st.builds(
    Field,
    var=st.uuids().map(str),
    type=st.sampled_from(FieldType),
    label=WORDS,
    description=WORDS,
    values=st.lists(WORDS, max_size=3).map(tuple),
    options=st.lists(st.tuples(WORDS, WORDS), max_size=3).map(tuple),
    required=st.booleans(),
    datatype=st.sampled_from(["", "xs:integer"]),
)


@given(st.builds(Form, title=WORDS, instructions=WORDS, fields=st.lists(FIELDS, max_size=5).map(tuple)))
def test_any_form_is_read_as_it_was_written(form):
    """Writing and reading a form loses nothing."""
    assert parse_form(build_form(form, form_type="urn:example")) == form


def test_form_type_is_a_hidden_field_of_its_own():
    """XEP-0068: the FORM_TYPE names the form and is no field of it."""
    x = build_form(Form(fields=(Field(var="a", type=FieldType.BOOLEAN),)), form_type="urn:one")
    assert parse_form_type(x) == "urn:one"
    assert x.child("field").attributes == {"var": "FORM_TYPE", "type": "hidden"}
    assert [field.var for field in parse_form(x).fields] == ["a"]


def test_values_tell_empty_from_missing():
    """A field without value, one with an empty value and one that is absent are three things."""
    x = Element(
        "x",
        NS_FORMS,
        {"type": "submit"},
        Element("field", NS_FORMS, {"var": "none"}),
        Element("field", NS_FORMS, {"var": "empty"}, Element("value", NS_FORMS)),
        Element("field", NS_FORMS, {"var": "two"}, *(Element("value", NS_FORMS, None, t) for t in "ab")),
        Element("field", NS_FORMS, {"var": "two"}, Element("value", NS_FORMS, None, "again")),
        Element("field", NS_FORMS, None, Element("value", NS_FORMS, None, "nameless")),
    )
    assert parse_values(x) == {"none": (), "empty": ("",), "two": ("a", "b")}
    assert parse_values(None) == {}


def test_fields_beyond_the_limit_are_not_read():
    """A peer cannot make the bridge keep any number of fields."""
    x = Element(
        "x", NS_FORMS, None, *(Element("field", NS_FORMS, {"var": str(n)}) for n in range(FIELD_LIMIT + 5))
    )
    assert len(parse_values(x)) == FIELD_LIMIT


def test_form_is_found_by_its_type():
    """Of several forms the one with the right FORM_TYPE is taken."""
    parent = Element("query", "urn:q", None, build_submit("urn:a", []), build_submit("urn:b", [("v", "1")]))
    found = find_form(parent, "urn:b")
    assert found is not None and parse_values(found)["v"] == ("1",)
    assert find_form(parent, "urn:c") is None
    assert find_form(None) is None


def test_result_has_no_questions():
    """Options, help and validation belong to forms that ask."""
    field = Field(
        var="a",
        type=FieldType.LIST_SINGLE,
        description="d",
        options=(("x", "y"),),
        required=True,
        datatype="xs:byte",
    )
    shown = build_form(Form(fields=(field,)), "result").child("field")
    assert list(shown.elements()) == []
    asked = build_form(Form(fields=(field,))).child("field")
    assert asked.child("validate", NS_VALIDATE) is not None


def test_result_form_takes_one_or_several_values():
    """XEP-0128 extensions have fields with one value or many."""
    x = build_result("urn:info", [("a", "1"), ("b", ["2", "3"])])
    assert x.get("type") == "result"
    assert parse_values(x) == {"FORM_TYPE": ("urn:info",), "a": ("1",), "b": ("2", "3")}


def test_unknown_field_type_counts_as_text():
    """XEP-0004 §3.3: what one does not know is text-single."""
    x = Element("x", NS_FORMS, None, Element("field", NS_FORMS, {"var": "a", "type": "hologram"}))
    assert parse_form(x).fields[0].type is FieldType.TEXT_SINGLE
