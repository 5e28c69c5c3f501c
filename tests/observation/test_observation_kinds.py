"""What a file is, of real files that real libraries wrote; and of damaged and hostile ones."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import sqlite3
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlcli.observation import kinds, pickles
from mlcli.observation.kinds import Recognised, recognised

X = np.arange(400.0).reshape(100, 4) % 7
Y = (X[:, 0] > 3).astype(int)
LOGISTIC = "sklearn.linear_model._logistic.LogisticRegression"
FOREST = "sklearn.ensemble._forest.RandomForestClassifier"
PIPELINE = "sklearn.pipeline.Pipeline"
SCALER = "sklearn.preprocessing._data.StandardScaler"


class ChurnModel:
    """A user's own class."""


@pytest.fixture(scope="module")
def models() -> dict[str, object]:
    return {
        LOGISTIC: LogisticRegression().fit(X, Y),
        FOREST: RandomForestClassifier(5, random_state=0).fit(X, Y),
        PIPELINE: make_pipeline(StandardScaler(), RandomForestClassifier(5)).fit(X, Y),
        "sklearn.model_selection._search.GridSearchCV": GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=2).fit(
            X, Y
        ),
    }


def of(path: Path) -> tuple[str, str]:
    found = recognised(str(path))
    return found.kind, found.format


def model_of(path: Path) -> tuple[str, str]:
    found = recognised(str(path))
    assert found.kind == "model", found
    return found.format, found.classes[0]


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickled_model_is_known_by_its_class(models: dict[str, object], protocol: int):
    for name, model in models.items():
        Path("model.pkl").write_bytes(pickle.dumps(model, protocol=protocol))
        assert model_of(Path("model.pkl")) == ("pickle", name)


@pytest.mark.parametrize(
    ("compress", "kept"),
    [
        (0, "pickle"), (("zlib", 3), "pickle+zlib"), (("gzip", 3), "pickle+gzip"), (("bz2", 3), "pickle+bz2"),
        (("xz", 3), "pickle+xz"), (("lzma", 3), "pickle+lzma"), (1, "pickle+zlib"), (9, "pickle+zlib"),
    ],
)  # fmt: skip
def test_a_model_of_joblib_is_known_however_it_is_compressed(models: dict[str, object], compress: object, kept: str):
    for name, model in models.items():
        joblib.dump(model, "a.joblib", compress=compress)
        assert model_of(Path("a.joblib")) == (kept, name)


@pytest.mark.parametrize(
    "write", [lambda held: Path("b").write_bytes(pickle.dumps(held)), lambda held: joblib.dump(held, "b")]
)
def test_in_a_bundle_the_class_is_that_of_the_model(models: dict[str, object], write: object):
    write({"columns": ["a"] * 500, "scaler": StandardScaler().fit(X), "model": models[LOGISTIC]})  # type: ignore[operator]
    assert recognised("b").classes[0] == LOGISTIC
    write([models[FOREST], {"threshold": 0.4}])  # type: ignore[operator]
    assert recognised("b").classes[0] == FOREST


def test_what_prepares_data_is_no_model_but_what_is_learnt_alone_is():
    for held in (
        StandardScaler().fit(X), ColumnTransformer([("scale", StandardScaler(), [0])]).fit(X),
    ):  # fmt: skip
        joblib.dump(held, "scaler.joblib")
        assert of(Path("scaler.joblib")) == ("file", "pickle")
    joblib.dump(PCA(2).fit(X), "pca.joblib")
    assert model_of(Path("pca.joblib"))[1] == "sklearn.decomposition._pca.PCA"


def test_a_class_of_the_users_own_is_a_model_by_its_name_or_its_files():
    Path("a.bin").write_bytes(pickle.dumps(ChurnModel()))
    assert model_of(Path("a.bin"))[1].endswith("ChurnModel")
    Path("settings.pkl").write_bytes(pickle.dumps(io.StringIO))
    assert of(Path("settings.pkl")) == ("file", "pickle")


def test_pickled_data_is_data():
    for held in (X, pd.DataFrame(X), {"x": X}, [X, pd.Series([1])]):
        joblib.dump(held, "data.joblib")
        assert of(Path("data.joblib")) == ("data", "pickle")
        Path("data.pkl").write_bytes(pickle.dumps(held))
        assert of(Path("data.pkl")) == ("data", "pickle")
    Path("words.pkl").write_bytes(pickle.dumps({"a": 1}))
    assert of(Path("words.pkl")) == ("file", "pickle")


