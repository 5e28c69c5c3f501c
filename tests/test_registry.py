"""Registering and promoting: what is handed out once, what is refused, what the history says afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlcli import checking, registry, tracking
from mlcli.domain.run import RunStatus
from mlcli.domain.source import Person
from mlcli.domain.stage import Stage
from mlcli.errors import Corrupt, InvalidName, Missing, NotFound, Refused, UnknownStage
from mlcli.workspace import Workspace

NONE, STAGING, PRODUCTION, ARCHIVED = Stage


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


def registered(workspace) -> dict[str, bytes]:
    """Every file of the registry."""
    top = Path(workspace.store.root, "models")
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def standing(workspace, model: str = "iris") -> dict[int, Stage]:
    return {state.version.number: state.stage for state in registry.registered_model(workspace, model).versions}


@pytest.fixture
def run(record):
    """A run with one model and a plain file beside it."""
    return record(model="weights", files={"plot.txt": "x"}, name="with-model")


# Registering


def test_a_registration_carries_its_whole_run(run, workspace, git):
    made = registry.register(workspace, "iris", run.id, why="first try")
    version = made.version
    assert (made.made, version.ref, version.path, version.why) == (True, "iris@1", "model", "first try")
    assert (version.registered_by, version.commit) == (
        Person(name="Ada Lovelace", email="ada@example.com"),
        git("rev-parse", "HEAD"),
    )
    assert (version.run.params, version.run.artifacts, version.run.process) == (run.params, run.artifacts, None)
    assert workspace.store.version("iris", 1) == version


def test_with_no_run_the_newest_that_has_a_model_is_taken(story, workspace, record):
    record(name="without", files={"a": "x"})
    assert registry.register(workspace, "churn").version.run.name == "dirty"


def test_with_no_run_one_that_failed_is_passed_over(record, workspace):
    good = record(model="weights")
    record(model="worse", status="failed")
    assert registry.register(workspace, "iris").version.run.id == good.id


def test_a_file_of_a_run_is_registered_by_its_path(run, workspace):
    assert registry.register(workspace, "plots", f"{run.id[:8]}:plot.txt").version.files[0].path == "plot.txt"
    assert registry.register(workspace, "plots2", run.id, artifact="plot.txt").version.path == "plot.txt"
    assert registry.register(workspace, "models", f"runs:/{run.id}/model").version.path == "model"


def test_the_only_file_of_a_run_without_a_model_need_not_be_named(record, workspace):
    record(files={"model.onnx": "x"})
    assert registry.register(workspace, "iris", "@").version.path == "model.onnx"


@pytest.mark.parametrize(
    ("ref", "told"),
    [
        ("@:none", r"run \w{8} has no artifact 'none'; it has 'model/model.joblib', 'plot.txt'"),
        ("nothing", "no run matches 'nothing'"),
        ("@7", "there are 1 runs: none lies 7 before the newest"),
    ],
)
def test_what_is_not_there_is_not_registered(run, workspace, ref: str, told: str):
    with pytest.raises(NotFound, match=told):
        registry.register(workspace, "iris", ref)
    assert workspace.store.models() == []


def test_of_two_models_in_a_run_one_must_be_named(run, workspace, tmp_path: Path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "m").write_text("x")
    tracking.log_model(workspace, run.id, str(tmp_path / "other"), replace(run.models[0], path="other"))
    with pytest.raises(NotFound, match=r"has 2 models: model, other") as caught:
        registry.register(workspace, "iris", run.id)
    assert caught.value.hint == f"name one, as {run.id[:8]}:model"
    assert registry.register(workspace, "iris", f"{run.id}:other").version.path == "other"


@pytest.mark.parametrize(("status", "told"), [("failed", "failed"), ("killed", "was killed")])
def test_a_run_that_did_not_end_well_is_refused(record, workspace, status: str, told: str):
    bad = record(model="weights", status=status)
    with pytest.raises(Refused, match=f"run {bad.id[:8]} {told}: its model is not registered") as caught:
        registry.register(workspace, "iris", bad.id)
    assert (caught.value.exit_code, workspace.store.models()) == (1, [])


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".", "-x", "m@prod", "m:1", "x" * 129])
def test_a_model_that_cannot_be_called_so_is_refused(run, workspace, name: str):
    with pytest.raises(InvalidName, match="cannot name a model"):
        registry.register(workspace, name, run.id)
    assert registered(workspace) == {}


def test_a_name_that_differs_from_another_in_case_only_is_refused(run, workspace):
    registry.register(workspace, "iris", run.id)
    with pytest.raises(InvalidName, match="'Iris' and the model 'iris' differ in case or spelling only"):
        registry.register(workspace, "Iris", run.id)
    assert workspace.store.models() == ["iris"]


def test_registering_the_same_again_is_refused_and_accepted_when_once_is_enough(run, workspace):
    first = registry.register(workspace, "iris", run.id).version
    before = registered(workspace)
    with pytest.raises(Refused, match=r"iris@1 is 'model' of run \w{8} already"):
        registry.register(workspace, "iris", run.id)
    again = registry.register(workspace, "iris", run.id, once=True)
    assert (again.made, again.version, registered(workspace) == before) == (False, first, True)


def test_a_model_whose_content_is_gone_is_not_registered(run, workspace):
    Path(workspace.store.content_path(run.artifacts[0])).unlink()
    with pytest.raises(Missing):
        registry.register(workspace, "iris", run.id)
    assert registered(workspace) == {}


def test_a_model_whose_content_was_altered_is_not_registered(run, workspace):
    content = Path(workspace.store.content_path(run.artifacts[0]))
    content.chmod(0o644)
    content.write_text("evil")
    with pytest.raises(Corrupt):
        registry.register(workspace, "iris", run.id)
    assert registered(workspace) == {}


def test_a_number_that_was_used_is_not_used_again(story, workspace):
    workspace.store.files.move("models/iris/versions/2.json", "trash/models/iris/versions/2.json")
    assert registry.register(workspace, "iris", "dirty").version.number == 3


# Promoting


def test_a_promotion_archives_the_version_it_replaces(story, workspace):
    registry.register(workspace, "iris", "dirty")
    done = registry.promote(workspace, "iris@3", "Production", why="best so far")
    assert (done.from_stage, done.to_stage, done.made) == (NONE, PRODUCTION, True)
    assert ([version.ref for version in done.archived], done.replaced.ref) == (["iris@2"], "iris@2")
    assert standing(workspace) == {1: ARCHIVED, 2: ARCHIVED, 3: PRODUCTION}
    assert workspace.store.holder("iris", PRODUCTION).number == 3


def test_a_version_may_be_kept_beside_the_new_one(story, workspace):
    done = registry.promote(workspace, "iris@1", "production", keep=True)
    assert (done.archived, done.replaced.ref, standing(workspace)) == ([], "iris@2", {1: PRODUCTION, 2: PRODUCTION})
    assert workspace.store.holder("iris", PRODUCTION).number == 1


def test_what_was_kept_is_archived_by_the_next_that_does_not_keep(story, workspace):
    registry.promote(workspace, "iris@1", "production", keep=True)
    registry.register(workspace, "iris", "dirty")
    done = registry.promote(workspace, "iris@3", "production")
    assert [version.ref for version in done.archived] == ["iris@2", "iris@1"]
    assert standing(workspace) == {1: ARCHIVED, 2: ARCHIVED, 3: PRODUCTION}


@pytest.mark.parametrize("stage", ["none", "Archived"])
def test_a_version_taken_out_of_service_leaves_its_stage_to_nobody(story, workspace, stage: str):
    done = registry.promote(workspace, "iris@2", stage)
    assert (done.from_stage, done.archived, standing(workspace)[2]) == (PRODUCTION, [], Stage(stage.lower()))
    assert workspace.store.holder("iris", PRODUCTION).number is None
    assert checking.check(workspace, ["iris"]).findings == []


def test_a_version_moves_from_staging_to_production(story, workspace):
    registry.promote(workspace, "iris@1", "staging")
    registry.promote(workspace, "iris@1", "production")
    assert standing(workspace) == {1: PRODUCTION, 2: ARCHIVED}
    assert (workspace.store.holder("iris", STAGING).number, checking.check(workspace).findings) == (None, [])


def test_a_stage_may_be_named_in_place_of_a_number(story, workspace):
    assert registry.promote(workspace, "iris@production", "staging").version.number == 2
    assert registry.promote(workspace, "models:/iris/1", "Production").version.number == 1


@pytest.mark.parametrize("stage", ["Prod", "production ", "", "latest"])
def test_a_stage_that_does_not_exist_is_refused_with_those_that_do(story, workspace, stage: str):
    before = registered(workspace)
    with pytest.raises(UnknownStage) as caught:
        registry.promote(workspace, "iris@1", stage)
    assert (caught.value.hint, registered(workspace) == before) == (
        "stages are None, Staging, Production, Archived",
        True,
    )


def test_a_promotion_to_where_it_stands_is_refused_and_accepted_when_once_is_enough(story, workspace):
    before = registered(workspace)
    with pytest.raises(Refused, match="iris@2 is in Production already"):
        registry.promote(workspace, "iris@2", "production")
    assert registry.promote(workspace, "iris@2", "production", once=True).made is False
    assert registered(workspace) == before


@pytest.mark.parametrize("ref", ["iris@9", "churn@1", "churn", "iris@champion", "iris@staging"])
def test_what_was_never_registered_is_not_promoted(story, workspace, ref: str):
    before = registered(workspace)
    with pytest.raises(NotFound):
        registry.promote(workspace, ref, "production")
    assert registered(workspace) == before


def test_a_stage_whose_file_is_damaged_is_named_anew_by_the_next_promotion(story, workspace):
    workspace.store.files.replace("models/iris/stages/production.json", b"<<<<<<< HEAD\n")
    registry.promote(workspace, "iris@2", "archived")
    registry.promote(workspace, "iris@1", "production")
    assert (workspace.store.holder("iris", PRODUCTION).number, checking.check(workspace).findings) == (1, [])


def test_a_history_that_branches_moved_apart_is_settled_by_saying_where_the_version_stands(story, workspace):
    event = workspace.store.history("iris").events[-1]
    with workspace.store.changing("iris"):
        registry_event = replace(
            event, version=workspace.store.version("iris", 1).digest, archived=[], why="on another branch"
        )
        workspace.store.add_event(registry_event)
    assert len(workspace.store.history("iris").heads) == 2
    registry.promote(workspace, "iris@2", "production", why="settled")
    assert (len(workspace.store.history("iris").heads), standing(workspace)) == (1, {1: ARCHIVED, 2: PRODUCTION})
    assert checking.check(workspace).findings == []


# Reading


def test_a_history_says_who_did_what_when_and_why_newest_first(story, workspace, git):
    entries = registry.history(workspace, "iris")
    assert [
        (entry.action, entry.version, entry.from_stage, entry.to_stage, entry.archived, entry.why) for entry in entries
    ] == [
        ("moved", 2, NONE, PRODUCTION, [1], "better"),
        ("registered", 2, None, None, [], ""),
        ("moved", 1, NONE, PRODUCTION, [], "the first"),
        ("registered", 1, None, None, [], ""),
    ]
    assert {(str(entry.by), entry.commit) for entry in entries} == {("Ada Lovelace", git("rev-parse", "HEAD"))}


def test_models_are_told_with_their_versions_and_stages(story, workspace):
    registry.register(workspace, "churn", "dirty")
    told = registry.models(workspace)
    assert [model.name for model in told] == ["churn", "iris"]
    assert [state.version.ref for state in told[1].in_stage(PRODUCTION)] == ["iris@2"]
    assert [state.version.ref for state in registry.versions_from(workspace, story["dirty"])] == ["churn@1"]


def test_reasons_may_be_in_any_language_and_are_kept_as_they_were(run, workspace):
    why = "größer \u202e\n'quoted' \x1b[31m"
    registry.register(workspace, "iris", run.id, why=why)
    registry.promote(workspace, "iris@1", "production", why=why)
    assert {entry.why for entry in registry.history(workspace, "iris")} == {why}


# Many at once

RACE = """
import sys
from mlcli import registry
from mlcli.workspace import Workspace
sys.stdin.readline()
workspace = Workspace.find()
number = registry.register(workspace, "iris", f"run-{sys.argv[1]}").version.number
registry.promote(workspace, f"iris@{number}", "production", why=sys.argv[1])
print(number)
"""


def test_eight_processes_register_and_promote_at_once_and_nothing_is_lost_doubled_or_half(record, repo: Path):
    [record(name=f"run-{at}", model=f"weights {at}") for at in range(8)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(at)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for at in range(8)
    ]
    numbers = [int(worker.communicate("go\n")[0]) for worker in workers]
    workspace = Workspace.find()
    history = workspace.store.history("iris")
    assert sorted(numbers) == workspace.store.version_numbers("iris") == list(range(1, 9))
    assert (len(history.events), len(history.heads)) == (16, 1)
    assert sorted(standing(workspace).values()) == [ARCHIVED] * 7 + [PRODUCTION]
    assert {event.why for event in history.events} == {"", *(str(at) for at in range(8))}
    assert checking.check(workspace).findings == []


KILLED = """
import os, signal, sys
from mlcli import registry
from mlcli.workspace import Workspace
workspace = Workspace.find()
workspace.store.is_made()
left = int(sys.argv[1])
def step(event, arguments):
    global left
    writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if writes or event in {"os.link", "os.rename", "os.remove", "os.mkdir"}:
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(step)
registry.register(workspace, "iris", "dirty")
registry.promote(workspace, "iris@3", "production")
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", range(1, 25))
def test_a_promotion_killed_at_any_step_happened_or_did_not_and_can_be_done_again(story, step: int):
    done = subprocess.run([sys.executable, "-c", KILLED, str(step)], capture_output=True, text=True, check=False)
    assert (done.returncode in {0, -9}, done.stderr) == (True, "")
    workspace = Workspace.find()
    assert standing(workspace) in (
        {1: ARCHIVED, 2: PRODUCTION}, {1: ARCHIVED, 2: PRODUCTION, 3: NONE}, {1: ARCHIVED, 2: ARCHIVED, 3: PRODUCTION},
    )  # fmt: skip
    registry.register(workspace, "iris", "dirty", once=True)
    registry.promote(workspace, "iris@3", "production", once=True)
    assert standing(workspace) == {1: ARCHIVED, 2: ARCHIVED, 3: PRODUCTION}
    assert len(workspace.store.history("iris").heads) == 1
    assert [finding.code for finding in checking.check(workspace).findings] == ["dirty"]


