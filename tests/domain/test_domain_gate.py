"""The gates' grammar: what it reads, where it says that it cannot, and that it never breaks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlcli.domain.gate import Aged, Approved, Bound, Compared, Gate, Plain, Ran, Reachable, Stood, parse
from mlcli.domain.names import escaped
from mlcli.domain.stage import Stage
from mlcli.errors import InvalidValue


@pytest.mark.parametrize("word", ["clean", "artifact", "inputs", "reproduced", "signed"])
def test_a_gate_of_one_word_is_read(word: str):
    assert parse(word) == Plain(word, word)


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("reachable", Reachable("reachable")),
        ("reachable:main", Reachable("reachable:main", "main")),
        ("reachable: release/1.0", Reachable("reachable: release/1.0", "release/1.0")),
        ("reachable:-x", Reachable("reachable:-x", "-x")),
        ("approved", Approved("approved")),
        ("approved:2", Approved("approved:2", 2)),
        ("stage:staging", Stood("stage:staging", Stage.STAGING)),
        ("stage: Archived", Stood("stage: Archived", Stage.ARCHIVED)),
        ("age:staging >= 1d", Aged("age:staging >= 1d", Stage.STAGING, timedelta(days=1))),
        ("age:PRODUCTION>=2 weeks", Aged("age:PRODUCTION>=2 weeks", Stage.PRODUCTION, timedelta(weeks=2))),
        ("age:staging >= 30m", Aged("age:staging >= 30m", Stage.STAGING, timedelta(minutes=30))),
        ("command: test -f x && true", Ran("command: test -f x && true", "test -f x && true")),
        ("command:a\nb", Ran("command:a\nb", "a\nb")),
    ],
)
def test_a_gate_is_read(text: str, gate: Gate):
    assert parse(text) == gate


@pytest.mark.parametrize(
    ("text", "metric", "op", "value"),
    [
        ("metrics.accuracy >= 0.95", "accuracy", ">=", 0.95),
        ("metrics.accuracy>=.95", "accuracy", ">=", 0.95),
        ("metric.loss < 1e-3", "loss", "<", 0.001),
        ("metrics.loss <= -1", "loss", "<=", -1.0),
        ("metrics.epoch == 5", "epoch", "=", 5.0),
        ("metrics.epoch = 5", "epoch", "=", 5.0),
        ("metrics.epoch > 5.", "epoch", ">", 5.0),
        ("metrics.val.f1-score > 0", "val.f1-score", ">", 0.0),
        ("metrics.val/loss > 0", "val/loss", ">", 0.0),
        ('metrics."my key" > 0', "my key", ">", 0.0),
        ("metrics.`a >= b` > 0", "a >= b", ">", 0.0),
        ("metrics.'it''s' > 0", "it's", ">", 0.0),
        ("metrics.größe > 0", "größe", ">", 0.0),
        ("metrics.top.5 > 0", "top.5", ">", 0.0),
    ],
)
def test_a_bound_of_a_metric_is_read(text: str, metric: str, op: str, value: float):
    assert parse(text) == Bound(text, metric, op, value)


@pytest.mark.parametrize(
    ("text", "op", "factor", "offset"),
    [
        ("metrics.x >= current", ">=", 1.0, 0.0),
        ("metrics.x<=1.1*current", "<=", 1.1, 0.0),
        ("metrics.x <= current * 1.1", "<=", 1.1, 0.0),
        ("metrics.x > current + 0.01", ">", 1.0, 0.01),
        ("metrics.x > current - 0.01", ">", 1.0, -0.01),
        ("metrics.x > current-0.01", ">", 1.0, -0.01),
        ("metrics.x = .5 * current", "=", 0.5, 0.0),
    ],
)
def test_a_comparison_with_the_version_in_place_is_read(text: str, op: str, factor: float, offset: float):
    assert parse(text) == Compared(text, "x", op, factor, offset)


def test_a_gate_is_named_as_it_is_written_without_the_spaces_around_it():
    assert parse("  approved:2 \n").text == "approved:2"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "'' is no gate"),
        ("accuracy >= 0.95", "'accuracy >= 0.95' is no gate"),
        ("42", "'42' is no gate"),
        ("clean now", "'clean now', column 7: expected the end, found 'now'"),
        ("signed:yes", "column 7: expected the end, found ':yes'"),
        ("metrics", "column 8: expected '.' and the name of a metric, found the end"),
        ("metrics.", "column 9: expected the name of a metric, in quotes where it holds spaces or signs, found the end"),
        ("metrics.my key > 1", "column 12: expected one of > >= < <= =, found 'key > 1'"),
        ("metrics.x", "column 10: expected one of > >= < <= =, found the end"),
        ("metrics.x != 1", "column 11: expected one of > >= < <= =, found '!= 1'"),
        ("metrics.x => 1", "column 11: expected one of > >= < <= =, found '=> 1'"),
        ("metrics.x >> 1", "column 11: expected one of > >= < <= =, found '>> 1'"),
        ("metrics.x === 1", "column 13: expected a number or 'current', found '= 1'"),
        ("metrics.x > high", "column 13: expected a number or 'current', found 'high'"),
        ("metrics.x > nan", "column 13: expected a number or 'current', found 'nan'"),
        ("metrics.x > 1.0.0", "column 13: expected a number or 'current', found '1.0.0'"),
        ("metrics.x > 95%", "column 15: expected the end, found '%'"),
        ("metrics.x > 1e999", "column 13: expected a number that fits into 64 bits, found '1e999'"),
        ("metrics.x > currently", "column 13: expected a number or 'current', found 'currently'"),
        ("metrics.x > current *", "column 22: expected a number, found the end"),
        ("metrics.x > current + current", "column 23: expected a number, found 'current'"),
        ("metrics.x > 1.1 * 5", "column 19: expected 'current', found '5'"),
        ("metrics.x > 1.1 current", "column 17: expected the end, found 'current'"),
        ("metrics.x > 0 * current", "a factor must be above 0"),
        ("metrics.x > -1 * current", "a factor must be above 0"),
        ("metrics.x > 1 and metrics.y > 1", "column 15: expected the end, found 'and metrics.'"),
        ("reachable:", "column 11: expected the name of a branch, found the end"),
        ("reachable:my branch", "column 11: expected the name of a branch, found 'my branch'"),
        ("reachable:ma*n", "column 11: expected the name of a branch, found 'ma*n'"),
        ("reachable main", "column 11: expected ':' after reachable, found 'main'"),
        ("approved:", "column 10: expected how many people, as approved:2, found the end"),
        ("approved:0", "at least 1 person can be asked for"),
        ("approved:-1", "column 10: expected how many people, as approved:2, found '-1'"),
        ("approved:1.5", "column 10: expected how many people, as approved:2, found '1.5'"),
        ("approved:99999", "column 10: expected how many people, as approved:2, found '99999'"),
        ("approved:two", "column 10: expected how many people, as approved:2, found 'two'"),
        ("stage:", "column 7: expected staging, production or archived, found the end"),
        ("stage:prod", "column 7: expected staging, production or archived, found 'prod'"),
        ("stage:none", "column 7: expected staging, production or archived, found 'none'"),
        ("age:staging", "column 12: expected '>=' and a time, as age:staging >= 1d, found the end"),
        ("age:staging > 1d", "column 13: expected '>=' and a time, as age:staging >= 1d, found '> 1d'"),
        ("age:staging >= soon", "column 16: expected a time, found 'soon'"),
        ("age:staging >= ", "column 15: expected a time, found the end"),
        ("command:", "column 9: expected a shell command, found the end"),
        ("command", "column 8: expected ':' after command, found the end"),
        ("command: a\0b", "column 10: expected a shell command"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_where_and_what_is_expected(text: str, told: str):
    with pytest.raises(InvalidValue) as caught:
        parse(text)
    assert told in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "meant"),
    [("cleen", "clean"), ("Clean", "clean"), ("approve:2", "approved"), ("metric >= 1", "metrics"), ("comand: x", "command")],
)  # fmt: skip
def test_of_a_word_that_is_no_gate_the_nearest_is_named(text: str, meant: str):
    with pytest.raises(InvalidValue) as caught:
        parse(text)
    assert meant in (caught.value.hint or "")


WORDS = st.sampled_from(
    ["clean", "reachable", "approved", "metrics", "stage", "age", "command", ":", ".", ">=", "=", "*", "+", "-", "current",
     "1.1", "2", "1d", "staging", '"', "'", "`", " ", "\n", "\x1b", "‮", "x"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=12).map("".join) | st.text(max_size=60))
@example("metrics." + "'" * 40)
def test_any_text_is_a_gate_or_is_refused_in_words_that_are_safe_to_print(text: str):
    assert read_or_refused(text)


def read_or_refused(text: str) -> bool:
    try:
        return parse(text).text == text.strip()
    except InvalidValue as error:
        return escaped(error.message) == error.message
