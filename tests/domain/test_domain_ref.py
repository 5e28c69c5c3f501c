"""The grammar of refs: one table of what may be typed, one of what may not."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlcli.domain.names import escaped
from mlcli.domain.ref import (
    AliasRef,
    Best,
    DigestRef,
    Newest,
    NewestVersion,
    RunArtifact,
    StageRef,
    VersionRef,
    Word,
    parse,
    parse_artifact,
)
from mlcli.domain.stage import Stage
from mlcli.errors import InvalidName, InvalidRef, UsageError


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("3f9a", Word("3f9a")),
        ("able-adder", Word("able-adder")),
        ("data/train.csv", Word("data/train.csv")),
        ("feature/x@y", Word("feature/x@y")),
        ("HEAD~1", Word("HEAD~1")),
        ("*", Word("*")),
        ("../x", Word("../x")),
        ("@", Newest(0)),
        ("@1", Newest(1)),
        ("@007", Newest(7)),
        ("best:accuracy", Best("accuracy", None)),
        ("best:loss:min", Best("loss", True)),
        ("best:val:loss:max", Best("val:loss", False)),
        ("best:val:loss", Best("val:loss", None)),
        ("iris@3", VersionRef("iris", 3)),
        ("iris@v3", VersionRef("iris", 3)),
        ("iris@production", StageRef("iris", Stage.PRODUCTION)),
        ("iris@Production", StageRef("iris", Stage.PRODUCTION)),
        ("iris@NONE", StageRef("iris", Stage.NONE)),
        ("iris@latest", NewestVersion("iris")),
        ("iris@Latest", NewestVersion("iris")),
        ("iris@champion", AliasRef("iris", "champion")),
        ("models:/iris/3", VersionRef("iris", 3)),
        ("models:/iris/Production", StageRef("iris", Stage.PRODUCTION)),
        ("models:/iris@champion", AliasRef("iris", "champion")),
        ("models:/iris/latest", NewestVersion("iris")),
        ("models://iris/3", VersionRef("iris", 3)),
        ("runs:/3f9a/model", RunArtifact("3f9a", "model")),
        ("runs:/3f9a/a/b.txt", RunArtifact("3f9a", "a/b.txt")),
        ("runs:/3f9a", Word("3f9a")),
        ("sha256:9f86d08", DigestRef("9f86d08")),
        ("sha256:" + "a" * 64, DigestRef("a" * 64)),
    ],
)
def test_a_ref_names_one_kind_of_thing(text: str, ref):
    assert parse(text) == ref


@pytest.mark.parametrize(
    "text",
    [
        "", " ", " 3f9a", "3f9a\n", "a\0b", "@x", "@-1", "@1.5", "@1234567890", "@٣", "iris@", "models:/", "models:/iris",
        "models:/iris/", "models:/@x", "runs:/", "sha256:", "sha256:9f86d0", "sha256:XYZXYZXYZ", "sha256:" + "a" * 65, "best:",
        "best::min",
    ],
)  # fmt: skip
def test_a_ref_that_no_rule_fits_is_refused_with_examples(text: str):
    with pytest.raises(InvalidRef, match=r"is no ref|is no digest") as caught:
        parse(text)
    assert (caught.value.exit_code, bool(caught.value.hint)) == (2, True)


@pytest.mark.parametrize(
    "text", ["-x@3", ".@production", "a b@3", "iris@a b", "iris@-x", "models:/../3", "models:/a b/3"]
)
def test_a_ref_whose_model_cannot_be_a_name_is_refused(text: str):
    with pytest.raises(InvalidName, match="cannot name"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("3f9a:model", RunArtifact("3f9a", "model")),
        ("@:plots/roc.png", RunArtifact("@", "plots/roc.png")),
        ("3f9a", Word("3f9a")),
        ("3f9a:", Word("3f9a:")),
        ("runs:/3f9a/model", RunArtifact("3f9a", "model")),
        ("best:accuracy", Best("accuracy", None)),
        ("models:/iris/3", VersionRef("iris", 3)),
    ],
)
def test_a_run_may_be_followed_by_one_of_its_files(text: str, ref):
    assert parse_artifact(text) == ref


@given(st.one_of(st.text(max_size=30), st.text(alphabet="@:/av3.-sruno", max_size=12)))
@example("@" * 50)
def test_any_text_is_a_ref_or_a_usage_error(text: str):
    assert read_or_refused(text)


def read_or_refused(text: str) -> bool:
    try:
        return parse(text) is not None
    except UsageError as error:
        return escaped(error.message) == error.message
