"""Whatever is wrong with a model is told in one line, with what would help."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from importlib import import_module
from importlib.metadata import version

import pytest
from msgspec.structs import replace

import mlcli.flavors as flavors
from mlcli.domain.run import Model
from mlcli.errors import (
    CannotLoad,
    Corrupt,
    InvalidValue,
    Missing,
    NewerFormat,
    NotFound,
    NotSupported,
    WriteFailed,
)

MADE_ELSEWHERE = "class Net:\n    def predict(self, data):\n        return data\n"


class Holder:
    def __init__(self, held):
        self.held = held


@pytest.fixture
def forest(estimators, tmp_path):
    """A saved forest: its directory and description."""
    directory = tmp_path / "forest"
    return directory, flavors.save(estimators["forest"][0], str(directory))


@pytest.fixture
def made_elsewhere(tmp_path, monkeypatch):
    """A model whose class lies in a module of its own: the module's file, the model's directory and description."""
    (tmp_path / "lib").mkdir()
    source = tmp_path / "lib" / "net_made_elsewhere.py"
    source.write_text(MADE_ELSEWHERE)
    monkeypatch.syspath_prepend(str(source.parent))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    saved = flavors.save(import_module("net_made_elsewhere").Net(), str(tmp_path / "m"))
    yield source, tmp_path / "m", saved
    sys.modules.pop("net_made_elsewhere", None)


@pytest.mark.parametrize(
    "held",
    [lambda: 1, threading.Lock(), (n for n in range(3)), type("Local", (), {})()],
    ids=["lambda", "lock", "generator", "class"],
)
def test_an_object_that_cannot_be_pickled_is_named_and_nothing_is_left(held, tmp_path):
    made = tmp_path / "model"
    made.mkdir()
    with pytest.raises(NotSupported) as caught:
        flavors.save(Holder(held), str(made))

    assert caught.value.message.startswith(f"{__name__}.Holder cannot be saved, as it cannot be pickled: ")
    assert " at 0x" not in caught.value.message
    assert caught.value.hint == "replace lambdas, local functions and open files in it by functions of a module"
    assert list(made.iterdir()) == []


def test_no_model_at_all_is_refused(tmp_path):
    with pytest.raises(InvalidValue, match="None was given"):
        flavors.save(None, str(tmp_path))


def test_an_object_without_predict_says_so_when_asked(tmp_path):
    saved = flavors.save({"a": 1}, str(tmp_path))

    with pytest.raises(NotSupported, match=r"builtins\.dict has no predict"):
        flavors.predict(flavors.load(str(tmp_path), saved), saved, [1])


@pytest.mark.parametrize("call", ["save", "load"])
def test_an_unknown_flavor_lists_the_known_ones(call, tmp_path):
    calls = {
        "save": lambda: flavors.save({}, str(tmp_path), flavor="keras"),
        "load": lambda: flavors.load(str(tmp_path), Model(path="m", flavor="keras", python_class="", digest="")),
    }

    with pytest.raises(NotSupported, match="'keras' is no flavor this mlcli knows: sklearn, joblib") as caught:
        calls[call]()

    assert caught.value.hint == "pip install -U mlcli"


def test_a_flavor_that_does_not_fit_the_model_is_refused(tmp_path):
    with pytest.raises(NotSupported, match=r"builtins\.dict is no sklearn model"):
        flavors.save({}, str(tmp_path), flavor="sklearn")


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(WriteFailed, match="file/m cannot be written"):
        flavors.save({}, str(tmp_path / "file" / "m"))


@pytest.mark.parametrize("keep", [0, 1, 100, 5000, -1])
def test_a_truncated_file_cannot_be_loaded(keep, forest):
    directory, saved = forest
    file = directory / "model.joblib"
    file.write_bytes(file.read_bytes()[:keep])

    with pytest.raises(
        CannotLoad, match=r"^model/model\.joblib cannot be loaded as sklearn\.ensemble.*: half, altered"
    ):
        flavors.load(str(directory), saved)


@pytest.mark.parametrize("content", [b"not a pickle\n", b"\x00" * 64, b"PK\x03\x04", b"\x80\x04\x8c\xff"])
def test_a_file_that_is_no_joblib_file_cannot_be_loaded(content, forest):
    directory, saved = forest
    (directory / "model.joblib").write_bytes(content)

    with pytest.raises(CannotLoad) as caught:
        flavors.load(str(directory), saved)

    assert (caught.value.hint, "\n" in caught.value.message) == ("mlcli check", False)


def test_a_file_that_is_gone_is_missing(forest):
    directory, saved = forest
    (directory / "model.joblib").unlink()

    with pytest.raises(Missing, match=r"model/model\.joblib is not here"):
        flavors.load(str(directory), saved)


@pytest.mark.parametrize("file", ["../model.joblib", "/etc/passwd", ".."])
def test_a_file_outside_the_model_directory_is_never_loaded(file, forest):
    directory, saved = forest

    with pytest.raises(Corrupt, match="model names a file outside its directory"):
        flavors.load(str(directory), replace(saved, file=file))


def test_a_module_that_is_gone_is_named(made_elsewhere):
    source, directory, saved = made_elsewhere
    source.unlink()
    del sys.modules["net_made_elsewhere"]

    with pytest.raises(CannotLoad, match="needs the module 'net_made_elsewhere', which is not installed") as caught:
        flavors.load(str(directory), saved)

    assert (
        caught.value.hint == "install what brings 'net_made_elsewhere', or set PYTHONPATH to the directory it lies in"
    )


def test_a_package_that_is_gone_is_named_with_its_version(made_elsewhere):
    source, directory, _ = made_elsewhere
    text = (directory / "model.json").read_text()
    (directory / "model.json").write_text(text.replace('"joblib":', '"net_made_elsewhere": "1.2",\n    "joblib":'))
    source.unlink()
    del sys.modules["net_made_elsewhere"]

    with pytest.raises(CannotLoad) as caught:
        flavors.load(str(directory), flavors.read_description(str(directory)))

    assert caught.value.hint == 'pip install "net_made_elsewhere==1.2"'


def test_a_class_that_is_gone_is_named(made_elsewhere):
    source, directory, saved = made_elsewhere
    source.write_text("")
    del sys.modules["net_made_elsewhere"]

    with pytest.raises(CannotLoad, match="needs 'Net', which the module 'net_made_elsewhere' does not have") as caught:
        flavors.load(str(directory), saved)

    assert caught.value.hint == "check out the commit the model was made at"


def test_another_scikit_learn_is_warned_of_once_with_both_versions(estimators, tmp_path):
    here = version("scikit-learn")
    then = "0" + here[1:]
    flavors.save(estimators["columns"][0], str(tmp_path))
    for name in ["model.joblib", "model.json"]:
        path = tmp_path / name
        path.write_bytes(path.read_bytes().replace(here.encode(), then.encode()))

    with pytest.warns(Warning) as caught:  # noqa: PT030 every warning counts here
        flavors.load(str(tmp_path), flavors.read_description(str(tmp_path)))

    assert [(w.category, str(w.message)) for w in caught] == [
        (
            flavors.ModelWarning,
            f"model was saved with scikit-learn {then} and is loaded with {here}: its answers may differ "
            f'(pip install "scikit-learn=={then}")',
        )
    ]


def test_another_scikit_learn_is_the_reason_told_where_loading_fails(forest):
    directory, _ = forest
    text = (directory / "model.json").read_text()
    (directory / "model.json").write_text(text.replace(version("scikit-learn"), "0.20.1"))
    (directory / "model.joblib").write_bytes(b"half")

    with pytest.raises(CannotLoad, match=r"was saved with scikit-learn 0\.20\.1 and cannot be loaded with") as caught:
        flavors.load(str(directory), flavors.read_description(str(directory)))

    assert caught.value.hint == 'pip install "scikit-learn==0.20.1"'


def test_a_directory_that_holds_no_model_says_so(tmp_path):
    with pytest.raises(NotFound, match=r"it has no model\.json"):
        flavors.read_description(str(tmp_path))


@pytest.mark.parametrize("cut", [0, 1, 40, -3])
def test_half_a_description_is_corrupt(cut, forest):
    directory, _ = forest
    file = directory / "model.json"
    file.write_bytes(file.read_bytes()[:cut])

    with pytest.raises(Corrupt, match=r"model\.json is half or altered"):
        flavors.read_description(str(directory))


@pytest.mark.parametrize(
    "change",
    [
        {"format": 0},
        {"format": "1"},
        {"flavor": 3},
        {"libraries": []},
        {"file": "../../secret.joblib"},
        {"file": ".."},
        {"file": ""},
        {"signature": {"inputs": [{}]}},
    ],
)
def test_an_altered_description_is_corrupt(change, forest):
    directory, _ = forest
    file = directory / "model.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))

    with pytest.raises(Corrupt, match=r"model\.json is"):
        flavors.read_description(str(directory))


def test_a_description_of_a_newer_mlcli_is_refused_with_the_upgrade(forest):
    directory, _ = forest
    (directory / "model.json").write_text('{"format": 2, "shape": "unheard of"}')

    with pytest.raises(NewerFormat, match="has format 2 and this mlcli reads up to 1") as caught:
        flavors.read_description(str(directory))

    assert caught.value.hint == "pip install -U mlcli"


def test_a_field_that_a_later_mlcli_added_is_passed_over(forest):
    directory, saved = forest
    file = directory / "model.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "colour": "blue"}))

    assert flavors.read_description(str(directory)) == saved


def fresh(code, *args):
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *args], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_importing_the_flavors_loads_nothing_heavy():
    code = """
