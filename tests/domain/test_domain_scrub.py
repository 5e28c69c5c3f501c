"""A run without a value: its texts, and none of what names, dates or counts it."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins
from msgspec.structs import replace

from mlcli.domain.run import Artifact, Input, Metric, Param, ParamSource, Run, RunStatus, Scrub
from mlcli.domain.scrub import run_without, spellings
from mlcli.domain.source import Command, Environment, GitState, Person
from mlcli.errors import InvalidValue

AT = datetime(2026, 11, 21, 6, 40, tzinfo=timezone.utc)
ADA = Person(name="Ada Lovelace")
RUN = Run(
    id="a" * 32, name="calm-otter", status=RunStatus.FINISHED, started_at=AT, ended_at=AT, user=ADA,
    command=Command(argv=["python", "train.py", "--key=hunter2"]), git=GitState(commit="b" * 40, subject="Add hunter2"),
    environment=Environment(variables={"TZ": "hunter2"}),
    params={"a": Param({"hunter2": ["x hunter2"]}, ParamSource.GIVEN), "model": Param("hunter2", ParamSource.DEFAULT)},
    metrics={"hunter2": Metric(last=1, step=0, at=AT, min=1, min_step=0, max=1, max_step=0, count=1, origin="hunter2")},
    tags={"path": "hunter2"}, note="see hunter2", artifacts=[Artifact(path="hunter2.bin", size=1, digest="sha256:hunter2")],
    inputs=[Input(path="data", size=1, digest="sha256:1", by="hunter2")], scrubs=[Scrub(at=AT, by=ADA, places=1)],
)  # fmt: skip


def test_a_value_is_taken_out_of_every_text():
    run, found = run_without(RUN, ["hunter2"])
    assert run == replace(
        RUN,
        command=Command(argv=["python", "train.py", "--key=***"]),
        git=replace(RUN.git, subject="Add ***"),
        environment=Environment(variables={"TZ": "***"}),
        params={
            "a": Param({"***": ["x ***"]}, ParamSource.GIVEN),
            "model": Param("***", ParamSource.DEFAULT),
        },
        metrics={"hunter2": replace(RUN.metrics["hunter2"], origin="***")},
        tags={"path": "***"},
        note="see ***",
        inputs=[replace(RUN.inputs[0], by="***")],
    )
    assert +found == {
        "command": 1, "git": 1, "environment": 1, "params": 3, "metrics": 1, "tags": 1, "note": 1, "inputs": 1,
    }  # fmt: skip


def test_a_number_is_taken_out_of_params_only():
    run = replace(RUN, params={"pin": Param(123456, ParamSource.GIVEN), "on": Param(True, ParamSource.GIVEN)})
    cleaned, _ = run_without(run, ["123456", "True"])
    assert cleaned.params == {"pin": Param("***", ParamSource.GIVEN), "on": Param(True, ParamSource.GIVEN)}


@given(st.sampled_from(["finished", "given", "aaaa", "bbbb", "2026", "sha256", "hunter2", "calm", "Love"]))
def test_what_names_dates_or_counts_a_run_stays(text: str):
    run, _ = run_without(RUN, [text])
    kept = [
        (each.id, each.status, each.started_at, each.git.commit, each.artifacts, each.scrubs) for each in (run, RUN)
    ]
    assert kept[0] == kept[1]
    assert [param.source for param in run.params.values()] == [param.source for param in RUN.params.values()]


@given(st.text(min_size=4, max_size=20))
def test_no_spelling_of_a_value_is_left(value: str):
    if not value.strip("* \n"):
        return
    texts = spellings(value)
    assert value in texts
    run, _ = run_without(replace(RUN, note=f"a {value} b", tags={"x": value}), texts)
    assert (
        not [text for text in texts if text in repr(to_builtins([run.note.replace("***", ""), run.tags]))]
        or "*" in value
    )


@pytest.mark.parametrize("value", ["", "abc", "*****", "   \n "])
def test_what_would_be_found_everywhere_is_no_value(value: str):
    with pytest.raises(InvalidValue, match="less than 4 characters"):
        spellings(value)
