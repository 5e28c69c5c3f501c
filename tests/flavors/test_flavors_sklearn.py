"""scikit-learn: params, input in many forms, and what a fitted estimator knows of itself."""

from __future__ import annotations

import numpy
import pandas
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import mlcli.flavors as flavors
from mlcli.domain.run import Field, Model, Signature
from mlcli.errors import InvalidValue, NotSupported
from mlcli.flavors.sklearn import params


class Client(BaseEstimator):
    """An estimator with a param of every awkward kind."""

    def __init__(self, api_key=None, url="", size=1, choice=None):
        self.api_key = api_key
        self.url = url
        self.size = size
        self.choice = choice


class Rude(BaseEstimator):
    def get_params(self, deep=True):
        raise RuntimeError("none of your business")


def shout(text):
    return text


def described(model, example=None):
    signature = flavors.infer_signature(example) if example is not None else flavors.signature_of(model)
    return Model(path="model", flavor="sklearn", python_class="", digest="", signature=signature)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (LogisticRegression(), {}),
        (LogisticRegression(C=2, class_weight={"a": 1.5}), {"C": 2, "class_weight": {"a": 1.5}}),
        (LogisticRegression(C=numpy.float64(0.25)), {"C": 0.25}),
        (SimpleImputer(), {}),
        (SimpleImputer(fill_value=float("nan")), {"fill_value": "NaN"}),
        (
            make_pipeline(StandardScaler(with_mean=False), LogisticRegression(C=0.1)),
            {
                "logisticregression": "LogisticRegression",
                "logisticregression__C": 0.1,
                "standardscaler": "StandardScaler",
                "standardscaler__with_mean": False,
            },
        ),
        (FunctionTransformer(shout), {"func": f"{__name__}.shout"}),
        (Client(api_key="abc123"), {"api_key": "***"}),
        (Client(url="https://me:pw@host/x"), {"url": "https://***@host/x"}),
        (Client(size=2**70), {"size": "1180591620717411303424"}),
        (Client(choice={1, 2}), {"choice": "{1, 2}"}),
        (Client(choice=numpy.zeros(3)), {"choice": "array([0., 0., 0.])"}),
        (Client(choice=(1, "a", None)), {"choice": [1, "a", None]}),
        (Client(choice="x" * 600), {"choice": "x" * 500 + "…"}),
        (Client(choice=object()), {"choice": "<object object>"}),
        (Rude(), {}),
    ],
)
def test_params_are_those_that_differ_from_their_defaults(model, expected):
    assert params(model) == expected


def test_a_long_list_of_params_is_cut(tmp_path):
    saved = flavors.save(Client(choice=list(range(100_000))), str(tmp_path))

    assert len(saved.params["choice"]) < 500


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("classifier", [Field(dtype="any", shape=[-1, 4])], [Field(dtype="int64", shape=[-1])]),
        ("regressor", [Field(dtype="any", shape=[-1, 4])], [Field(dtype="float64", shape=[-1])]),
        ("two outputs", [Field(dtype="any", shape=[-1, 4])], [Field(dtype="float64", shape=[-1, 2])]),
        ("pipeline", [Field(dtype="any", shape=[-1, 4])], [Field(dtype="float64", shape=[-1])]),
        ("search", [Field(dtype="any", shape=[-1, 4])], [Field(dtype="int64", shape=[-1])]),
        (
            "table",
            [
                Field(name="sepal length (cm)", dtype="any"),
                Field(name="sepal width (cm)", dtype="any"),
                Field(name="petal length (cm)", dtype="any"),
                Field(name="petal width (cm)", dtype="any"),
            ],
            [Field(dtype="string", shape=[-1])],
        ),
        (
            "columns",
            [Field(name="age", dtype="any"), Field(name="city", dtype="any")],
            [Field(dtype="int64", shape=[-1])],
        ),
    ],
)
def test_a_fitted_estimator_knows_its_signature(name, inputs, outputs, estimators):
    assert flavors.signature_of(estimators[name][0]) == Signature(inputs=inputs, outputs=outputs)


def test_clusters_are_answered_by_the_dtype_of_their_labels(iris):
    model = KMeans(n_clusters=2, n_init=1, random_state=0).fit(iris[0])

    assert flavors.signature_of(model).outputs == [Field(dtype="int32", shape=[-1])]


def test_several_answers_at_once_have_a_column_each(iris):
    rows, y = iris
    model = RandomForestClassifier(n_estimators=2, random_state=0).fit(rows, numpy.stack([y, y > 0], axis=1))

    assert flavors.signature_of(model).outputs == [Field(dtype="int64", shape=[-1, 2])]


@pytest.mark.parametrize("model", [LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())])
def test_an_estimator_that_was_never_fitted_is_saved_without_a_signature(model, tmp_path):
    saved = flavors.save(model, str(tmp_path))

    assert saved.signature is None


def test_an_estimator_that_was_never_fitted_says_so_when_asked(tmp_path, iris):
    saved = flavors.save(LogisticRegression(), str(tmp_path))

    with pytest.raises(NotSupported, match="saved before it was fitted") as caught:
        flavors.predict(flavors.load(str(tmp_path), saved), saved, iris[0])

    assert caught.value.hint == "call fit, then save it"


def test_an_input_example_tells_types_and_the_model_answers_it(estimators, people, tmp_path):
    saved = flavors.save(estimators["columns"][0], str(tmp_path), input_example=people[0])

    assert saved.signature == Signature(
        inputs=[Field(name="age", dtype="int64"), Field(name="city", dtype="string")],
        outputs=[Field(dtype="int64", shape=[-1])],
    )


