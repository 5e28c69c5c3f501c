"""A run's metrics added up, its length, its order among others, and what may be logged."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mlcli.domain.order import Sort, ordered, parse_sort
from mlcli.domain.run import (
    Artifact,
    Metric,
    MetricPoint,
    Param,
    ParamSource,
    Run,
    RunStatus,
    lower_is_better,
    summarised,
)
from mlcli.domain.source import Command, Environment, GitState, Person
from mlcli.domain.values import (
    MAX_PARAMS,
    checked_note,
    checked_params,
    checked_step,
    checked_tags,
    json_value,
    metric_value,
    same_value,
)
from mlcli.errors import InvalidName, InvalidValue, UsageError

AT = datetime(2026, 11, 21, 6, 40, tzinfo=timezone.utc)
RUN = Run(
    id="a", name="x", experiment="default", status=RunStatus.FINISHED, started_at=AT, ended_at=AT + timedelta(seconds=90),
    command=Command(argv=[]), git=GitState(), environment=Environment(), user=Person(),
)  # fmt: skip


def point(value: float, step: int = 0, seconds: int = 0, metric: str = "loss") -> MetricPoint:
    return MetricPoint(metric, value, step, AT + timedelta(seconds=seconds))


def summary(points: list[MetricPoint]) -> dict[str, tuple]:
    told = summarised({}, points)
    return {key: (m.last, m.step, m.min, m.min_step, m.max, m.max_step, m.count) for key, m in told.items()}


@pytest.mark.parametrize(
    ("points", "told"),
    [
        ([point(0.5)], (0.5, 0, 0.5, 0, 0.5, 0, 1)),
        ([point(0.5, 0), point(0.3, 1), point(0.4, 2)], (0.4, 2, 0.3, 1, 0.5, 0, 3)),
        ([point(0.4, 2), point(0.5, 0), point(0.3, 1)], (0.4, 2, 0.3, 1, 0.5, 0, 3)),
        ([point(0.4, 1), point(0.5, 1)], (0.5, 1, 0.4, 1, 0.5, 1, 2)),
        ([point(0.4, 1, seconds=5), point(0.5, 1, seconds=1)], (0.4, 1, 0.4, 1, 0.5, 1, 2)),
        ([point(0.5, -3), point(0.4, -7)], (0.5, -3, 0.4, -7, 0.5, -3, 2)),
        ([point(math.inf, 0), point(-math.inf, 1)], (-math.inf, 1, -math.inf, 1, math.inf, 0, 2)),
    ],
)
def test_the_last_value_is_that_of_the_highest_step_and_the_ends_are_kept(points, told):
    assert summary(points) == {"loss": told}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([math.nan, 0.5], "(0.5, 1, 0.5, 1, 0.5, 1, 2)"),
        ([0.5, math.nan], "(nan, 1, 0.5, 0, 0.5, 0, 2)"),
        ([0.5, math.nan, 0.4], "(0.4, 2, 0.4, 2, 0.5, 0, 3)"),
        ([math.nan, math.nan], "(nan, 1, nan, 0, nan, 0, 2)"),
    ],
)
def test_a_nan_may_be_last_but_never_least_or_greatest(values: list[float], told: str):
    assert str(summary([point(value, step) for step, value in enumerate(values)])["loss"]) == told


def test_metrics_are_kept_apart():
    assert summary([point(1, metric="a"), point(2, metric="b")]) == {
        "a": (1, 0, 1, 0, 1, 0, 1), "b": (2, 0, 2, 0, 2, 0, 1),
    }  # fmt: skip


POINTS = st.lists(
    st.builds(point, st.floats(), st.integers(-2, 4), st.integers(0, 3), st.sampled_from(["a", "b"])), max_size=12
)


@given(POINTS, st.integers(0, 12))
def test_a_history_may_be_added_up_in_parts(points: list[MetricPoint], cut: int):
    parts = summarised(summarised({}, points[:cut]), points[cut:])
    whole = summarised({}, points)
    assert {key: plain(metric) for key, metric in parts.items()} == {
        key: plain(metric) for key, metric in whole.items()
    }


def plain(metric: Metric) -> tuple:
    """All but which of several equal ends came first: -0.0 and 0.0 are one number, and a NaN is like any other."""
    ends = [repr(value + 0.0) for value in (metric.last, metric.min, metric.max)]
    return (*ends, metric.step, metric.at, metric.count)


@pytest.mark.parametrize(
    ("ended", "seconds"),
    [(AT + timedelta(seconds=90), 90.0), (None, None), (AT - timedelta(seconds=1), None), (AT, 0.0)],
)
def test_a_run_lasts_from_its_start_to_its_end(ended, seconds):
    assert replace(RUN, ended_at=ended).seconds == seconds


def test_the_files_of_a_directory_are_those_below_it_and_no_namesake():
    files = [Artifact(path=path, size=0, digest="") for path in ("model/a", "model/b/c", "model2/a", "model")]
    run = replace(RUN, artifacts=files)
    assert [file.path for file in run.files_of("model")] == ["model/a", "model/b/c", "model"]


@pytest.mark.parametrize(
    ("metric", "lower"),
    [("loss", True), ("val_loss", True), ("val/loss", True), ("RMSE", True), ("error-rate", True), ("accuracy", False), ("f1", False),
     ("glossiness", False), ("latency_ms", True), ("terror", False)],
)  # fmt: skip
def test_whether_less_is_better_is_told_from_a_metrics_name(metric: str, lower: bool):
    assert lower_is_better(metric) is lower


# Order


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("metrics.accuracy:desc", Sort(("metrics", "accuracy"), True)),
        ("metrics.accuracy", Sort(("metrics", "accuracy"), False)),
        ("metric.a.b:asc", Sort(("metrics", "a.b"), False)),
        ("params.x:y:desc", Sort(("params", "x:y"), True)),
        ("tags.team", Sort(("tags", "team"), False)),
        ("start_time:desc", Sort(("started",), True)),
        ("duration", Sort(("seconds",), False)),
        ("name", Sort(("name",), False)),
    ],
)
def test_an_order_is_read(text: str, sort: Sort):
    assert parse_sort(text) == sort


@pytest.mark.parametrize("text", ["", "accuracy", "metrics.", "metrics", "git.dirty", "name:up", ":desc"])
def test_an_order_that_does_not_exist_is_refused_with_those_that_do(text: str):
    with pytest.raises(UsageError, match="cannot sort by") as caught:
        parse_sort(text)
    assert caught.value.hint.startswith("use metrics.…, params.…, tags.… or one of started, ended")


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.floats(), st.text(max_size=2), st.lists(st.integers(), max_size=1)
)


@given(st.lists(VALUES, max_size=8), st.booleans())
def test_params_of_any_kind_have_an_order(values, descending: bool):
    runs = [replace(RUN, id=str(at), params={"x": Param(value, ParamSource.LOGGED)}) for at, value in enumerate(values)]
    assert sorted(run.id for run in ordered(runs, Sort(("params", "x"), descending))) == sorted(run.id for run in runs)


# What may be logged


class Scalar:
    """A number of NumPy's or torch's."""

    ndim = 0

    def __init__(self, value):
        self.value = value

    def item(self):
        return self.value

    def __float__(self):
        return float(self.value)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (1, 1), (0.5, 0.5), (True, True), (None, None), ("x", "x"), ((1, 2), [1, 2]), ({1: (2,)}, {"1": [2]}), (2**63, str(2**63)),
        (-(2**63), -(2**63)), (Scalar(0.25), 0.25), ({1, }, "{1}"), (AT, str(AT)), (math.inf, math.inf),
    ],
)  # fmt: skip
def test_a_param_keeps_its_json_type_and_else_its_text(value, kept):
    told = json_value(value, "x")
    assert (told, type(told)) == (kept, type(kept))


def test_a_param_longer_than_fits_is_refused():
    with pytest.raises(InvalidValue, match="param 'x' has 500001 characters and at most 500000 fit"):
        json_value("x" * 500_001, "x")


@pytest.mark.parametrize("value", ["0.5", b"1", None, 1j, [1], {}, object(), 10**400])
def test_a_metric_that_is_no_number_is_refused(value):
    with pytest.raises(InvalidValue, match="metric 'loss' must be a number, not"):
        metric_value("loss", value)


@pytest.mark.parametrize(
    ("value", "kept"), [(1, 1.0), (True, 1.0), (Scalar(0.5), 0.5), (math.inf, math.inf), (2**63, 2.0**63)]
)
def test_a_metric_is_kept_as_a_float(value, kept: float):
    assert (metric_value("loss", value), type(metric_value("loss", value))) == (kept, float)


@pytest.mark.parametrize("step", [None, 0, -5, 2**63 - 1, -(2**63), Scalar(7)])
def test_a_step_is_a_whole_number_of_64_bits(step):
    assert checked_step(step) == (0 if step is None else getattr(step, "value", step))


@pytest.mark.parametrize("step", [2**63, -(2**63) - 1, 1.5, "1", True, [], Scalar(1.5)])
def test_a_step_that_is_not_is_refused(step):
    with pytest.raises(InvalidValue, match="a step must be a whole number of 64 bits, not"):
        checked_step(step)


def test_no_run_has_more_params_than_fit():
    many = {str(at): Param(at, ParamSource.LOGGED) for at in range(MAX_PARAMS + 1)}
    with pytest.raises(InvalidValue, match="a run has at most 10000 params, and these are 10001"):
        checked_params(many)


def test_tags_are_texts_of_a_bounded_length():
    assert checked_tags({"a": 1, "b": None}) == {"a": "1", "b": "None"}
    with pytest.raises(InvalidValue, match="tag 'a' has 500001 characters"):
        checked_tags({"a": "x" * 500_001})
    with pytest.raises(InvalidName):
        checked_tags({"a=b": "x"})


def test_a_note_has_a_bounded_length():
    assert checked_note("x" * 100_000) == "x" * 100_000
    with pytest.raises(InvalidValue, match="a note has at most 100000 characters, and this one 100001"):
        checked_note("x" * 100_001)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [(1, 1, True), (1, 1.0, True), (1, True, False), ("NaN", math.nan, True), (math.nan, math.nan, True), ("1", 1, False), ([1], [1], True)],
)  # fmt: skip
def test_a_value_said_again_is_the_same_unless_it_means_something_else(old, new, same: bool):
    assert same_value(old, new) is same
