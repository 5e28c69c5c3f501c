"""Which functions differ between two texts of a module."""

from __future__ import annotations

import pytest

from mlcli.domain.functions import touched

BEFORE = b'''\
"""A module."""
import os

DEPTH: int = 3
RATE, other.rate = 0.1, 0.2


@decorated
def fit(x, depth=1):
    """Fit."""
    def inner():
        return 1
    return inner()


class Model(Base):
    """A model."""

    kind = "tree"

    async def score(self):
        return 1

    class Inner:
        def deep(self):
            return 1


if __name__ == "__main__":
    fit(1)
'''


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("", "", []),
        ("return inner()", "return inner() + 1", ["fit()"]),
        ("depth=1", "depth=2", ["fit()"]),
        ("@decorated", "@cached", ["fit()"]),
        ("        return 1\n    return", "        return 2\n    return", ["fit.inner()"]),
        ("(self):\n        return 1", "(self):\n        return 2", ["Model.score()"]),
        ("            return 1", "            return 2", ["Model.Inner.deep()"]),
        ('kind = "tree"', 'kind = "bush"', ["Model"]),
        ("Model(Base)", "Model(Other)", ["Model"]),
        ("DEPTH: int = 3", "DEPTH: int = 4", ["DEPTH"]),
        ("import os", "import sys", ["imports"]),
        ("fit(1)", "fit(2)", ["top level"]),
        ("class Model(Base)", "class Forest(Base)", ["Forest.score()", "Forest.Inner.deep()", "Model.score()",
                                                    "Model.Inner.deep()", "Forest.Inner", "Forest", "Model.Inner",
                                                    "Model"]),
        ("def fit", "DEPTH = 4\ndef fit", None),
    ],
)  # fmt: skip
def test_what_differs_is_named_functions_first(old: str, new: str, names: list[str] | None) -> None:
    after = BEFORE.replace(old.encode(), new.encode(), 1) if old else BEFORE
    assert touched(BEFORE, after) == names


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return inner()", "return inner()  # a comment"),
        ("import os\n", "import os\n\n\n\n"),
        ('"""Fit."""', '"""Fit a model to x."""'),
        ('"""A module."""', '"""Another text."""'),
        ('    """A model."""\n', ""),
        ("DEPTH: int = 3", "DEPTH: int = (\n    3\n)"),
        ('"tree"', "'tree'"),
    ],
)
def test_comments_layout_and_docstrings_are_no_difference(old: str, new: str) -> None:
    assert touched(BEFORE, BEFORE.replace(old.encode(), new.encode(), 1)) == []


def test_functions_that_only_moved_are_no_difference() -> None:
    assert touched(b"def a(): 1\ndef b(): 2\n", b"def b(): 2\ndef a(): 1\n") == []


def test_of_two_definitions_of_one_name_each_counts() -> None:
    before = b"class A:\n    @property\n    def x(self): return 1\n    @x.setter\n    def x(self, y): pass\n"
    assert touched(before, before.replace(b"pass", b"self.y = y")) == ["A.x()"]


@pytest.mark.parametrize(
    "text",
    [b"def f(:\n", b"\xff\xfe\x00", b"a\0b", b"print 'python 2'\n", b"(" * 5000, b"# -*- coding: nothing -*-\n1\n"],
)
def test_what_is_no_python_has_no_functions(text: bytes) -> None:
    assert (touched(text, b"1\n"), touched(b"1\n", text)) == (None, None)


@pytest.mark.parametrize("link", [b".a", b"+1", b"()", b"[0]", b" if x else x"])
def test_a_text_that_nests_without_end_has_no_functions(link: bytes) -> None:
    assert touched(b"x" + link * 50_000, b"1\n") is None


def test_warnings_of_old_text_reach_nobody(recwarn) -> None:
    assert touched(b'x = "\\d"\n', b'x = "\\d"\ny = 1 is 1\n') == ["y"]
    assert [str(each.message) for each in recwarn] == []


def test_an_encoding_that_a_file_declares_is_honoured() -> None:
    text = "# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1")
    assert touched(text, text.replace(b"\xe9", b"e")) == ["x"]
