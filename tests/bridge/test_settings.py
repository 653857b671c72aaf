"""Settings structs as forms and as JSON."""

from __future__ import annotations

from typing import Annotated, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, defstruct, field

from bridge.errors import BridgeError, Trouble
from bridge.forms import FieldType, Settings
from bridge.settings import (
    KEPT,
    build_settings_form,
    decode_settings,
    encode_settings,
    read_settings_form,
)

Port = Annotated[int, Meta(ge=1, le=65535)]


class Sample(Settings, frozen=True, kw_only=True):
    """A declaration of every kind of field."""

    title: ClassVar[str] = "Configure {room} on {server}"
    instructions: ClassVar[str] = "Edit {name}"

    address: Annotated[str, Meta(max_length=20, title="Address", description="Where to connect")] = ""
    ports: Annotated[tuple[Port, ...], Meta(max_length=3, title="Ports")] = (6667,)
    verify: Annotated[bool, Meta(title="Verify")] = True
    lines: Annotated[int, Meta(ge=0, le=1000, title="Lines")] = 20
    limit: Annotated[int | None, Meta(title="Limit")] = None
    record: Annotated[bool | None, Meta(title="Record", extra={"type": "list-single"})] = None
    colour: Annotated[str, Meta(title="Colour", extra={"options": (("Red", "red"), ("Blue", "blue"))})] = (
        "red"
    )
    password: Annotated[str, Meta(title="Password", extra={"type": "text-private", "secret": True})] = field(
        default="", name="pass"
    )
    hidden: Annotated[str, Meta(extra={"type": "hidden"})] = "kept"


def values(settings: Settings) -> dict[str, tuple[str, ...]]:
    return {one.var: one.values for one in build_settings_form(settings).fields}


def test_form_of_defaults_shows_types_labels_and_values():
    """The form says what each field is and what holds now."""
    form = build_settings_form(Sample(), name="it", server="irc.example", room="#foo")
    assert (form.title, form.instructions) == ("Configure #foo on irc.example", "Edit it")
    by_var = {one.var: one for one in form.fields}
    assert {var: one.type for var, one in by_var.items()} == {
        "address": FieldType.TEXT_SINGLE,
        "ports": FieldType.TEXT_MULTI,
        "verify": FieldType.BOOLEAN,
        "lines": FieldType.TEXT_SINGLE,
        "limit": FieldType.TEXT_SINGLE,
        "record": FieldType.LIST_SINGLE,
        "colour": FieldType.LIST_SINGLE,
        "pass": FieldType.TEXT_PRIVATE,
    }
    assert by_var["lines"].values == ("20",)
    assert by_var["lines"].datatype == "xs:integer"
    assert by_var["record"].values == ("unset",)
    assert by_var["ports"].values == ("6667",)
    assert by_var["verify"].values == ("true",)
    assert by_var["address"].values == ()
    assert by_var["address"].description == "Where to connect"


def test_submitting_the_form_unchanged_changes_nothing():
    """What a client sends back untouched keeps every value, secrets and hidden ones too."""
    before = Sample(password="s3cret", hidden="x", limit=3, record=False, ports=(1, 2), address="a.b")
    assert read_settings_form(before, values(before)) == before


def test_secret_is_never_shown():
    """A password is replaced by asterisks."""
    assert values(Sample(password="s3cret"))["pass"] == (KEPT,)
    assert values(Sample())["pass"] == ()


def test_missing_field_keeps_its_value():
    """A partial form changes only what it names."""
    before = Sample(verify=False, address="a.b", lines=5)
    assert read_settings_form(before, {"lines": ("7",)}) == Sample(verify=False, address="a.b", lines=7)


@pytest.mark.parametrize("empty", [(), ("",), (" ",)])
def test_empty_field_is_cleared_or_goes_to_its_default(empty):
    """An empty text is empty, an empty number or boolean is the default again."""
    before = Sample(
        address="a", ports=(1,), verify=False, lines=5, limit=5, record=True, password="p", hidden="h"
    )
    cleared = read_settings_form(before, {var: empty for var in [*values(before), "hidden"]})
    assert cleared == Sample(ports=(), hidden="h")


