"""Signatures told from examples of every form."""

from __future__ import annotations

from datetime import datetime

import numpy
import pandas
import pytest
from scipy.sparse import csr_matrix

from mlcli.domain.run import Field, Signature
from mlcli.flavors import infer_signature


def column(dtype, name=None):
    return [Field(name=name, dtype=dtype)]


def array(dtype, *shape, name=None):
    return [Field(name=name, dtype=dtype, shape=list(shape))]


@pytest.mark.parametrize(
    ("example", "fields"),
    [
        (None, []),
        (numpy.zeros((5, 3)), array("float64", -1, 3)),
        (numpy.zeros((5, 3), dtype="float32"), array("float32", -1, 3)),
        (numpy.zeros((5, 28, 28), dtype="uint8"), array("uint8", -1, 28, 28)),
        (numpy.array(["a", "bc"]), array("string", -1)),
        (numpy.array(["a", None], dtype=object), array("string", -1)),
        (numpy.array([["a", 1]], dtype=object), array("object", -1, 2)),
        (numpy.array([b"a"]), array("bytes", -1)),
        (numpy.array(["2024-01-01"], dtype="datetime64[ns]"), array("datetime64[ns]", -1)),
        (numpy.array([1], dtype=">i4"), array("int32", -1)),
        (numpy.int32(1), column("int32")),
        (csr_matrix([[0.0, 1.0]]), array("float64", -1, 2)),
        ([1, 2], array("int64", -1)),
        ([1, 2.5], array("float64", -1)),
        ([1, None], array("float64", -1)),
        ([True], array("bool", -1)),
        (["a", None], array("string", -1)),
        (["a", 1], array("object", -1)),
        ([True, 1], array("object", -1)),
        ([], array("any", -1)),
        ([[1.0, 2.0], [3.0, 4.0]], array("float64", -1, 2)),
        ([[1], [2, 3]], array("int64", -1, -1)),
        ([[[1, 2]]], array("int64", -1, 1, 2)),
        ([numpy.zeros(3)], array("float64", -1, 3)),
        ("text", column("string")),
        (3, column("int64")),
        (datetime(2024, 1, 1), column("datetime64[us]")),
        ({"a": [1, 2], "b": ["x", "y"]}, column("int64", "a") + column("string", "b")),
        ({"a": 1, "b": 2.5}, column("int64", "a") + column("float64", "b")),
        ({"image": numpy.zeros((2, 8, 8))}, array("float64", -1, 8, 8, name="image")),
        ([{"a": 1, "b": "x"}, {"a": 2}], column("int64", "a") + column("string", "b")),
        ([{"a": 1}, {"a": None}], column("float64", "a")),
        (pandas.Series([1.0], name="y"), array("float64", -1, name="y")),
        (pandas.Series(["a"]), array("string", -1)),
        (pandas.DataFrame(numpy.zeros((2, 2))), column("float64") * 2),
        (pandas.DataFrame([[1, 2.0]], columns=["a", "a"]), column("int64", "a") + column("float64", "a")),
        (pandas.DataFrame({"s": ["a", "b"]}), column("string", "s")),
        (pandas.DataFrame({"s": pandas.Series(["a", None], dtype=object)}), column("string", "s")),
        (pandas.DataFrame({"s": pandas.Series(["a", 1], dtype=object)}), column("object", "s")),
        (pandas.DataFrame({"s": pandas.Series(["a"], dtype="category")}), column("category", "s")),
        (pandas.DataFrame({"s": pandas.Series([1, None], dtype="Int64")}), column("Int64", "s")),
        (pandas.DataFrame({"s": pandas.Series([True, None], dtype="boolean")}), column("bool", "s")),
        (
            pandas.DataFrame({"s": pandas.to_datetime(["2024-01-01"]).as_unit("ns").tz_localize("UTC")}),
            column("datetime64[ns, UTC]", "s"),
        ),
    ],
)
def test_an_example_tells_its_fields(example, fields):
    assert infer_signature(example) == Signature(inputs=fields)


def test_input_and_output_are_told_apart(flowers):
    signature = infer_signature(flowers[0].iloc[:, :2], flowers[1])

    assert signature == Signature(
        inputs=column("float64", "sepal length (cm)") + column("float64", "sepal width (cm)"),
        outputs=array("string", -1, name="target"),
    )
