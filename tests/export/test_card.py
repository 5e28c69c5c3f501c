"""A model card: what huggingface_hub and a Markdown reader make of it is what is known of the model."""

from __future__ import annotations

from datetime import timedelta

import pytest
from lineages import HOSTILE, LINEAGES, START, a_lineage, a_run, hostile, metric
from markdown_it import MarkdownIt
from msgspec.structs import replace

from mlcli.domain.reproduction import Reproduction, Verdict
from mlcli.domain.source import Person
from mlcli.errors import InvalidRef
from mlcli.export import card
from mlcli.export.card import Passage

HEADINGS = ["Metrics", "Data", "Where it comes from", "How to make it again"]
HISTORY = [
    Passage(at=START + timedelta(days=2), by=Person(name="Ada"), what="Staging → Production", why="a | b\n# c"),
    Passage(at=START + timedelta(hours=1), by=Person(name="Grace Hopper"), what="registered"),
]


def body(text: str) -> str:
    return text.split("\n---\n", 1)[1]


def tokens(text: str) -> list:
    """What a Markdown reader sees, the inline parts too."""
    blocks = MarkdownIt("commonmark", {"html": True}).enable("table").parse(body(text))
    return [each for block in blocks for each in [block, *(block.children or [])]]


def headings(text: str) -> list[str]:
    seen = tokens(text)
    opened = [at for at, each in enumerate(seen) if each.type == "heading_open"]
    return ["".join(part.content for part in seen[at + 1].children) for at in opened]


def rows(text: str) -> list[list[str]]:
    """The cells of all tables, as they are read."""
    blocks = MarkdownIt("commonmark").enable("table").parse(body(text))
    cells: list[list[str]] = []
    for at, each in enumerate(blocks):
        cells += [[]] if each.type == "tr_open" else []
        if each.type in {"td_open", "th_open"}:
            cells[-1].append("".join(part.content for part in blocks[at + 1].children))
    return cells


@pytest.mark.parametrize("kind", LINEAGES)
def test_the_hub_reads_a_card_of_every_kind_of_lineage(judge, kind: str):
    [read] = judge("card", card.document(LINEAGES[kind], HISTORY))
    run = LINEAGES[kind].links[0].run
    assert read["metrics"] == {key: each.last for key, each in run.metrics.items() if abs(each.last) < 1e300}


def test_the_hub_reads_library_task_data_and_licence(judge):
    run = a_run(tags={"license": "apache-2.0"})
    [read] = judge("card", card.document(a_lineage(run)))
    assert read == {
        "library": "sklearn",
        "tags": ["mlcli", "sklearn"],
        "name": "iris",
        "license": "apache-2.0",
        "metrics": {"accuracy": 0.97, "loss": 1e-05},
        "data": ["data/train.csv"],
        "tasks": ["tabular-classification"],
    }


def test_hostile_words_reach_the_hub_as_they_are(judge):
    [read] = judge("card", card.document(LINEAGES["hostile words"]))
    assert (read["library"], read["license"]) == (HOSTILE, HOSTILE)
    assert read["metrics"] == {HOSTILE: 0.5}


def test_the_hub_refuses_a_broken_twin(judge):
    text = card.document(LINEAGES["a version"])
    assert "    dataset: {" in text
    [fault] = judge("card", text.replace("    dataset: {", "    data: {"))
    assert "dataset" in str(fault)


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-05, 1e16, 1.5e-07, 123456789.123, 5e-324, 1e300])
def test_a_number_of_any_size_is_a_number_to_the_hub(judge, value: float):
    [read] = judge("card", card.document(a_lineage(a_run(metrics={"m": metric(value)}))))
    assert read["metrics"] == {"m": value}


@pytest.mark.parametrize("kind", LINEAGES)
def test_no_word_of_a_user_is_a_mark(kind: str):
    text = card.document(LINEAGES[kind], HISTORY)
    assert headings(text)[1:] == [*HEADINGS, "History"]
    assert {each.type for each in tokens(text)} & {"html_inline", "html_block", "link_open", "image", "hr"} == set()
    assert {each.tag for each in tokens(text)} & {"em", "strong", "ul", "ol", "blockquote"} == set()
    assert set(text) & set("\x1b\x07\r\u202e\u2028\U000e0001") == set()


def test_prose_says_what_is_known():
    run = a_run(note="First try.\n\n# Not a heading")
    text = card.document(a_lineage(run, why="better"), HISTORY)
    cells = rows(text)
    assert headings(text)[0] == "iris@3"
    assert "registered 2026-11-21T07:40:00Z by Grace Hopper. It is in Staging.\n" in text
    assert "\nbetter\n" in text
    assert ["accuracy", "0.97", "logged", ""] in cells
    assert ["data/train.csv", "20", f"sha256:{1:064x}"] in cells
    assert ["commit", f"{run.git.commit} Start"] in cells
    assert ["depth", "10"] in cells
    assert ["2026-11-23T06:40:00Z", "Staging → Production", "Ada", r"a | b\n# c"] in cells


def test_a_table_keeps_a_bar_and_a_backslash():
    text = card.document(LINEAGES["hostile words"], [replace(HISTORY[0], why="a|b\\|c `|`")])
    [row] = [row for row in rows(text) if row[0].startswith("2026")]
    assert row[2:] == ["Ada", "a|b\\|c `|`"]


def test_how_to_make_it_again_is_what_is_typed():
    assert "git clone git@example.com:team/iris.git project\ncd project\nmlcli reproduce iris@3\n" in card.document(
        LINEAGES["a version"]
    )
    dirty = LINEAGES["uncommitted and kept"]
    assert "mlcli reproduce iris@3" in card.document(dirty)
    assert "git fetch origin 'refs/mlruns/*:refs/mlruns/*'" in card.document(dirty)
    assert "cannot be made again" in card.document(LINEAGES["no commit"])


def test_what_came_of_making_it_again_is_told():
    link = LINEAGES["a version"].links[0]
    again = Reproduction(run_id="a" * 32, at=START, verdict=Verdict.IDENTICAL)
    lineage = replace(LINEAGES["a version"], links=[replace(link, reproductions=[again])])
    assert "It was made again: identical (2026-11-21T06:40:00Z)." in card.document(lineage)


def test_the_runs_before_it_are_told_in_their_order():
    cells = rows(card.document(LINEAGES["a pipeline"]))
    at = cells.index(["run", "command", "commit"])
    assert [row[:2] for row in cells[at + 1 : at + 3]] == [
        ["aaaaaaaa", "python prepare.py"],
        ["bbbbbbbb", "make split"],
    ]


def test_a_long_list_is_cut_and_says_where_the_rest_is():
    text = card.document(LINEAGES["hundreds of inputs"])
    assert "… and 250 more: `mlcli lineage iris@3 --json`" in text
    assert len(text) < 15_000


def test_a_card_is_of_one_model():
    one = LINEAGES["a version"].links[0]
    with pytest.raises(InvalidRef, match="this tells of one"):
        card.document(replace(LINEAGES["a version"], links=[one, one]))
    assert card.version_of(LINEAGES["a version"]) is one.version
    assert card.version_of(a_lineage(hostile(), registered=False)) is None
