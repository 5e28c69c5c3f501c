"""What every flavor promises: what was saved comes back, the same bytes each time, and says what it is."""

from __future__ import annotations

import inspect
import json
import os
import platform
import shutil
from importlib import import_module
from importlib.metadata import version

import numpy
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline

import mlcli.flavors as flavors
from mlcli.domain.run import Field, Model, Signature
from mlcli.flavors.base import Flavor

NAMES = ["classifier", "regressor", "two outputs", "forest", "pipeline", "search", "table", "columns", "text"]


class Doubler:
    """A plain object that answers."""

    def __init__(self, factor=2):
        self.factor = factor

    def predict(self, data):
        return [value * self.factor for value in data]

    def __eq__(self, other):
        return isinstance(other, Doubler) and other.factor == self.factor

    __hash__ = None


class LikeKeras:
    """A plain object whose model is an array."""

    weights = None

    def fit(self):
        self.weights = numpy.arange(12.0).reshape(3, 4)
        return self

    def predict(self, data):
        return numpy.asarray(data) @ self.weights


# One line per flavor: its name, a model of it, an input for the model.
OF_EACH_FLAVOR = {
    "sklearn": lambda estimators: estimators["forest"],
    "joblib": lambda estimators: (LikeKeras().fit(), [[1.0, 2.0, 3.0]]),
}


@pytest.fixture(params=list(OF_EACH_FLAVOR))
def sample(request, estimators):
    model, data = OF_EACH_FLAVOR[request.param](estimators)
    return request.param, model, data


def test_every_flavor_has_a_sample_here():
    assert list(OF_EACH_FLAVOR) == list(flavors.FLAVORS)


@pytest.mark.parametrize("name", list(flavors.FLAVORS))
@pytest.mark.parametrize("part", ["recognises", "save", "load", "params", "signature", "predict"])
def test_a_flavor_module_has_the_parts_of_the_protocol(name, part):
    module = import_module(flavors.FLAVORS[name], flavors.__name__)
    wanted = list(inspect.signature(getattr(Flavor, part)).parameters)[1:]

    assert list(inspect.signature(getattr(module, part)).parameters) == wanted


def test_a_model_is_recognised_by_its_flavor(sample):
    name, model, _ = sample

    assert flavors.recognise(model) == name


def test_a_saved_model_answers_as_before_when_loaded(sample, tmp_path):
    _, model, data = sample

    saved = flavors.save(model, str(tmp_path / "m"), input_example=data)
    loaded = flavors.load(str(tmp_path / "m"), saved)

    numpy.testing.assert_array_equal(flavors.predict(loaded, saved, data), model.predict(data))


def test_a_model_directory_copied_elsewhere_loads_from_its_own_description(sample, tmp_path):
    _, model, data = sample
    flavors.save(model, str(tmp_path / "m"))
    shutil.move(tmp_path / "m", tmp_path / "elsewhere")

    described = flavors.read_description(str(tmp_path / "elsewhere"))
    loaded = flavors.load(str(tmp_path / "elsewhere"), described)

    numpy.testing.assert_array_equal(loaded.predict(data), model.predict(data))


def test_the_description_read_is_the_one_saved(sample, tmp_path):
    _, model, data = sample

    saved = flavors.save(model, str(tmp_path), input_example=data, path="deep/model")

    assert flavors.read_description(str(tmp_path), path="deep/model") == saved


def test_the_same_model_saved_twice_gives_the_same_bytes(sample, tmp_path):
    _, model, data = sample

    flavors.save(model, str(tmp_path / "a"), input_example=data)
    flavors.save(model, str(tmp_path / "b"), input_example=data)

    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_saved_model_is_two_files(sample, tmp_path):
    _, model, _ = sample

    flavors.save(model, str(tmp_path / "m"))

    assert sorted(os.listdir(tmp_path / "m")) == ["model.joblib", "model.json"]


@pytest.mark.parametrize("name", NAMES)
def test_estimators_of_every_kind_answer_as_before(name, estimators, tmp_path):
    model, data = estimators[name]

    saved = flavors.save(model, str(tmp_path))
    loaded = flavors.load(str(tmp_path), saved)

    assert (saved.flavor, type(loaded)) == ("sklearn", type(model))
    numpy.testing.assert_array_equal(flavors.predict(loaded, saved, data), model.predict(data))


