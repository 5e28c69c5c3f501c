"""A lineage as Mermaid and as DOT: each line is of the language, whatever things are called."""

from __future__ import annotations

import re

import pydot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcli import export
from mlcli.domain.run import RunStatus
from mlcli.domain.stage import Stage
from mlcli.export import dot, mermaid
from mlcli.lineage import Edge, Graph, Lineage, Node

# What pydot itself asks of its parser is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore:'\\w+' deprecated")
NAME = r"(?:run|version|file|commit)_[0-9a-z]+(?:_(?:read|made))?"
# What stands in a label: no quote, bracket, backtick, backslash, or sign that Mermaid, HTML or Markdown would take up.
TEXT = r"""(?:[^"\[\]{}<>`\\#&;%|*_~$\n]|#[0-9]+;|<br/>)*"""
SHAPES = (rf'\["{TEXT}"\]', rf'\(\["{TEXT}"\]\)', rf'\[/"{TEXT}"/\]', rf'\{{\{{"{TEXT}"\}}\}}')
MERMAID = re.compile(
    rf"  (?:{NAME}(?:{'|'.join(SHAPES)})|class {NAME} (?:production|missing|subject)"
    rf"|{NAME} (?:-->|-\.->)(?:\|(?:registered|parent|reproduces)\|)? {NAME}|classDef \w+ [\w#:,\- ]+)"
)

RUN = "run:" + "3f" * 16
OTHER = "run:" + "7e" * 16
VERSION = "version:sha256:" + "ab" * 32
COMMIT = "commit:" + "1b" * 20


def file(number: int) -> str:
    return f"file:sha256:{number:016x}{'0' * 48}"


def drawn(*, run: str = "first", path: str = "data/train.csv", files: int = 1) -> Lineage:
    """Two runs, a version in production, a commit, and files of which one links the runs."""
    nodes = [
        Node(id=RUN, kind="run", label=run, status=RunStatus.FINISHED, here=True, subject=True),
        Node(id=OTHER, kind="run", label="second", status=RunStatus.FAILED, here=False),
        Node(id=VERSION, kind="version", label="iris@3", stage=Stage.PRODUCTION),
        Node(id=COMMIT, kind="commit", label="1b1b1b1 Start"),
        *(Node(id=file(number), kind="file", label=path, size=1) for number in range(files + 1)),
    ]
    edges = [
        Edge(source=COMMIT, target=RUN, kind="code"),
        Edge(source=RUN, target=VERSION, kind="registered", paths=["model"]),
        Edge(source=RUN, target=OTHER, kind="parent"),
        Edge(source=RUN, target=file(0), kind="made", paths=["a"]),
        Edge(source=file(0), target=OTHER, kind="read", paths=["b"]),
        *(Edge(source=file(number), target=RUN, kind="read", paths=[path]) for number in range(1, files + 1)),
    ]
    return Lineage(subject="x", kind="run", links=[], graph=Graph(nodes, edges))


ODD = [
    'a"b', "a]b[", "{{x}}", "%%{init: {}}%%", "<script>", "#quot;", "`md`", "end", "1. list", "- list", "a-->b", "a;b|c",
    "back\\slash\\", "new\nline", "\x1b[31m", "ä 漢字 🙂", "**b** _i_", "$$x$$", "a&amp;b", "\udcff", "x" * 300, "",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD, ids=lambda name: repr(name[:20]))
def test_an_odd_name_breaks_no_picture(name: str):
    assert strange_lines(mermaid.document(drawn(run=name, path=name))) == []
    (graph,) = pydot.graph_from_dot_data(dot.document(drawn(run=name, path=name)))
    assert len(graph.get_edges()) == 6


@settings(max_examples=200, deadline=None)
@given(st.text(), st.text())
def test_no_name_breaks_a_flowchart(run: str, path: str):
    assert strange_lines(mermaid.document(drawn(run=run, path=path))) == []


def strange_lines(text: str) -> list[str]:
    first, *lines = text.split("\n")
    return [first] * (first != "flowchart LR") + [line for line in lines if not MERMAID.fullmatch(line)]


def test_a_flowchart_says_what_is_drawn():
    text = mermaid.document(drawn())
    assert text.split("\n")[:8] == [
        "flowchart LR",
        '  run_3f3f3f3f3f3f3f3f["run first<br/>3f3f3f3f"]',
        "  class run_3f3f3f3f3f3f3f3f subject",
        '  run_7e7e7e7e7e7e7e7e["run second<br/>7e7e7e7e (failed)<br/>not in this clone"]',
        "  class run_7e7e7e7e7e7e7e7e missing",
        '  version_abababababababab(["iris@3<br/>Production"])',
        "  class version_abababababababab production",
        '  commit_1b1b1b1b1b1b1b1b{{"1b1b1b1 Start"}}',
    ]
    assert "  run_3f3f3f3f3f3f3f3f -->|registered| version_abababababababab" in text
    assert "  commit_1b1b1b1b1b1b1b1b -.-> run_3f3f3f3f3f3f3f3f" in text


def test_dot_says_what_is_drawn():
    (graph,) = pydot.graph_from_dot_data(dot.document(drawn()))
    (version,) = graph.get_node(f'"{VERSION}"')
    assert (version.get("label"), version.get("fillcolor")) == ('"iris@3\\nProduction"', '"#dafbe1"')
    assert {(edge.get_source(), edge.get_destination(), edge.get("label")) for edge in graph.get_edges()} >= {
        (f'"{RUN}"', f'"{VERSION}"', '"registered"'),
        (f'"{COMMIT}"', f'"{RUN}"', None),
    }


@pytest.mark.parametrize("form", ["mermaid", "dot"])
def test_of_many_files_that_lead_nowhere_a_few_are_drawn_and_the_others_counted(form: str):
    text = export.text(form, drawn(files=45))
    assert (text.count("data/train.csv"), text.count("… and 37 more")) == (9, 1)
    assert strange_lines(mermaid.document(drawn(files=45))) == []


@pytest.mark.parametrize("form", ["mermaid", "dot"])
def test_a_picture_is_the_same_each_time(form: str):
    assert export.text(form, drawn()) == export.text(form, drawn())
