"""What things may be called, and how any text is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcli.domain.names import (
    check_alias,
    check_artifact_path,
    check_key,
    check_name,
    check_run_name,
    escaped,
    quoted,
    run_name,
    storable,
)
from mlcli.errors import InvalidName, InvalidValue


@pytest.mark.parametrize(
    "name", ["iris", "iris-forest", "iris_2.1", "_x", "9", "é", "模型", "नमस्ते", "x" * 128, "Console", "a.b.c", "con-x"]
)
def test_a_name_may_be_letters_digits_and_a_few_signs_of_any_script(name: str):
    assert check_name(name, "model") == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "it is empty"),
        ("../evil", "it holds '/'"),
        ("a/b", "it holds '/'"),
        ("a\\b", r"it holds '\\'"),
        (".", "it begins with '.'"),
        ("..", "it begins with '.'"),
        (".hidden", "it begins with '.'"),
        ("-x", "it begins with '-'"),
        ("--help", "it begins with '-'"),
        ("-", "it begins with '-'"),
        ("m@prod", "it holds '@'"),
        ("m:1", "it holds ':'"),
        ("m#1", "it holds '#'"),
        ("m 1", "it holds ' '"),
        ("m\n", r"it holds '\\n'"),
        ("m\x00", r"it holds '\\x00'"),
        ("m\u202e", r"it holds '\\u202e'"),
        ("%2e%2e%2f", "it holds '%'"),
        ("m%00", "it holds '%'"),
        ("x" * 129, "it has 129 characters and at most 128 fit"),
        ("模" * 100, "it has 300 bytes and at most 200 fit"),
        ("e\u0301", "it is not in Unicode's composed form"),
        ("x.", r"it ends with '.'"),
        ("con", "the name is a device on Windows"),
        ("NUL.txt", "the name is a device on Windows"),
        ("$(touch PWN)", r"it holds '\$'"),
        ("<img>", "it holds '<'"),
    ],
)
def test_a_name_that_some_system_or_grammar_would_misread_is_refused(name: str, why: str):
    with pytest.raises(InvalidName, match=why) as caught:
        check_name(name, "model")
    assert (caught.value.exit_code, caught.value.hint) == (
        2,
        "use letters, digits, '-', '_' and '.', as in 'iris-forest'",
    )


@pytest.mark.parametrize("what", ["model", "experiment", "alias"])
def test_the_message_says_what_could_not_be_named(what: str):
    article = {"model": "a", "experiment": "an", "alias": "an"}[what]
    with pytest.raises(InvalidName) as caught:
        check_name("a b", what)
    assert caught.value.message == f"'a b' cannot name {article} {what}: it holds ' '"


@pytest.mark.parametrize("alias", ["latest", "Latest", "1", "v1", "V12", "none", "Production", "STAGING", "archived"])
def test_an_alias_may_not_pass_for_a_number_or_a_stage(alias: str):
    with pytest.raises(InvalidName, match="cannot name an alias: it is reserved"):
        check_alias(alias)


@pytest.mark.parametrize("alias", ["champion", "v1b", "prod", "latest-good"])
def test_an_alias_may_be_any_other_name(alias: str):
    assert check_alias(alias) == alias


@pytest.mark.parametrize("key", ["lr", "model/lr", "a b", "__proto__", "größe", "a.b-c@1", "x" * 250, "{}"])
def test_a_key_may_be_any_printable_text(key: str):
    assert check_key(key, "param") == key


@pytest.mark.parametrize("key", ["", " ", " lr", "lr ", "a=b", "a\nb", "a\x1b[31m", "a\u202eb", "x" * 251])
def test_a_key_that_could_not_be_typed_or_shown_is_refused(key: str):
    with pytest.raises(InvalidName, match="cannot name a metric: "):
        check_key(key, "metric")


@pytest.mark.parametrize(
    "name", ["a", "<img src=x onerror=alert(1)>", "[bold red]x[/]", "\x1b]52;c;ZXZpbA==\x07x", "x" * 250]
)
def test_a_run_may_be_called_anything(name: str):
    assert check_run_name(name) == name


@pytest.mark.parametrize("name", ["", "  \t", "x" * 251])
def test_a_run_may_not_be_called_nothing_or_a_whole_book(name: str):
    with pytest.raises(InvalidName):
        check_run_name(name)


def test_text_that_is_no_unicode_cannot_be_kept():
    with pytest.raises(InvalidValue, match=r"'a\\udcff' is not valid Unicode text"):
        storable("a\udcff")


@pytest.mark.parametrize(
    "path", ["model", "model/model.joblib", "-rf", "$(touch PWN)", "a b/c", "é", "x.y.z", "a/" + "b" * 200]
)
def test_an_artifact_may_lie_at_any_portable_path(path: str):
    assert check_artifact_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "", "../x", "a/../../x", "/etc/passwd", "~/x", "a/./b", "a//b", ".", "a/", "..\\x", "C:\\x", "C:x", "\\\\host\\x",
        "con", "a/NUL.txt", "x.", "x ", "a/b./c", "b" * 300, "/".join(["abcd"] * 1000), "a\nb", "a\x7fb", "a\x00",
    ],
)  # fmt: skip
def test_an_artifact_path_that_leaves_its_place_or_fits_no_system_is_refused(path: str):
    with pytest.raises(InvalidName, match="cannot name an artifact: "):
        check_artifact_path(path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("größe 模型 ☃", "größe 模型 ☃"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b]52;c;x\x07", r"\x1b]52;c;x\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u202eb\u2066\u200b", r"a\u202eb\u2066\u200b"),
        ("\U000e0001", r"\U000e0001"),
        ("a\udcff", r"a\udcff"),
        ("a\u00a0b", "a\u00a0b"),
    ],
)
def test_a_control_character_is_shown_and_never_sent(text: str, shown: str):
    assert escaped(text) == shown


@given(st.text())
def test_whatever_is_shown_holds_no_control_and_no_direction_character(text: str):
    assert [
        char for char in escaped(text) if ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or char in "\u202e\u2066\u200b"
    ] == []


def test_a_long_text_is_cut_in_a_message_and_its_length_is_told():
    assert quoted("x" * 70_000) == f"'{'x' * 60}…' (70000 characters)"
    assert quoted("a\nb") == r"'a\nb'"


def test_a_run_without_a_name_is_called_the_same_every_time():
    names = [run_name("3f2a9c1d" + "0" * 24), run_name("3f2a9c1d" + "f" * 24), run_name("00000000")]
    assert names[0] == names[1] != names[2] == "able-adder"