import sys, mlcli.flavors
from mlcli.flavors import base, description, joblib, signature, sklearn, tables
mlcli.flavors.infer_signature([{"a": 1.5}])
mlcli.flavors.recognise({})
print([name for name in ("sklearn", "joblib", "numpy", "pandas", "scipy", "git") if name in sys.modules])
"""

    assert fresh(code) == "[]\n"


WITHOUT = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == %r:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Without())
import mlcli.errors as errors, mlcli.flavors as flavors
"""


def test_saving_without_joblib_names_the_extra(tmp_path):
    code = (
        WITHOUT % "joblib"
        + """
try:
    flavors.save({"a": 1}, sys.argv[1])
except errors.MissingPackage as exc:
    print(exc.message, exc.hint, sep="\\n")
"""
    )

    assert fresh(code, str(tmp_path)) == (
        'saving a model needs joblib, which is not installed\npip install "mlcli[sklearn]"\n'
    )


def test_loading_without_scikit_learn_names_the_extra(forest):
    code = (
        WITHOUT % "sklearn"
        + """
try:
    flavors.load(sys.argv[1], flavors.read_description(sys.argv[1]))
except errors.MissingPackage as exc:
    print(exc.message, exc.hint, sep="\\n")
"""
    )

    assert fresh(code, str(forest[0])) == (
        'model/model.joblib needs scikit-learn, which is not installed\npip install "mlcli[sklearn]"\n'
    )


