"""Lineage: from anything to what it came from."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlcli import lineage, registry
from mlcli.domain.observed import Output
from mlcli.domain.reproduction import Reproduction, Verdict
from mlcli.domain.run import Input
from mlcli.domain.stage import Stage
from mlcli.errors import NotFound
from mlcli.workspace import Workspace


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


def digest(content: str) -> str:
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"


@pytest.fixture
def step(record, workspace):
    """Record a run that read and made files: step("train", {"a.csv": "1"}, {"model": "m"}); more of it by name."""

    def make(name: str, read: dict[str, str] | None = None, made: dict[str, str] | None = None, kept=None, **changes):
        run = record(name=name, files=kept)
        inputs = [Input(path=path, size=len(text), digest=digest(text)) for path, text in (read or {}).items()]
        outputs = [Output(path=path, size=len(text), digest=digest(text)) for path, text in (made or {}).items()]
        return workspace.store.change_run(run.id, lambda _: replace(run, inputs=inputs, outputs=outputs, **changes))

    return make


@pytest.fixture
def pipeline(step, workspace, repo: Path):
    """prepare -> train -> evaluate; what train made is toy@1, in production."""
    (repo / "raw.csv").write_text("raw")
    runs = {
        "prepare": step("prepare", {"raw.csv": "raw"}, {"clean.csv": "clean"}),
        "train": step("train", {"clean.csv": "clean"}, {"model.bin": "model"}, kept={"model.bin": "model"}),
        "evaluate": step("evaluate", {"clean.csv": "clean", "model.bin": "model"}, {"metrics.json": "good"}),
    }
    registry.register(workspace, "toy", "train:model.bin")
    registry.promote(workspace, "toy@1", "production")
    return runs


def upward(origins) -> list:
    """The names of makers, each with those above it and a star where it was told before."""
    return [(each.run.name + "*" * each.again, *upward(each.upstream)) for each in origins]


def downward(found) -> list[str]:
    """What came of it: runs with how, and their versions with their stages."""
    return [
        f"{each.run.name} {' '.join(f'{step.kind}:{chr(44).join(step.paths)}' for step in each.of)}"
        + "".join(f" {here.version.ref}={here.stage}" for here in each.versions)
        for each in found.downstream
    ]


def edges(found) -> set[tuple[str, str, str]]:
    """The edges of its graph, by label."""
    label = {node.id: node.label for node in found.graph.nodes}
    return {(label[edge.source], edge.kind, label[edge.target]) for edge in found.graph.edges if edge.kind != "code"}


# Tracing


def test_a_version_leads_to_its_run_commit_and_files(story, workspace, git):
    told = lineage.trace(workspace, "iris@production")
    [link] = told.links
    assert (told.subject, told.kind, link.version.ref, link.stage) == ("iris@2", "version", "iris@2", Stage.PRODUCTION)
    assert (link.run.name, link.run.git.commit) == ("second", git("rev-parse", "HEAD"))
    assert ([file.path for file in link.artifacts], link.here) == (["model/model.joblib"], [True])


def test_a_run_leads_to_each_version_that_was_made_of_it(story, workspace):
    registry.register(workspace, "other", "second")
    told = lineage.trace(workspace, "second")
    assert (told.kind, [link.version.ref for link in told.links]) == ("run", ["iris@2", "other@1"])


def test_a_run_without_a_version_stands_for_itself(story, workspace):
    [link] = lineage.trace(workspace, "broken").links
    assert (link.version, link.stage, link.run.name) == (None, None, "broken")


def test_a_file_leads_to_the_version_it_is_and_not_twice_to_its_run(story, workspace, tmp_path: Path):
    (tmp_path / "somewhere.bin").write_text("first")
    told = lineage.trace(workspace, str(tmp_path / "somewhere.bin"))
    assert (told.kind, [link.version.ref for link in told.links]) == ("content", ["iris@1"])


def test_a_commit_leads_to_versions_and_to_runs_that_became_none(story, workspace, git):
    told = lineage.trace(workspace, "main")
    assert (told.subject, told.kind) == (git("rev-parse", "HEAD"), "commit")
    assert [link.version.ref if link.version else link.run.name for link in told.links] == [
        "iris@1",
        "iris@2",
        "dirty",
        "broken",
    ]


def test_a_commit_without_a_run_is_told(story, workspace, git, repo: Path):
    git("commit", "--allow-empty", "-qm", "Later")
    with pytest.raises(NotFound, match="no run was made from commit"):
        lineage.trace(workspace, "HEAD")


def test_lineage_works_in_a_clone_that_has_no_run(whole, repo: Path, git, tmp_path: Path):
    git("add", "-A")
    git("commit", "-qm", "Register")
    git("clone", "-q", str(repo), str(tmp_path / "clone"))
    told = lineage.trace(Workspace(str(tmp_path / "clone")), "iris@production")
    assert (told.links[0].run.name, told.links[0].here) == ("second", [False])


def test_a_clone_without_runs_leads_from_version_to_version(step, workspace, git, repo: Path, tmp_path: Path):
    step("prepare", {"raw.csv": "raw"}, {"clean.csv": "clean"}, kept={"clean.csv": "clean"})
    step("train", {"clean.csv": "clean"}, {"model.bin": "model"}, kept={"model.bin": "model"})
    registry.register(workspace, "data", "prepare:clean.csv")
    registry.register(workspace, "toy", "train:model.bin")
    git("add", "-A")
    git("commit", "-qm", "Register")
    git("clone", "-q", str(repo), str(tmp_path / "clone"))
    clone = Workspace(str(tmp_path / "clone"))
    [link] = lineage.trace(clone, "toy").links
    assert (link.run_here, upward(link.upstream)) == (False, [("prepare",)])
    assert downward(lineage.trace(clone, "data")) == ["train read:clean.csv toy@1=None"]
    assert {node.label: node.here for node in lineage.trace(clone, "toy").graph.nodes if node.kind == "run"} == {
        "train": False,
        "prepare": False,
    }


# Up


def test_a_pipeline_leads_up_without_any_declaration(pipeline, workspace):
    [link] = lineage.trace(workspace, "evaluate").links
    assert upward(link.upstream) == [("prepare",), ("train", ("prepare*",))]
    assert [run.name for run in lineage.makers_of(link.upstream)] == ["prepare", "train"]


def test_of_several_that_made_the_same_it_is_the_newest_that_had_ended(step, workspace):
    step("old", made={"a": "same"})
    step("new", made={"b": "same"})
    late = step("late", made={"c": "same"})
    reader = step("reader", {"d": "same"})
    workspace.store.change_run(late.id, lambda run: replace(run, ended_at=reader.started_at + timedelta(seconds=9)))
    [link] = lineage.trace(workspace, "reader").links
    assert [(each.run.name, each.paths) for each in link.upstream] == [("new", ["d"])]


def test_of_many_that_made_the_same_each_reader_has_its_own(crowd):
    ups = [lineage.trace(crowd, f"reader-{number}").links[0].upstream for number in (0, 60)]
    assert [[each.run.name for each in up] for up in ups] == [["maker-0"], ["maker-60"]]
    twice = lineage.trace(crowd, "late").links[0].upstream
    assert [(each.run.name, [above.run.name for above in each.upstream]) for each in twice] == [
        ("maker-119", []),
        ("reader-0", ["maker-0"]),
    ]


@pytest.fixture
def crowd(record, workspace):
    """A hundred and twenty runs that made the same, each with a reader of it; one reads the first's and the last's."""
    first = record(name="seed")
    same = [Input(path="same", size=1, digest=digest("same"))]

    def add(at: int, name: str, read: list[Input], made: str) -> None:
        began = AT + timedelta(seconds=at)
        output = Output(path="out", size=1, digest=digest(made))
        workspace.store.add_run(replace(
            first, id=f"{at:08x}" + "0" * 24, name=name, started_at=began, ended_at=began, inputs=read, outputs=[output],
        ))  # fmt: skip

    for number in range(120):
        add(4 * number + 1, f"maker-{number}", [], "same")
        add(4 * number + 3, f"reader-{number}", same, f"of {number}")
    add(1000, "late", [*same, Input(path="old", size=1, digest=digest("of 0"))], "late")
    return workspace


def test_a_script_that_reads_what_it_writes_is_told_once(step, workspace):
    same = {"state": "same"}
    step("first", same, same)
    step("second", same, same)
    found = lineage.trace(workspace, "second")
    assert (upward(found.links[0].upstream), downward(found)) == ([("first",)], [])
    assert downward(lineage.trace(workspace, "first")) == ["second read:state"]


AT = datetime(2026, 11, 21, tzinfo=timezone.utc)


@pytest.fixture
def chain(record, workspace):
    """A run that reads what the one before it wrote, 1,200 times."""
    first = record(name="step-0")
    for number in range(1, 1201):
        began = AT + timedelta(seconds=number * 2)
        workspace.store.add_run(replace(
            first, id=f"{number:08x}" + "0" * 24, name=f"step-{number}", started_at=began,
            ended_at=began + timedelta(seconds=1),
            inputs=[Input(path="state", size=1, digest=digest(str(number - 1)))],
            outputs=[Output(path="state", size=1, digest=digest(str(number)))],
        ))  # fmt: skip
    return workspace


def test_no_depth_is_too_much_either_way(chain):
    [link] = lineage.trace(chain, "step-1200", down=False).links
    assert [run.name for run in lineage.makers_of(link.upstream)] == [f"step-{number}" for number in range(1, 1200)]
    led = lineage.trace(chain, "step-1", up=False).downstream
    assert [each.run.name for each in led] == [f"step-{number}" for number in range(2, 1201)]


def test_a_run_names_its_parent_and_the_run_that_it_makes_again(step, workspace):
    parent = step("parent")
    twin = Reproduction(run_id=parent.id, at=parent.started_at, verdict=Verdict.IDENTICAL)
    step("child", parent_id=parent.id, reproduces=twin)
    found = lineage.trace(workspace, "child")
    assert (found.links[0].parent, found.links[0].original) == (parent, parent)
    assert edges(found) == {("parent", "parent", "child"), ("parent", "reproduces", "child")}


def test_a_parent_that_is_gone_is_passed_over(step, workspace):
    step("child", parent_id="f" * 32)
    found = lineage.trace(workspace, "child")
    assert (found.links[0].parent, edges(found)) == (None, set())


# Down


def test_a_file_leads_to_all_that_was_built_from_it_whatever_it_is_called_now(pipeline, workspace, tmp_path: Path):
    (tmp_path / "elsewhere.txt").write_text("raw")
    found = lineage.trace(workspace, str(tmp_path / "elsewhere.txt"))
    assert downward(found) == [
        "prepare read:raw.csv",
        "train read:clean.csv toy@1=Production",
        "evaluate read:clean.csv read:model.bin",
    ]


@pytest.mark.parametrize(
    ("ref", "led"),
    [
        ("prepare", ["train read:clean.csv toy@1=Production", "evaluate read:clean.csv read:model.bin"]),
        ("toy@production", ["evaluate read:model.bin"]),
        ("runs:/train/model.bin", ["evaluate read:model.bin"]),
        ("evaluate", []),
        ("main", []),
    ],
)
def test_anything_leads_to_what_came_of_it(pipeline, workspace, ref: str, led: list[str]):
    assert downward(lineage.trace(workspace, ref)) == led


def test_what_another_made_in_the_meantime_came_of_that(step, workspace):
    step("old", made={"a": "same"})
    step("new", made={"a": "same"})
    step("reader", {"a": "same"})
    assert [downward(lineage.trace(workspace, ref)) for ref in ("old", "new")] == [[], ["reader read:a"]]


def test_a_commit_leads_to_runs_of_others_that_read_what_its_runs_made(pipeline, workspace, git, step):
    before = git("rev-parse", "HEAD")
    git("commit", "--allow-empty", "-qm", "Later")
    step("report", {"metrics.json": "good"})
    found = lineage.trace(workspace, before)
    assert ([link.run.name for link in found.links], downward(found)) == (
        ["train", "evaluate", "prepare"], ["report read:metrics.json"],
    )  # fmt: skip


def test_children_and_twins_came_of_a_run(step, workspace):
    parent = step("parent")
    step("child", parent_id=parent.id)
    step("twin", reproduces=Reproduction(run_id=parent.id, at=parent.started_at))
    assert downward(lineage.trace(workspace, "parent")) == ["child parent:", "twin reproduces:"]


def test_an_artifact_that_a_run_does_not_have_is_told(pipeline, workspace):
    with pytest.raises(NotFound, match=r"run .* has no artifact 'other\.bin'"):
        lineage.trace(workspace, "runs:/train/other.bin")


# As a graph


def test_a_pipeline_is_one_graph(pipeline, workspace):
    assert edges(lineage.trace(workspace, "toy")) == {
        ("raw.csv", "read", "prepare"), ("prepare", "made", "clean.csv"), ("clean.csv", "read", "train"),
        ("train", "made", "model.bin"), ("train", "registered", "toy@1"), ("model.bin", "read", "evaluate"),
        ("clean.csv", "read", "evaluate"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ways", "told"),
    [
        ({"down": False}, {"raw.csv", "prepare", "clean.csv", "train", "model.bin", "toy@1"}),
        ({"up": False}, {"train", "toy@1", "model.bin", "evaluate"}),
    ],
)
def test_a_graph_goes_only_the_way_that_was_asked_for(pipeline, workspace, ways, told: set[str]):
    nodes = lineage.trace(workspace, "toy", **ways).graph.nodes
    assert {node.label for node in nodes if node.kind != "commit"} == told


def test_a_graph_is_the_same_each_time_and_marks_what_was_asked_about(pipeline, workspace):
    one, again = (lineage.trace(workspace, "raw.csv").graph for _ in range(2))
    assert one == again
    assert [node.label for node in one.nodes if node.subject] == ["raw.csv"]
    assert {(node.label, node.stage) for node in one.nodes if node.kind == "version"} == {("toy@1", Stage.PRODUCTION)}


def test_the_same_thing_has_the_same_id_from_wherever_it_is_seen(pipeline, workspace):
    up, down = ({node.id: node.label for node in lineage.trace(workspace, ref).graph.nodes} for ref in ("@", "raw.csv"))
    assert {label for node, label in up.items() if node in down} >= {"raw.csv", "prepare", "clean.csv", "train"}