def test_a_run_that_has_not_ended_may_be_registered_and_says_so(record, workspace):
    record(model="weights", status="running")
    assert registry.register(workspace, "iris").version.run.status is RunStatus.RUNNING


def test_a_makefile_that_runs_again_does_not_take_a_version_out_of_production(workspace, record):
    registry.register(workspace, "iris", record(model="one").id)
    registry.promote(workspace, "iris@1", "production")
    again = registry.promote(workspace, "iris@1", "staging", once=True)
    assert (again.made, again.to_stage) == (False, Stage.PRODUCTION)


# Names


@pytest.mark.parametrize("twin", ["Iris", "IRIS", "ﬁg", "ﬀig"])
def test_a_model_is_not_called_as_another_in_other_letters(run, workspace, twin: str):
    registry.register(workspace, "iris", run.id)
    registry.register(workspace, "fig", run.id)
    registry.register(workspace, "ffig", run.id)
    with pytest.raises(InvalidName, match="differ in case or spelling only"):
        registry.register(workspace, twin, run.id)
    assert workspace.store.models() == ["ffig", "fig", "iris"]


def test_a_name_in_unicodes_decomposed_form_is_refused(run, workspace):
    registry.register(workspace, "caf\u00e9", run.id)
    with pytest.raises(InvalidName, match="composed form"):
        registry.register(workspace, "cafe\u0301", run.id)