def test_a_signature_that_was_given_is_kept(estimators, tmp_path):
    signature = Signature(inputs=[Field(name="mine", dtype="float32")])

    saved = flavors.save(estimators["classifier"][0], str(tmp_path), signature=signature, input_example=[[1]])

    assert saved.signature == signature


def test_an_example_that_the_model_cannot_answer_is_warned_of(estimators, tmp_path):
    with pytest.warns(flavors.ModelWarning, match="does not answer its input example: .*expecting 4 features"):
        saved = flavors.save(estimators["classifier"][0], str(tmp_path), input_example=[[1.0, 2.0]])

    assert saved.signature.inputs == [Field(dtype="float64", shape=[-1, 2])]


ROW = {"city": "Oslo", "age": 61}


@pytest.mark.parametrize(
    "data",
    [
        pandas.DataFrame([ROW]),
        pandas.DataFrame([{"extra": 0, **ROW}]),
        [ROW],
        [{"age": "61", "city": "Oslo", "extra": 1}],
        {"city": ["Oslo"], "age": [61]},
        ROW,
        [[61, "Oslo"]],
    ],
    ids=["table", "extra column", "records", "text", "columns", "one record", "rows"],
)
def test_input_comes_in_many_forms(data, estimators, people):
    model = estimators["columns"][0]

    answer = flavors.predict(model, described(model, people[0]), data)

    assert flavors.as_plain(answer) == [1]


@pytest.mark.parametrize("form", [numpy.asarray, csr_matrix, numpy.ndarray.tolist, pandas.DataFrame])
def test_a_model_without_column_names_takes_rows(form, estimators, iris):
    model, rows = estimators["classifier"]

    answer = flavors.predict(model, described(model), form(rows[:3]))

    assert flavors.as_plain(answer) == iris[1][:3].tolist()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([{"age": 1}], "the input has no 'city'"),
        (pandas.DataFrame({"city": ["Oslo"]}), "the input has no 'age'"),
        ([{"age": "old", "city": "Oslo"}], "the column 'age' holds 'old', which is no int64"),
        ([[1, "Oslo", 3]], "a row of the input has 3 values and the model takes 2"),
        ({"age": [1, 2], "city": ["Oslo"]}, "the input's columns have different lengths: 1, 2"),
        (
            [{"age": 1, "city": "Bern"}],
            "sklearn.pipeline.Pipeline.predict failed on this input: Found unknown categories",
        ),
    ],
)
def test_input_that_does_not_fit_is_told_in_one_line(data, message, estimators, people):
    model = estimators["columns"][0]

    with pytest.raises(InvalidValue) as caught:
        flavors.predict(model, described(model, people[0]), data)

    assert caught.value.message.startswith(message)
    assert "\n" not in caught.value.message


def test_records_are_refused_where_the_model_has_no_names_to_order_them_by(estimators):
    model = estimators["classifier"][0]

    with pytest.raises(InvalidValue, match="does not know its columns by name"):
        flavors.predict(model, described(model), [{"a": 1, "b": 2, "c": 3, "d": 4}])


@pytest.mark.parametrize("method", ["predict_proba", "decision_function", "predict_log_proba"])
def test_a_model_may_be_asked_for_more_than_predictions(method, estimators):
    model, rows = estimators["classifier"]

    answer = flavors.predict(model, described(model), rows, method=method)

    numpy.testing.assert_array_equal(answer, getattr(model, method)(rows))


def test_a_transformer_is_asked_to_transform(iris):
    model = StandardScaler().fit(iris[0])

    answer = flavors.predict(model, described(model), iris[0], method="transform")

    numpy.testing.assert_array_equal(answer, model.transform(iris[0]))


def test_a_method_the_model_lacks_names_those_it_has(estimators):
    model, rows = estimators["regressor"]

    with pytest.raises(NotSupported, match="LinearRegression has no predict_proba") as caught:
        flavors.predict(model, described(model), rows, method="predict_proba")

    assert caught.value.hint == "ask it for predict"


def test_a_method_that_is_no_question_is_refused(estimators):
    model, rows = estimators["regressor"]

    with pytest.raises(InvalidValue, match="'__reduce__' is nothing a model can be asked for"):
        flavors.predict(model, described(model), rows, method="__reduce__")


@pytest.mark.parametrize(
    ("dtype", "text", "expected"),
    [("float64", "1.5", 1.5), ("int64", "3", 3), ("int64", "3.0", 3.0), ("bool", "True", True), ("any", "3", "3")],
)
def test_text_is_read_as_the_dtype_of_its_column(dtype, text, expected):
    from mlcli.flavors.tables import as_table

    table = as_table([{"x": text}], Signature(inputs=[Field(name="x", dtype=dtype)]))

    assert table["x"].tolist() == [expected]


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [("datetime64[ns]", "2024-05-01", "datetime64"), ("category", "a", "category"), ("float64", None, "float64")],
)
def test_a_column_gets_the_type_the_signature_names(dtype, value, expected):
    from mlcli.flavors.tables import as_table

    table = as_table([{"x": value}], Signature(inputs=[Field(name="x", dtype=dtype)]))

    assert str(table["x"].dtype).startswith(expected)


@pytest.mark.parametrize(
    ("answer", "plain"),
    [
        (numpy.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (numpy.float64(1.5), 1.5),
        ([numpy.int64(1), (2, 3)], [1, [2, 3]]),
        (pandas.DataFrame({"a": [1], "b": ["x"]}), [{"a": 1, "b": "x"}]),
        (pandas.Series([1, 2]), [1, 2]),
        (csr_matrix([[0, 1]]), [[0, 1]]),
        ({"a": numpy.array([1])}, {"a": [1]}),
        ("text", "text"),
        (None, None),
    ],
)
def test_an_answer_is_told_in_plain_values(answer, plain):
    assert flavors.as_plain(answer) == plain
