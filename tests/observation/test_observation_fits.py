"""What was fitted, and which file holds which of it."""

from __future__ import annotations

from typing import Any

from mlcli.domain.observed import Fit
from mlcli.observation.events import Dumped, Event, Fitted, Moved, Part, Repeated, Stream
from mlcli.observation.fits import MAX_FITS, Made, fits, makers

FOREST = "sklearn.ensemble._forest.RandomForestClassifier"
RIDGE = "sklearn.linear_model._ridge.Ridge"
SCALER = "sklearn.preprocessing._data.StandardScaler"
GRID = "sklearn.model_selection._search.GridSearchCV"
PIPELINE = "sklearn.pipeline.Pipeline"


def fitted(t: float, cls: str = FOREST, oid: int = 1, line: int = 36, **more: Any) -> Fitted:
    return Fitted(t=t, cls=cls, oid=oid, at=("/project/train.py", line), **more)


def dumped(t: float, *parts: tuple[str, int], path: str = "/project/model.joblib", here: bool = True) -> Dumped:
    held = {str(at): Part(cls=cls, oid=oid, fitted_here=here) for at, (cls, oid) in enumerate(parts)}
    return Dumped(t=t, p=path, how="joblib.dump", cls="builtins.dict", parts=held)


def made(*events: Event) -> Made:
    return makers([Stream(1, list(events))])["/project/model.joblib"]


def test_a_fit_says_what_was_fitted_and_where():
    event = fitted(
        1.0,
        set={"n_estimators": 20, "password": "x"},
        sub={"a__b": 1},
        dt=0.5,
        shape=[10, 2],
        best={"C": 1},
        best_score=0.9,
    )
    assert fits([Stream(1, [event])], "/project") == [
        Fit(
            cls=FOREST, params={"n_estimators": 20, "password": "***"}, nested={"a__b": 1}, shape=[10, 2], seconds=0.5,
            at="train.py:36", calls=1, best={"C": 1}, best_score=0.9,
        )
    ]  # fmt: skip
    assert [fit.at for fit in fits([Stream(1, [event])], "/elsewhere")] == ["/project/train.py:36"]
    assert [fit.at for fit in fits([Stream(1, [event])], "/wor")] == ["/project/train.py:36"]


def test_fits_are_in_the_order_of_time_whichever_process_made_them():
    streams = [Stream(1, [fitted(3.0, line=3), fitted(5.0, line=5)]), Stream(2, [fitted(4.0, line=4)])]
    assert [fit.at for fit in fits(streams, "/project")] == ["train.py:3", "train.py:4", "train.py:5"]


def test_calls_count_every_fit_at_a_line_those_too_that_were_not_told():
    streams = [
        Stream(1, [*(fitted(at) for at in range(20)), fitted(30), Repeated(t=40, at=("/project/train.py", 36), n=100)]),
        Stream(2, [fitted(31), fitted(32)]),
        Stream(3, [fitted(33, line=7)]),
    ]
    assert {(fit.at, fit.calls) for fit in fits(streams, "/project")} == {("train.py:36", 102), ("train.py:7", 1)}


def test_of_very_many_fits_the_last_thousand_are_kept():
    stream = Stream(1, [*(fitted(at, line=at) for at in range(MAX_FITS + 10)), dumped(9999, (FOREST, 1))])
    assert len(fits([stream], "/project")) == MAX_FITS
    assert makers([stream])["/project/model.joblib"].fit == MAX_FITS - 1
    assert made(fitted(0, oid=7), dumped(0.5, (FOREST, 7)), *(fitted(at) for at in range(1, MAX_FITS + 1))).fit is None


def test_a_file_is_linked_to_the_last_fit_of_what_it_holds_before_it_was_written():
    assert made(fitted(1), fitted(2), fitted(3, oid=2), dumped(4, (FOREST, 1)), fitted(5)) == Made(
        "joblib.dump", FOREST, 1
    )
    assert made(dumped(1, (FOREST, 1)), fitted(2)).fit is None


def test_an_id_that_another_class_has_taken_over_links_nothing():
    assert made(fitted(1, RIDGE), dumped(2, (FOREST, 1))) == Made("joblib.dump", FOREST, None)


def test_what_was_loaded_and_not_fitted_links_nothing():
    assert made(fitted(1), dumped(2, (FOREST, 1), here=False)) == Made("joblib.dump", FOREST, None)


def test_an_id_means_nothing_in_another_process():
    streams = [Stream(1, [fitted(1)]), Stream(2, [dumped(2, (FOREST, 1))])]
    assert makers(streams)["/project/model.joblib"].fit is None


def test_of_a_bundle_the_first_that_was_fitted_counts():
    assert made(fitted(1, RIDGE, 5), dumped(2, (FOREST, 1), (RIDGE, 5))) == Made("joblib.dump", RIDGE, 0)


def test_of_a_bundle_it_is_the_model_before_what_prepares_its_data():
    assert made(fitted(1, SCALER, 4), fitted(2, RIDGE, 5), dumped(3, (SCALER, 4), (RIDGE, 5))) == Made(
        "joblib.dump", RIDGE, 1
    )
    assert made(fitted(1, SCALER, 4), dumped(3, (SCALER, 4))) == Made("joblib.dump", SCALER, 0)


def test_the_best_of_a_search_and_a_wrappers_booster_were_fitted_by_these():
    assert made(fitted(1, GRID, best={"C": 1}), dumped(2, (PIPELINE, 1))) == Made("joblib.dump", PIPELINE, 0)
    assert made(fitted(1, "xgboost.sklearn.XGBClassifier"), dumped(2, ("xgboost.core.Booster", 1))).fit == 0


def test_what_holds_no_model_says_only_how_it_was_written():
    assert made(dumped(1)) == Made("joblib.dump", "", None)


def test_what_prepares_data_is_no_model():
    assert [Made("joblib.dump", cls, None).model for cls in (FOREST, "churn.Blend", SCALER, "")] == [
        True,
        True,
        False,
        False,
    ]


def test_the_last_one_to_write_a_path_counts():
    first, second = fitted(1, FOREST, 1), fitted(2, RIDGE, 2)
    assert made(first, second, dumped(3, (FOREST, 1)), dumped(4, (RIDGE, 2))).cls == RIDGE
    streams = [Stream(1, [second, dumped(4, (RIDGE, 2))]), Stream(2, [first, dumped(3, (FOREST, 1))])]
    assert makers(streams)["/project/model.joblib"].cls == RIDGE


def test_a_file_that_was_renamed_goes_by_its_last_name():
    events = [
        fitted(1),
        dumped(2, (FOREST, 1), path="/project/a.part"),
        Moved(t=3, a="/project/a.part", b="/project/model.joblib"),
    ]
    assert makers([Stream(1, list(events))]) == {"/project/model.joblib": Made("joblib.dump", FOREST, 0)}
    events.append(dumped(4, path="/project/a.part"))
    assert makers([Stream(1, list(events))])["/project/a.part"].cls == ""


def test_a_rename_in_another_process_is_followed_too():
    streams = [
        Stream(
            1, [fitted(1), dumped(2, (FOREST, 1), path="/project/a"), Moved(t=1, a="/project/a", b="/project/early")]
        ),
        Stream(2, [Moved(t=4, a="/project/b", b="/project/c"), Moved(t=3, a="/project/a", b="/project/b")]),
    ]
    assert list(makers(streams)) == ["/project/c"]
