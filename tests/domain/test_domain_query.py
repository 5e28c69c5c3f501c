"""The filter's grammar: what it reads, where it says that it cannot, and that it never breaks."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlcli.domain.names import escaped
from mlcli.domain.query import Both, Compare, Either, Negated, parse, point_in_time
from mlcli.errors import InvalidFilter

NOW = datetime(2026, 11, 21, 6, 40, tzinfo=timezone.utc)
ACC = ("metrics", "accuracy")
A, B, C = Compare(("name",), "=", "a"), Compare(("name",), "=", "b"), Compare(("name",), "=", "c")


@pytest.mark.parametrize(
    ("text", "filter_"),
    [
        ("metrics.accuracy > 0.9", Compare(ACC, ">", 0.9)),
        ("metrics.accuracy>0.9", Compare(ACC, ">", 0.9)),
        ("  metric.accuracy\n>=\t.5 ", Compare(ACC, ">=", 0.5)),
        ("metrics.accuracy == 1e-3", Compare(ACC, "=", 0.001)),
        ("metrics.accuracy <> -1", Compare(ACC, "!=", -1)),
        ("metrics.accuracy < +5", Compare(ACC, "<", 5)),
        ("metrics.`val loss` < 1", Compare(("metrics", "val loss"), "<", 1)),
        ('metrics."val loss" < 1', Compare(("metrics", "val loss"), "<", 1)),
        ("metrics.val-loss <= 1", Compare(("metrics", "val-loss"), "<=", 1)),
        ("metrics.val/loss = 1", Compare(("metrics", "val/loss"), "=", 1)),
        ("params.model.depth = 3", Compare(("params", "model.depth"), "=", 3)),
        ("params.größe = 3", Compare(("params", "größe"), "=", 3)),
        ("parameters.x = true", Compare(("params", "x"), "=", True)),
        ("PARAMS.x = False", Compare(("params", "x"), "=", False)),
        ("tags.team = 'it''s'", Compare(("tags", "team"), "=", "it's")),
        ("tags.team = 'it\\'s'", Compare(("tags", "team"), "=", "it's")),
        ('tags.team = "a\nb"', Compare(("tags", "team"), "=", "a\nb")),
        ("tags.`mlflow.source.name` = 'x'", Compare(("tags", "mlflow.source.name"), "=", "x")),
        ("attributes.status = 'FINISHED'", Compare(("status",), "=", "FINISHED")),
        ("attribute.run_name LIKE 'a%'", Compare(("name",), "like", "a%")),
        ("run_id = 'x'", Compare(("id",), "=", "x")),
        ("name not like 'a%'", Negated(Compare(("name",), "like", "a%"))),
        ("status IN ('failed', 'killed')", Compare(("status",), "in", ("failed", "killed"))),
        ("status NOT IN ('failed')", Negated(Compare(("status",), "in", ("failed",)))),
        ("params.x is null", Compare(("params", "x"), "isnull", None)),
        ("params.x IS NOT NULL", Negated(Compare(("params", "x"), "isnull", None))),
        ("reproduces = 'x'", Compare(("reproduces",), "=", "x")),
        ("git.dirty = false", Compare(("git", "dirty"), "=", False)),
        ("not name = 'a'", Negated(A)),
        ("NOT not name = 'a'", Negated(Negated(A))),
        ("name = 'a' and name = 'b' or name = 'c'", Either(Both(A, B), C)),
        ("name = 'a' or name = 'b' and name = 'c'", Either(A, Both(B, C))),
        ("(name = 'a' or name = 'b') and name = 'c'", Both(Either(A, B), C)),
        ("not name = 'a' and name = 'b'", Both(Negated(A), B)),
        ("started > '2026-11-20'", Compare(("started",), ">", datetime(2026, 11, 20, tzinfo=timezone.utc))),
        ("started > '1 hour ago'", Compare(("started",), ">", NOW - timedelta(hours=1))),
        ("start_time > 0", Compare(("started",), ">", datetime(1970, 1, 1, tzinfo=timezone.utc))),
        ("metrics.accuracy < inf", Compare(ACC, "<", float("inf"))),
    ],
)
def test_a_filter_is_read(text: str, filter_):
    assert parse(text, NOW) == filter_


@pytest.mark.parametrize(
    ("text", "column", "told"),
    [
        ("", 1, "expected a comparison, found the end"),
        ("   ", 4, "expected a comparison, found the end"),
        ("accuracy > 0.9", 1, "expected metrics.…, params.…, tags.…, git.… or one of command, ended"),
        ("metrics > 0.9", 1, "expected metrics.…, params.…, tags.…, git.… or one of command, ended"),
        ("metrics. > 0.9", 10, "expected a name, in quotes where it holds spaces or signs, found '>'"),
        ("metrics.accuracy", 17, "expected an operator (= != > >= < <= like in is), found the end"),
        ("metrics.accuracy = ", 20, "expected a number, true, false or a text in quotes, found the end"),
        ("metrics.accuracy => 1", 19, "expected a number, true, false or a text in quotes, found '>'"),
        ("metrics.accuracy = high", 20, "expected a number, true, false or a text in quotes, found 'high'"),
        ("metrics.accuracy > 0.9 x", 24, "expected 'and', 'or' or the end, found 'x'"),
        ("(metrics.accuracy > 0.9", 24, "expected ')', found the end"),
        ("metrics.accuracy > 0.9)", 23, "expected 'and', 'or' or the end, found ')'"),
        ("name like 5", 11, "expected a pattern in quotes, as 'a%', found '5'"),
        ("name in 'a'", 9, "expected '(' and a list of values, found"),
        ("name in ('a' 'b')", 14, "expected ',' or ')', found"),
        ("name in ()", 10, "expected a number, true, false or a text in quotes, found ')'"),
        ("name is 5", 9, "expected 'null' or 'not null', found '5'"),
        ("name not = 5", 10, "expected 'in' or 'like' after 'not', found '='"),
        (
            "git.colour = 'x'",
            5,
            "expected one of commit, tree, branch, upstream, remote, dirty, ahead, behind, found 'colour'",
        ),
        ("started > 'soon'", 11, "expected a time, as '2026-11-21', '2026-11-21 06:40' or '2 days ago', found"),
        ("started > true", 11, "expected a time"),
        ("name = 'a", 8, "expected a field, an operator or a value, found"),
        ("name = 'a' & name = 'b'", 12, "expected a field, an operator or a value, found '& name = "),
        ("name = 'a'; drop", 11, "expected a field, an operator or a value, found '; drop'"),
        ("metrics.a > 1,5", 14, "expected 'and', 'or' or the end, found ','"),
        ("start_time > 1e300", 14, "expected a time"),
        ("(" * 51 + "name = 'a'", 51, "expected no more than 50 levels of 'not' and parentheses, found"),
        ("not " * 51 + "name = 'a'", 201, "expected no more than 50 levels of 'not' and parentheses, found"),
        (
            "id='a' or " * 200 + "id='a'",
            2001,
            "expected no more than 200 comparisons: put the values of one field into in (…)",
        ),
        ("start_time > nan", 14, "expected a time"),
        ("started > '99999999999 years ago'", 11, "expected a time"),
    ],
)
def test_a_filter_that_cannot_be_read_says_where_and_what_was_expected(text: str, column: int, told: str):
    with pytest.raises(InvalidFilter) as caught:
        parse(text, NOW)
    assert caught.value.message.startswith(f"filter, column {column}: {told}")
    assert (caught.value.exit_code, caught.value.hint) == (
        2, "as: metrics.accuracy > 0.9 and params.max_depth = 10 and status = 'finished'",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("today", datetime(2026, 11, 21, tzinfo=timezone.utc)),
        ("Yesterday", datetime(2026, 11, 20, tzinfo=timezone.utc)),
        ("2 days ago", NOW - timedelta(days=2)),
        ("an hour ago", NOW - timedelta(hours=1)),
        ("3 Weeks ago", NOW - timedelta(weeks=3)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=timezone.utc)),
        ("2026-11-20 10:30", datetime(2026, 11, 20, 10, 30, tzinfo=timezone.utc)),
        ("2026-11-20T10:30:00Z", datetime(2026, 11, 20, 10, 30, tzinfo=timezone.utc)),
        ("2026-11-20T10:30:00+02:00", datetime(2026, 11, 20, 8, 30, tzinfo=timezone.utc)),
        ("", None),
        ("ago", None),
        ("-1 days ago", None),
        ("2026-13-01", None),
        ("99999999999 years ago", None),
    ],
)
def test_a_time_is_read_as_people_and_machines_write_it(text: str, moment):
    assert point_in_time(text, NOW) == moment


WORDS = st.sampled_from(
    ["metrics", "params", "tags", "git", ".", "a", "accuracy", "=", "!=", ">", "<=", "like", "in", "is", "not", "null", "and",
     "or", "(", ")", ",", "'x'", '"y"', "`z`", "1", "-0.5e3", "1e999", "true", "nan", "started", "name", "'2 days ago'", "'", '"',
     "attributes", "99999999999999999999", "\\"]
)  # fmt: skip


@settings(max_examples=500)
@given(st.one_of(st.lists(WORDS, max_size=12).map(" ".join), st.text(max_size=40)))
@example("(" * 5000)
@example("not " * 5000 + "name = 'a'")
@example("name = 'a' and " * 5000 + "name = 'a'")
@example("start_time > 99999999999999999999")
@example("start_time > inf")
@example("started > '9999-12-31T23:59:59-23:59'")
def test_any_text_is_a_filter_or_is_refused(text: str):
    assert read_or_refused(text)


def read_or_refused(text: str) -> bool:
    try:
        return parse(text, NOW) is not None
    except InvalidFilter as error:
        return escaped(error.message) == error.message