def test_named_records_are_answered_without_pandas(estimators, flowers, tmp_path):
    model, table = estimators["table"]
    flavors.save(model, str(tmp_path), input_example=table)
    code = (
        WITHOUT % "pandas"
        + """
described = flavors.read_description(sys.argv[1])
model = flavors.load(sys.argv[1], described)
names = ["petal width (cm)", "petal length (cm)", "sepal width (cm)", "sepal length (cm)"]
record = dict(zip(names, "0.2 1.4 3.5 5.1".split()))
print(flavors.as_plain(flavors.predict(model, described, [record])))
"""
    )

    assert fresh(code, str(tmp_path)) == "['setosa']\n"


def test_a_model_that_needs_a_table_says_so_without_pandas(estimators, tmp_path):
    flavors.save(estimators["columns"][0], str(tmp_path))
    code = (
        WITHOUT % "pandas"
        + """
described = flavors.read_description(sys.argv[1])
model = flavors.load(sys.argv[1], described)
try:
    flavors.predict(model, described, [{"age": 61, "city": "Oslo"}])
except errors.MissingPackage as exc:
    print(exc.message, exc.hint, sep="\\n")
"""
    )

    assert fresh(code, str(tmp_path)) == (
        'sklearn.pipeline.Pipeline needs pandas, which is not installed\npip install "mlcli[pandas]"\n'
    )


def test_a_class_of_the_script_itself_is_warned_of_when_saved_and_explained_when_loaded(tmp_path):
    code = """
import sys, warnings
import mlcli.flavors as flavors
class Net: pass
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    flavors.save(Net(), sys.argv[1])
print(*[w.message for w in caught])
"""

    assert fresh(code, str(tmp_path)).startswith("__main__.Net uses a class or function of the script itself")
    with pytest.raises(CannotLoad, match="needs 'Net' of the script that saved it") as caught:
        flavors.load(str(tmp_path), flavors.read_description(str(tmp_path)))
    assert caught.value.hint == "move it into a module, import it from there and save the model again"