def test_multi_value_in_one_text_is_split():
    """Some clients send the lines of a text-multi field as one value."""
    assert read_settings_form(Sample(), {"ports": ("1\r\n2\n\n3",)}).ports == (1, 2, 3)


def test_list_of_unset_true_false_is_an_optional_boolean():
    """The three choices mean None, True and False."""
    assert [
        read_settings_form(Sample(record=True), {"record": (text,)}).record
        for text in ("unset", "true", "false")
    ] == [
        None,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("var", "text", "words"),
    [
        ("lines", "bleh", "Lines: a whole number is expected from 0 to 1000."),
        ("lines", "1001", "Lines: a whole number is expected from 0 to 1000."),
        ("lines", "9" * 40, "Lines: a whole number is expected from 0 to 1000."),
        ("ports", "0", "Ports: whole numbers are expected."),
        ("ports", "1\n2\n3\n4", "Ports: whole numbers are expected."),
        ("verify", "yes", "Verify: true or false is expected."),
        ("colour", "green", "Colour: choose one of red, blue."),
        ("address", "a" * 21, "Address: this is too long, or not of the right form."),
    ],
)
def test_bad_value_is_refused_with_the_name_of_its_field(var, text, words):
    """The user is told which field is wrong and what is expected."""
    with pytest.raises(BridgeError) as caught:
        read_settings_form(Sample(), {var: (text,)})
    assert caught.value.trouble is Trouble.NOT_ACCEPTABLE
    assert caught.value.text == words


def test_defaults_need_no_storage():
    """Settings that nobody touched follow the operator's defaults."""
    assert encode_settings(Sample()) is None
    assert decode_settings(Sample, None) == Sample()


@given(
    st.builds(
        Sample,
        address=st.text(max_size=20),
        ports=st.lists(st.integers(1, 65535), max_size=3).map(tuple),
        verify=st.booleans(),
        lines=st.integers(0, 1000),
        limit=st.none() | st.integers(-(2**60), 2**60),
        record=st.none() | st.booleans(),
        password=st.text(max_size=9),
    )
)
def test_any_settings_survive_storage(settings):
    """What was saved is read again."""
    assert decode_settings(Sample, encode_settings(settings)) == settings


def test_old_and_unknown_keys_are_tolerated():
    """A newer or older version's settings keep what still fits."""
    data = b'{"lines": 7, "gone": 1, "verify": "perhaps", "ports": [0], "address": "a"}'
    assert decode_settings(Sample, data) == Sample(lines=7, address="a")


@given(st.binary())
def test_any_stored_bytes_give_settings(data):
    """Garbage in the store gives the defaults instead of an error."""
    assert isinstance(decode_settings(Sample, data), Sample)


@given(st.dictionaries(st.sampled_from(sorted(values(Sample()))), st.lists(st.text(), max_size=3)))
def test_any_submission_gives_valid_settings_or_is_refused(submitted):
    """Whatever is submitted, what is kept can be stored and read again."""
    try:
        settings = read_settings_form(Sample(), submitted)
    except BridgeError as error:
        assert error.trouble is Trouble.NOT_ACCEPTABLE
    else:
        assert decode_settings(Sample, encode_settings(settings)) == settings


def test_redeclared_field_hides_its_base():
    """A network may hide a field by declaring it anew."""
    hidden = Annotated[
        Sample.__annotations__ and Annotated[str, Meta(title="Address")], Meta(extra={"type": "hidden"})
    ]
    narrowed = defstruct("Narrowed", [("address", hidden, "")], bases=(Sample,), frozen=True, kw_only=True)
    assert "address" not in values(narrowed())
    assert read_settings_form(narrowed(), {"address": ("evil",)}).address == ""


def test_lenient_number_goes_back_to_its_default():
    """A network may have words where a number belongs mean the default instead of an error."""
    annotation = Annotated[int, Meta(extra={"lenient": True})]
    forgiving = defstruct(
        "Forgiving", [("lines", annotation, 20)], bases=(Sample,), frozen=True, kw_only=True
    )
    read = read_settings_form(forgiving(lines=5), {"lines": ("bleh",)})
    assert isinstance(read, Sample)
    assert read.lines == 20
