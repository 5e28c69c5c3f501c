"""The reference pages are true: their examples verify, their snippets work, their lists are whole."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zlib
from pathlib import Path

import msgspec
import pytest

from mlcli.store import layout, points, schema

DOCS = Path(__file__).resolve().parent.parent / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page(name), re.M | re.S)


DOCUMENTS = [json.loads(block) for block in blocks("on-disk-format.md", "json") if '"kind"' in block]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document["kind"])
def test_an_example_document_is_as_mlcli_reads_and_writes_it(document: dict) -> None:
    text = next(block for block in blocks("on-disk-format.md", "json") if document["digest"] in block)
    read = schema.decode(text.encode(), document["kind"], "the page")
    assert schema.encode(read).decode() == text


def test_there_is_an_example_of_every_kind() -> None:
    told = {document["kind"] for document in DOCUMENTS} | set(re.findall(r'"kind": "(\w+)"', page("on-disk-format.md")))
    assert told == {"store", "run", "version", "event", "stage"}


def test_the_example_run_and_event_have_the_shape_of_the_domain() -> None:
    by_kind = {document["kind"]: document for document in DOCUMENTS}
    assert schema.run_from(by_kind["run"], "the page").id == "e36a244e203340fe9ff78a724079da45"
    assert schema.event_from(by_kind["event"], "the page").model == "hello"
    assert schema.holder_from(by_kind["stage"], "the page").number == 1


@pytest.mark.parametrize(("change", "answer"), [("", "whole"), ("hello", "edited or damaged")])
def test_the_snippet_verifies_a_document_without_mlcli(tmp_path: Path, change: str, answer: str) -> None:
    (snippet,) = blocks("on-disk-format.md", "python")
    document = next(document for document in DOCUMENTS if document["kind"] == "run")
    document = {**document, "note": change}
    (tmp_path / "run.json").write_text(json.dumps(document, indent=8, sort_keys=True).replace("\n", "\r\n"))

    done = subprocess.run(
        [sys.executable, "-I", "-c", snippet, str(tmp_path / "run.json")], capture_output=True, text=True, check=False
    )

    assert (done.stdout, len(snippet.split("\n\n")[1].splitlines()) <= 6, "mlcli" in snippet) == (
        f"{answer}\n",
        True,
        False,
    )


def test_the_example_metric_lines_have_their_checksum() -> None:
    (lines,) = blocks("on-disk-format.md", "jsonl")
    found, damaged = points.read(lines.encode())
    assert ([(point.metric, point.step) for point in found], damaged) == ([("loss", 1), ("loss", 2)], [])
    first = re.search(r'of `(\{"metric".*?)` in the first line', page("on-disk-format.md"))
    assert first is not None
    assert f'"crc":"{zlib.crc32(first[1].encode()):08x}"' in lines.splitlines()[0]


def test_the_table_of_the_store_names_what_the_layout_has() -> None:
    text = page("on-disk-format.md")
    names = (layout.STORE, layout.GITIGNORE, layout.RUNS, layout.MODELS, layout.OBJECTS, layout.TRASH, layout.CACHE)
    assert [name for name in names if f"`{name}" not in text] == []


def test_every_error_code_is_listed_with_its_exit_code() -> None:
    from mlcli import errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MlcliError)]
    listed = dict(re.findall(r"^\| `([a-z-]+)` \| (\d) \|", page("exit-codes.md"), re.M))
    assert listed == {kind.code: str(kind.exit_code) for kind in kinds}


def test_every_json_answer_is_described_with_all_its_keys() -> None:
    rows = dict(
        re.findall(r"^\| `.*?\| \[(mlcli\.\w+/\d+)\]\(schemas/[\w-]+\.json\) \| (.*) \|$", page("json-output.md"), re.M)
    )
    schemas = {path.stem: json.loads(path.read_text()) for path in sorted((DOCS / "schemas").glob("*.json"))}
    keys = {}
    for name, schema_ in schemas.items():
        top = schema_["$defs"][schema_["$ref"].rpartition("/")[2]]["properties"]
        keys[f"mlcli.{name.replace('-', '/')}"] = {key for key in top if key != "schema"}
    assert {name: {key for key in wanted if f"`{key}`" not in rows.get(name, "")} for name, wanted in keys.items()} == {
        name: set() for name in keys
    }


def test_the_filters_of_the_page_can_be_read() -> None:
    from datetime import datetime, timezone

    from mlcli.domain import query

    texts = re.findall(r"""mlcli ls (?:'([^']*)'|"([^"]*)")$""", page("filters.md"), re.M)
    filters = [single or double for single, double in texts]
    assert len(filters) >= 4
    assert all(query.parse(text, datetime.now(timezone.utc)) for text in filters)


@pytest.mark.parametrize("field", ["id", "name", "note", "experiment", "user", "command", "parent", "status", "started", "ended", "seconds", "exit_code", "model", "reproduces", "git.commit", "git.dirty"])  # fmt: skip
def test_every_field_of_the_filter_page_is_a_field(field: str) -> None:
    from datetime import datetime, timezone

    from mlcli.domain import query

    assert query.parse(f"{field} is null", datetime.now(timezone.utc))
    assert f"`{field}`" in page("filters.md")


def test_every_column_of_ls_is_listed() -> None:
    from mlcli.cli import ls

    assert [name for name in ls._COLUMNS if f"`{name}`" not in page("filters.md")] == []


def test_every_setting_and_variable_is_listed() -> None:
    from mlcli import settings, workspace
    from mlcli.capture.environment import ALLOWED

    text = page("environment-variables.md")
    wanted = [
        *settings.Settings.__struct_fields__,
        *(f"MLCLI_{name.upper()}" for name in settings.Settings.__struct_fields__ if name != "stages"),
    ]
    wanted += [workspace.ROOT_VARIABLE, workspace.STORE_VARIABLE, workspace.RUN_VARIABLE, *ALLOWED]
    assert [name for name in wanted if f"`{name}`" not in text] == []


REFS = re.findall(r"`([^`]+)`", " ".join(re.findall(r"^\| (`.*?`) \|", page("refs.md"), re.M)))


@pytest.mark.parametrize("ref", REFS)
def test_every_ref_of_the_page_can_be_read(ref: str) -> None:
    from mlcli.domain.ref import parse, parse_artifact

    assert (parse_artifact if ref == "3f9a:model" else parse)(ref)


@pytest.mark.parametrize(
    "path",
    sorted([*DOCS.glob("*.md"), DOCS.parent / "CONTRIBUTING.md", DOCS.parent / "CHANGELOG.md"]),
    ids=lambda path: path.name,
)
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_examples_are_strict_json() -> None:
    assert [block for block in blocks("on-disk-format.md", "json") if not msgspec.json.decode(block)] == []