def test_files_of_numpy_pandas_and_the_standard_library(models: dict[str, object]):
    np.save("x.npy", X)
    np.savez("x.npz", x=X, y=Y)
    np.savez_compressed("c.npz", x=X)
    pd.DataFrame(X).to_csv("x.csv")
    pd.DataFrame(X).to_csv("x.csv.gz")
    sqlite3.connect("x.db").execute("create table a (b)").connection.close()
    with zipfile.ZipFile("x.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    with tarfile.open("x.tar", "w") as tar:
        tar.add("x.csv")
    with tarfile.open("x.tar.gz", "w:gz") as tar:
        tar.add("x.csv")
    Path("x.json").write_text('{"a": 1}')
    Path("rows.json").write_text('[{"a": 1}]')
    Path("x.html").write_text("<!DOCTYPE html><p>")
    Path("x.svg").write_text("<svg></svg>")
    Path("x.ipynb").write_text('{"cells": []}')
    Path("notes.txt").write_text("text")
    Path("empty.csv").touch()
    assert {path.name: of(path) for path in Path().iterdir()} == {
        "x.npy": ("data", "npy"), "x.npz": ("data", "npz"), "c.npz": ("data", "npz"), "x.csv": ("data", "csv"),
        "x.csv.gz": ("data", "csv+gzip"), "x.db": ("data", "sqlite"), "x.zip": ("archive", "zip"),
        "x.tar": ("archive", "tar"), "x.tar.gz": ("archive", "tar+gzip"), "x.json": ("file", "json"),
        "rows.json": ("data", "json"), "x.html": ("figure", "html"), "x.svg": ("figure", "svg"),
        "x.ipynb": ("file", "ipynb"), "notes.txt": ("file", "txt"), "empty.csv": ("data", "csv"),
    }  # fmt: skip


def test_metrics_are_known_by_name_and_a_table_by_its_column_of_steps_too():
    for name, text, kind in [
        ("metrics.json", '{"acc": 1}', "metrics"), ("eval_results.json", "{}", "metrics"),
        ("metrics.csv", "epoch,loss\n0,1\n", "metrics"), ("scores.csv", "customer,score\n1,2\n", "data"),
        ("events.out.tfevents.1.host", "", "metrics"), ("history.jsonl", "{}", "metrics"),
    ]:  # fmt: skip
        Path(name).write_text(text)
        assert recognised(name).kind == kind, name


def test_figures_of_matplotlib():
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    pyplot.plot([1, 2])
    for name, kept in [("a.png", "png"), ("a.pdf", "pdf"), ("a.svg", "svg"), ("a.jpg", "jpeg")]:
        pyplot.savefig(name)
        assert of(Path(name)) == ("figure", kept)
    pyplot.close("all")


def test_models_that_are_no_pickles():
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    for name, content, kept in [
        ("a.safetensors", struct.pack("<Q", len(header)) + header + b"\0" * 4, "safetensors"),
        ("a.cbm", b"CBM1" + b"\0" * 20, "catboost"),
        ("lgb.txt", b"tree\nversion=v4\nnum_class=1\n", "lightgbm-text"),
        ("xgb.json", b'{"learner":{"attributes":{},"gradient_booster":{"model":{}}}}', "xgboost-json"),
        ("xgb.ubj", b"{L\0\0\0\0\0\0\0\x07learner{L\0\0\0\0\0\0\0\x10gradient_booster{", "xgboost-ubj"),
        ("a.onnx", b"\x08\x08\x12\x07skl2onnx", "onnx"),
        ("a.gguf", b"GGUF\x03\0\0\0", "gguf"),
        ("a.pmml", b'<?xml version="1.0"?><PMML version="4.4">', "pmml"),
        ("a.pt", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "torch"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 100 + b"model_config", "hdf5"),
    ]:
        Path(name).write_bytes(content)
        assert of(Path(name)) == ("model", kept)
    Path("table.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    assert of(Path("table.h5")) == ("data", "hdf5")


def test_models_that_are_zip_files():
    with zipfile.ZipFile("net.pt", "w") as archive:
        archive.writestr("net/data.pkl", pickle.dumps(StandardScaler(), protocol=2))
        archive.writestr("net/version", "3")
    assert recognised("net.pt") == Recognised("model", "torch", [SCALER])
    with zipfile.ZipFile("a.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.npy", b"\x93NUMPY" * 2000)
        archive.writestr(
            "schema.json", json.dumps({"__class__": "Pipeline", "__module__": PIPELINE.rpartition(".")[0]})
        )
    assert recognised("a.skops") == Recognised("model", "skops", [PIPELINE])
    with zipfile.ZipFile("a.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps({"module": "keras", "class_name": "Sequential"}))
        archive.writestr("model.weights.h5", b"\x89HDF")
    assert recognised("a.keras") == Recognised("model", "keras", ["keras.Sequential"])


@pytest.mark.parametrize("schema", [b'{"\x80": 1}', b"[" * 5000, b"[]", b"{}", b'{"__module__": 1', b""])
def test_a_model_whose_document_is_damaged_is_still_one(schema: bytes):
    with zipfile.ZipFile("a.skops", "w") as archive:
        archive.writestr("schema.json", schema)
    assert recognised("a.skops") == Recognised("model", "skops")


def test_nothing_of_a_pickle_is_executed():
    Path("evil.pkl").write_bytes(b"cos\nsystem\n(S'touch executed'\ntR.")
    assert recognised("evil.pkl") == Recognised("file", "pickle", ["os.system"])
    assert not Path("executed").exists()


def test_damaged_files_are_still_something(models: dict[str, object]):
    joblib.dump(models[FOREST], "whole", compress=3)
    whole = Path("whole").read_bytes()
    plain = pickle.dumps(models[PIPELINE])
    np.savez("a.npz", x=X)
    zipped = Path("a.npz").read_bytes()
    for content in (whole, plain, gzip.compress(plain), bz2.compress(plain), lzma.compress(plain), zipped):
        for cut in {0, 1, 2, 3, 5, 9, 17, 40, 80, len(content) // 2, len(content) - 1}:
            Path("model.pkl").write_bytes(content[:cut])
            assert recognised("model.pkl").kind in {"model", "data", "archive", "file"}
            Path("model.pkl").write_bytes(content[:cut] + b"\xff" * 40 + content[cut + 40 :])
            assert recognised("model.pkl").kind in {"model", "data", "archive", "file"}


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x8d" + b"\xff" * 8 + b"a", b"\x80\x04\x8e" + b"\xff" * 8, b"\x80\x02g" + b"9" * 60000 + b"\n.",
        b"\x80\x02L" + b"9" * 60000 + b"L\n.", b"\x80\x04" + b"(" * 65000, b"\x80\x04\x93\x93\x93", b"\x80\x04h\x05\x93",
        b"PK\x03\x04" + b"\xff" * 200, b"PK\x03\x04" + b"PK\x01\x02" * 20000, b"\x1f\x8b" + b"\0" * 100, b"BZh9" + b"\0" * 100,
        b"\xfd7zXZ\0" + b"\xff" * 100, b"\x5d\x00\x00\xff\xff" + b"\xff" * 100, b"\x04\x22\x4d\x18" + b"\0" * 9, b"\x89HDF",
        b"\xff" * 8 + b"{" * 9000, b"{" * 70000, b"[" * 70000,
    ],
)  # fmt: skip
def test_hostile_content_does_no_harm(content: bytes):
    for name in ("model.pkl", "metrics.json", "a.zip"):
        Path(name).write_bytes(content)
        assert recognised(name).kind


def test_of_what_unpacks_to_much_only_the_beginning_is_unpacked():
    for content in (
        zlib.compress(b"\0" * (64 << 20)),
        bz2.compress(b"\0" * (64 << 20)),
        lzma.compress(b"\0" * (8 << 20)),
    ):
        Path("bomb.joblib").write_bytes(content)
        how, unpacked = kinds.opened(content[: kinds.HEAD], io.BytesIO(content[kinds.HEAD :])) or ("", b"")
        assert (how in {"zlib", "bz2", "xz"}, len(unpacked)) == (True, kinds.HEAD)
        assert recognised("bomb.joblib").kind == "archive"


def test_of_a_long_pickle_only_so_many_opcodes_are_read():
    assert pickles.read(b"\x80\x04" + b"0" * 10_000 + b"cos\nsystem\n") == pickles.Pickled([])


def test_what_is_no_regular_file_is_not_opened():
    os.mkfifo("pipe")
    Path("directory").mkdir()
    for name in ("pipe", "directory", "gone.csv"):
        assert recognised(name).kind == "file"


def test_models_of_xgboost():
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=2).fit(X, Y)
    model.save_model("a.json")
    model.save_model("a.ubj")
    joblib.dump(model, "a.joblib")
    assert [model_of(Path(name)) for name in ("a.json", "a.ubj", "a.joblib")] == [
        ("xgboost-json", "xgboost.core.Booster"), ("xgboost-ubj", "xgboost.core.Booster"),
        ("pickle", "xgboost.sklearn.XGBClassifier"),
    ]  # fmt: skip


def test_models_of_lightgbm():
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(X, Y)
    model.booster_.save_model("a.txt")
    Path("a.pkl").write_bytes(pickle.dumps(model))
    assert [model_of(Path(name))[0] for name in ("a.txt", "a.pkl")] == ["lightgbm-text", "pickle"]


def test_files_of_pyarrow():
    pytest.importorskip("pyarrow")
    table = pd.DataFrame(X, columns=list("abcd"))
    table.to_parquet("a.parquet")
    table.to_feather("a.feather")
    assert [of(Path(name)) for name in ("a.parquet", "a.feather")] == [("data", "parquet"), ("data", "arrow")]


def test_models_of_skops():
    skops = pytest.importorskip("skops.io")
    skops.dump(LogisticRegression().fit(X, Y), "a.skops")
    assert model_of(Path("a.skops")) == ("skops", LOGISTIC)