# What another process is about


STOPPED = """
import os, signal, sys
from mlcli import registry
from mlcli.workspace import Workspace
workspace = Workspace.find()
def step(event, arguments):
    if event == "os.link" and "/versions/" in str(arguments[1]):
        after.append(1)
    elif after and event == "open" and arguments[2] & os.O_CREAT:
        after.clear()
        print("claimed", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
after = []
sys.addaudithook(step)
print(registry.register(workspace, "iris", "dirty").version.ref, flush=True)
"""


def test_a_version_that_is_being_registered_by_another_process_is_promoted_once_that_is_done(story, mlcli):
    other = subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "claimed\n"
    promoting = subprocess.Popen(
        ["mlcli", "promote", "iris@3", "production"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with pytest.raises(subprocess.TimeoutExpired):
        promoting.communicate(timeout=1)
    other.send_signal(signal.SIGCONT)
    told = promoting.communicate()
    assert (other.communicate()[0], other.returncode) == ("iris@3\n", 0)
    assert (promoting.returncode, told[1], told[0].splitlines()[0]) == (
        0, "", "iris@3: None -> Production (archived iris@2)",
    )  # fmt: skip
    assert [finding.code for finding in checking.check(Workspace.find()).findings] == ["dirty"]


def test_a_version_whose_registration_was_killed_half_way_is_told_of_by_the_next_that_asks_for_it(story):
    other = subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    other.stdout.readline()
    other.kill()
    other.communicate()
    workspace = Workspace.find()
    assert "unregistered" in [finding.code for finding in checking.check(workspace).findings]
    assert registry.register(workspace, "iris", "dirty", once=True).made is False
    assert "unregistered" not in [finding.code for finding in checking.check(workspace).findings]


# Long histories


@pytest.mark.slow
def test_ten_thousand_transitions_are_told_checked_and_moved_on(story, workspace, mlcli):
    store = workspace.store
    one, two = store.version("iris", 1), store.version("iris", 2)
    heads = store.history("iris").heads
    template = store.history("iris").events[-1]
    for number in range(5000):
        for version, other in ((one, two), (two, one)):
            event = replace(template, version=version.digest, archived=[other.digest], parents=heads, why=str(number))
            heads = [store.add_event(event).digest]
    # The file of the stage still names the event of before.
    assert mlcli("doctor", "--fix").returncode == 0
    assert mlcli("show", "iris@production").stdout.startswith("iris@2  Production")
    assert len(mlcli("history", "iris").stdout.splitlines()) == 10_004
    assert mlcli("rollback", "iris").stdout.startswith("iris@1: Archived -> Production (archived iris@2)")
    assert (mlcli("check").returncode, mlcli("check").stderr) == (0, "")


def test_a_command_that_is_a_gate_may_write_to_the_history_and_is_run_once(story, repo: Path, mlcli):
    (repo / "mlcli.toml").write_text(
        "[stages.staging]\nrequire = [\"command: echo ran >> ../ran && mlcli note $MLCLI_REF 'tried'\"]\n"
    )
    done = mlcli("promote", "iris@1", "staging")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "iris@1: Archived -> Staging, 1 gate passed\n")
    assert (repo / "../ran").read_text() == "ran\n"
    assert "note       tried" in mlcli("show", "iris@staging").stdout