@pytest.mark.parametrize("name", NAMES)
def test_estimators_of_every_kind_give_the_same_bytes_twice(name, estimators, tmp_path):
    model, _ = estimators[name]

    flavors.save(model, str(tmp_path / "a"))
    model.predict(estimators[name][1])
    flavors.save(model, str(tmp_path / "b"))

    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_where_in_memory_a_models_stop_words_lie_is_not_saved_and_not_forgotten(estimators, tmp_path):
    model, texts = estimators["text"]
    search = GridSearchCV(make_pipeline(model, model), {}, cv=2)
    search.best_estimator_ = make_pipeline(FeatureUnion([("words", model[0])]), model[1])
    address = vars(model[0])["_stop_words_id"]

    for name, each in {"plain": model, "deep": search}.items():
        flavors.save(each, str(tmp_path / name))
        assert b"_stop_words_id" not in (tmp_path / name / "model.joblib").read_bytes()

    assert vars(model[0])["_stop_words_id"] == address
    loaded = flavors.load(str(tmp_path / "plain"), flavors.read_description(str(tmp_path / "plain")))
    numpy.testing.assert_array_equal(loaded.predict(texts), model.predict(texts))


@pytest.mark.parametrize("thing", [Doubler(3), {"a": 1}, [1, 2], "text", 7])
def test_any_object_that_can_be_pickled_comes_back(thing, tmp_path):
    saved = flavors.save(thing, str(tmp_path))

    assert (saved.flavor, flavors.load(str(tmp_path), saved)) == ("joblib", thing)


def test_the_description_is_a_whole_model(estimators, tmp_path):
    saved = flavors.save(estimators["classifier"][0], str(tmp_path), path="best")

    assert saved == Model(
        path="best",
        flavor="sklearn",
        python_class="sklearn.linear_model._logistic.LogisticRegression",
        digest="",
        file="model.joblib",
        libraries={name: version(name) for name in ["joblib", "numpy", "scikit-learn", "scipy"]},
        python=platform.python_version(),
        params={"C": 0.5, "max_iter": 500},
        signature=Signature(inputs=[Field(dtype="any", shape=[-1, 4])], outputs=[Field(dtype="int64", shape=[-1])]),
    )


def test_model_json_is_laid_out_for_reading_and_for_git(tmp_path):
    flavors.save(Doubler(), str(tmp_path), signature=flavors.infer_signature([1.5]))

    text = (tmp_path / "model.json").read_text()

    assert text == json.dumps(json.loads(text), indent=2) + "\n"
    assert json.loads(text) == {
        "format": 1,
        "flavor": "joblib",
        "file": "model.joblib",
        "python_class": f"{__name__}.Doubler",
        "python": platform.python_version(),
        "libraries": {"joblib": version("joblib")},
        "params": {},
        "signature": {"inputs": [{"name": None, "dtype": "float64", "shape": [-1]}], "outputs": []},
    }


def test_the_libraries_are_those_the_pickle_names(flowers, tmp_path):
    saved = flavors.save({"table": flowers[0]}, str(tmp_path))

    # Others that are loaded and named in it may be among them: pyarrow, in which pandas keeps texts where that is there.
    assert saved.libraries.items() >= {name: version(name) for name in ["joblib", "numpy", "pandas"]}.items()


def test_a_wrapper_around_an_estimator_remembers_scikit_learn(estimators, tmp_path):
    saved = flavors.save({"inner": estimators["classifier"][0]}, str(tmp_path))

    assert saved.libraries["scikit-learn"] == version("scikit-learn")


def test_the_flavor_may_be_named(estimators, tmp_path):
    model, data = estimators["classifier"]

    saved = flavors.save(model, str(tmp_path), flavor="joblib")

    assert saved.flavor == "joblib"
    numpy.testing.assert_array_equal(
        flavors.predict(flavors.load(str(tmp_path), saved), saved, data), model.predict(data)
    )


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}
