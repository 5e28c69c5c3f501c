"""Files to keep, and the store's own: no name leads out of the store, no link is followed, the user's files stay as they are."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from asking import VICTIM, refused, row, state

from mlcli import tracking
from mlcli.errors import MlcliError
from mlcli.workspace import Workspace

RELATIVE = "it must be relative, with '/' between its parts"
DESTINATIONS = [
    ("A01", "../x", "it holds the part '..'"),
    ("A01", "a/../../x", "it holds the part '..'"),
    ("A01", "/etc/passwd", RELATIVE),
    ("A01", "~/x", RELATIVE),
    ("A02", "a/./b", "it holds the part '.'"),
    ("A02", "a//b", "it holds the part ''"),
    ("A02", ".", "it holds the part '.'"),
    ("A02", "", RELATIVE),
    ("A02", "a/", "it holds the part ''"),
    ("A03", "..\\x", RELATIVE),
    ("A03", "C:\\x", RELATIVE),
    ("A03", "C:x", RELATIVE),
    ("A03", "\\\\host\\x", RELATIVE),
    ("A04", "con", "the part 'con' cannot be kept on every system"),
    ("A04", "NUL.txt", "the part 'NUL.txt' cannot be kept on every system"),
    ("A04", "x.", "the part 'x.' cannot be kept on every system"),
    ("A04", "x ", "the part 'x ' cannot be kept on every system"),
    ("A05", "x" * 300, "a part of it has more than 200 bytes"),
    ("A05", "/".join(["x" * 99] * 50), "at most 1000 bytes fit"),
    ("control", "a\nb", "it holds a control character"),
    ("surrogate", "a\udcff", "is not valid Unicode text"),
]


@pytest.mark.parametrize(("path", "why"), [each[1:] for each in DESTINATIONS], ids=[each[0] for each in DESTINATIONS])
def test_a_path_that_is_not_one_place_on_every_system_is_refused(
    project: Path, cli, machine, monkeypatch, path: str, why: str
) -> None:
    import mlcli

    (project / "f").write_text("x")
    workspace = Workspace(str(project))
    monkeypatch.setenv("MLCLI_RUN_ID", VICTIM)
    monkeypatch.setenv("MLCLI_STORE", str(project / ".mlruns"))
    before = state(machine)

    for log in (
        lambda: tracking.log_artifact(workspace, VICTIM, "f", path),
        lambda: mlcli.log_text("x", path, run_id=VICTIM),
    ):
        with pytest.raises(MlcliError) as caught:
            log()
        assert (why in caught.value.message, caught.value.exit_code) == (True, 2)
    if "\udcff" not in path:
        done = cli("log", "artifact", "f", "--to", path)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
        assert done.stderr.startswith("mlcli: error: ")
    if path:
        with pytest.raises(MlcliError):
            mlcli.log_artifact("f", path, run_id=VICTIM)
    assert state(machine) == before


@row("A08")
def test_a_second_name_that_differs_in_case_only_is_refused(project: Path, cli, row: str) -> None:
    (project / "Model.bin").write_text("one")
    (project / "model.bin").write_text("two")
    (project / "both").mkdir()
    (project / "both" / "X").write_text("three")
    (project / "both" / "x").write_text("four")
    assert cli("log", "artifact", "Model.bin", "--run", VICTIM).returncode == 0
    before = state(project / ".mlruns")
    refused(
        cli("log", "artifact", "model.bin", "--run", VICTIM), 2, "'model.bin' and 'Model.bin' differ in case only", None
    )
    refused(cli("log", "artifact", "both", "--run", VICTIM), 2, "'both/x' and 'both/X' differ in case only", None)
    assert state(project / ".mlruns") == before


@row("A08-file-and-directory")
def test_a_file_does_not_take_a_directorys_place_nor_a_directory_a_files(project: Path, cli, row: str) -> None:
    (project / "a").mkdir()
    (project / "a" / "b").write_text("x")
    assert cli("log", "artifact", "a", "--run", VICTIM).returncode == 0
    (project / "b").mkdir()
    (project / "b" / "c").write_text("x")
    before = state(project / ".mlruns")
    done = cli("log", "artifact", "b", "--to", "a", "--run", VICTIM)
    refused(done, 2, "'a/b/c' cannot be kept: 'a/b' is a file of this run", None)
    (project / "a" / "b").unlink()
    (project / "a").rmdir()
    (project / "a").write_text("x")
    refused(cli("log", "artifact", "a", "--run", VICTIM), 2, "'a' cannot be kept: 'a' is a directory of this run", None)
    assert state(project / ".mlruns") == before


@pytest.mark.parametrize(
    "name",
    ["-rf", "$(touch PWN)", ";touch PWN", "%s%n", "`touch PWN`", "--help", "a b'\"c", "[red]x[z]"],
    ids=lambda name: f"A10 {name}",
)
def test_a_name_that_a_shell_would_obey_is_a_name(project: Path, cli, name: str) -> None:
    (project / name).write_text("x")
    assert cli("log", "artifact", "--run", VICTIM, "--", name).returncode == 0
    run = json.loads(cli("show", "victim", "--json").stdout)["run"]
    assert name in [artifact["path"] for artifact in run["artifacts"]]
    assert name in cli("show", "victim").stdout
    assert cli("register", "odd", f"victim:{name}").returncode == 0
    assert (cli("check", "odd").returncode, cli("doctor").returncode) == (0, 0)
    assert list(project.rglob("PWN")) == []


# What is logged


def linked_out(directory: Path) -> None:
    (directory / "passwd").symlink_to("/etc/passwd")


def linked_directory(directory: Path) -> None:
    (directory / "etc").symlink_to("/etc")


def linked_above(directory: Path) -> None:
    (directory / "up").symlink_to("..")


def linked_in_a_circle(directory: Path) -> None:
    (directory / "a").symlink_to("b")
    (directory / "b").symlink_to("a")


def linked_to_itself(directory: Path) -> None:
    (directory / "here").symlink_to(".")


def chained(directory: Path) -> None:
    (directory / "0").write_text("x")
    for number in range(60):
        (directory / str(number + 1)).symlink_to(str(number))


def piped(directory: Path) -> None:
    os.mkfifo(directory / "fifo")


def deep(directory: Path) -> None:
    below = directory
    for _ in range(1500):
        below = below / "d"
    subprocess.run(["mkdir", "-p", str(below)], check=True)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        pytest.param(linked_out, "is a link out of the directory", id="A11"),
        pytest.param(linked_directory, "is a link out of the directory", id="A11-directory"),
        pytest.param(linked_above, "is a link out of the directory", id="A11-above"),
        pytest.param(linked_in_a_circle, "cannot read", id="A12"),
        pytest.param(linked_to_itself, "is a link to a directory", id="A12-itself"),
        pytest.param(chained, "cannot read", id="A12-chain"),
        pytest.param(piped, "is not a regular file", id="A14-pipe"),
        pytest.param(deep, "at most 1000 bytes fit", id="A05-deep"),
    ],
)
def test_a_directory_that_leads_elsewhere_is_refused_whole(project: Path, cli, make, told: str) -> None:
    (project / "plots").mkdir()
    (project / "plots" / "0.txt").write_text("fine")
    make(project / "plots")
    before = state(project / ".mlruns")

    done = cli("log", "artifact", "plots", "--run", VICTIM)
    subprocess.run(["rm", "-rf", "plots"], check=True)  # what lies so deep, pytest does not remove

    assert (done.returncode, done.stdout, told in done.stderr) == (2, "", True)
    assert len(done.stderr.splitlines()) <= 2
    assert state(project / ".mlruns") == before
    assert b"root:" not in b"".join(
        path.read_bytes() for path in (project / ".mlruns" / "objects").rglob("*") if path.is_file()
    )


@row("A11-inside")
def test_a_link_that_stays_inside_is_kept_as_what_it_leads_to(project: Path, cli, row: str) -> None:
    (project / "plots").mkdir()
    (project / "plots" / "one").write_text("fine")
    (project / "plots" / "two").symlink_to("one")
    assert cli("log", "artifact", "plots", "--run", VICTIM).returncode == 0
    kept = project / ".mlruns" / "runs" / VICTIM[:2] / VICTIM / "artifacts" / "plots" / "two"
    assert (kept.read_text(), kept.is_symlink()) == ("fine", False)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        pytest.param("/dev/zero", "'/dev/zero' is not a regular file", id="A14"),
        pytest.param("/dev/null", "'/dev/null' is not a regular file", id="A14-null"),
        pytest.param("/proc/self/fd", None, id="A14-proc"),
        pytest.param("huge", "'huge' has 8796093022208 bytes, and there is room for", id="A14-kcore"),
    ],
)
def test_what_has_no_end_is_refused(project: Path, cli, path: str, told: str | None) -> None:
    if path == "huge":  # as /proc/kcore, a regular file of many terabytes
        with open("huge", "wb") as file:
            try:
                file.truncate(2**43)
            except OSError:
                pytest.skip("the file system has no files of that size")
    before = state(project / ".mlruns")
    done = cli("log", "artifact", path, "--run", VICTIM)
    assert (done.returncode in {2, 3}, done.stdout, len(done.stderr.splitlines()) <= 2) == (True, "", True)
    assert (told or "mlcli: error: ") in done.stderr
    assert state(project / ".mlruns") == before


@row("A16")
def test_a_file_that_may_not_be_read_is_refused_and_the_run_goes_on(bound, cli, row: str) -> None:
    where, run = bound
    (where / "secret").write_text("x")
    (where / "secret").chmod(0)
    done = run("mlcli", "run", "--name", "goes-on", "--", "sh", "-c", "mlcli log artifact secret; mlcli log metric a=1")
    assert (done.returncode, "mlcli: error: cannot read 'secret': permission denied" in done.stderr) == (0, True)
    told = json.loads(run("mlcli", "show", "goes-on", "--json").stdout)["run"]
    assert (told["status"], told["metrics"]["a"]["last"], told["artifacts"]) == ("finished", 1.0, [])


@row("A18")
def test_the_users_file_is_only_read_and_may_change_afterwards(project: Path, cli, row: str) -> None:
    source = project / "weights.bin"
    source.write_text("before")
    source.chmod(0o640)
    os.utime(source, ns=(1_000_000_000, 1_000_000_000))
    before = source.stat()
    assert cli("log", "artifact", "weights.bin", "--run", VICTIM).returncode == 0
    after = source.stat()
    same = [
        (before.st_ino, after.st_ino),
        (before.st_mode, after.st_mode),
        (before.st_mtime_ns, after.st_mtime_ns),
        (before.st_nlink, after.st_nlink),
        (before.st_ctime_ns, after.st_ctime_ns),
    ]
    assert [one == other for one, other in same] == [True] * 5
    with source.open("r+") as file:
        file.write("AFTER!")
    assert (cli("doctor").returncode, cli("register", "weights", "victim:weights.bin").returncode) == (0, 0)
    digest = json.loads(cli("show", "victim", "--json").stdout)["run"]["artifacts"][-1]["digest"].partition(":")[2]
    kept = project / ".mlruns" / "objects" / digest[:2] / digest
    assert (kept.read_text(), stat.S_IMODE(kept.stat().st_mode)) == ("before", 0o444)


@row("A22")
def test_a_model_whose_file_was_altered_is_not_loaded(project: Path, cli, row: str) -> None:
    program = """
import mlcli, os
class Evil:
    def __reduce__(self):
        return (os.mkdir, ("PWN",))
with mlcli.start_run(run_name="made"):
    mlcli.log_model({"weights": [1, 2, 3]}, "model", registered_model_name="m")
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    load = "import mlcli; print(mlcli.load_model('models:/m/1'))"
    done = subprocess.run([sys.executable, "-c", load], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "{'weights': [1, 2, 3]}\n")
    run = json.loads(cli("show", "made", "--json").stdout)["run"]
    digest = next(a["digest"] for a in run["artifacts"] if a["path"].endswith(".joblib")).partition(":")[2]
    path = project / ".mlruns" / "objects" / digest[:2] / digest
    path.chmod(0o644)
    import pickle

    class Evil:
        def __reduce__(self):
            return (os.mkdir, ("PWN",))

    path.write_bytes(pickle.dumps(Evil()))
    for how in (
        "mlcli.load_model('models:/m/1')",
        "mlcli.sklearn.load_model('models:/m/1')",
        f"mlcli.load_model('runs:/{run['id']}/model')",
    ):
        done = subprocess.run(
            [sys.executable, "-c", f"import mlcli; {how}"], capture_output=True, text=True, check=False
        )
        assert (
            done.returncode,
            done.stdout,
            "mlcli.errors.Corrupt: 'model/model.joblib' was altered" in done.stderr,
        ) == (1, "", True)
    assert not (project / "PWN").exists()
    assert (cli("doctor").returncode, cli("check").returncode) == (1, 1)


# Links where the store's own files should be


@row("A23")
def test_a_store_that_is_a_link_is_refused(repo: Path, cli, machine, row: str) -> None:
    (machine / "elsewhere").mkdir()
    (repo / ".mlruns").symlink_to(machine / "elsewhere")
    told = f"{repo}/.mlruns is a symbolic link, and mlcli follows no link into a store"
    for arguments in (["ls"], ["doctor"], ["init"], ["show", "@"]):
        refused(cli(*arguments), 3, told, None)
    refused(cli("run", "--", "touch", "started"), 125, told, None)
    assert (list((machine / "elsewhere").iterdir()), (repo / "started").exists()) == ([], False)


@row("A27")
def test_a_store_that_is_a_file_is_refused(repo: Path, cli, row: str) -> None:
    (repo / ".mlruns").write_text("mine")
    told, hint = f"{repo}/.mlruns is a file, not a store", "move it away, then run the command again"
    for arguments in (["ls"], ["doctor"], ["show", "@"]):
        refused(cli(*arguments), 3, told, hint)
    refused(cli("run", "--", "touch", "started"), 125, told, hint)
    assert ((repo / ".mlruns").read_text(), (repo / "started").exists()) == ("mine", False)


CHANGES = [
    ("tag", VICTIM, "a=b"), ("log", "metric", "a=1", "--run", VICTIM), ("log", "artifact", "f", "--run", VICTIM),
    ("register", "wine", "second"), ("promote", "iris@1", "staging"), ("run", "--", "true"),
    ("rm", "broken"), ("restore", "broken"), ("rm", VICTIM), ("restore", VICTIM), ("gc", "--older-than", "0"), ("doctor", "--fix"),
    ("ls",), ("models",), ("check",),
]  # fmt: skip
X = sha256(b"x").hexdigest()
PLANTED = [
    "runs", "runs/3b", f"runs/3b/{VICTIM}", f"runs/3b/{VICTIM}/artifacts", f"runs/3b/{VICTIM}.json",
    f"runs/3b/{VICTIM}/metrics.jsonl", f"runs/3b/{VICTIM}/artifacts/notes.txt", f"runs/3b/{VICTIM}/output.log", "objects", f"objects/{X[:2]}", f"objects/{X[:2]}/{X}", "models", "models/iris",
    "models/iris/versions", "models/iris/versions/1.json", "models/iris/versions/3.json", "models/iris/events", "models/iris/stages",
    "models/iris/stages/staging.json", "models/iris/stages/production.json", "models/wine/versions/2.json",
    "trash", "trash/runs", "trash/objects", "trash/models", ".cache", ".cache/tmp", ".cache/locks", f".cache/locks/run-{VICTIM}.lock",
    ".cache/locks/content.lock", ".cache/locks/model-iris.lock", ".cache/index.sqlite", ".gitignore", "store.json",
]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    PLANTED,
    ids=lambda name: (
        f"{ {'runs/3b/' + VICTIM + '/metrics.jsonl': 'A24 ', '.cache/tmp': 'A25 '}.get(name, '') }{name.replace(VICTIM, 'RUN')}"
    ),
)
def test_a_link_that_stands_for_a_part_of_the_store_leads_no_write_out(project: Path, cli, machine, name: str) -> None:
    """Once to a copy of what stood there, so that all would go well, and once to nothing."""
    (project / "f").write_text("x")
    outside = machine / "outside"
    path = project / ".mlruns" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(path):
        subprocess.run(["cp", "-a", str(path), str(outside)], check=True)
        subprocess.run(["rm", "-rf", str(path)], check=True)
    elif name.startswith("trash") or path.suffix == "":
        outside.mkdir()
    else:
        outside.write_text("mine")
    path.symlink_to(outside)
    before = state(machine / "outside") if outside.is_dir() else outside.read_bytes()

    answers = {arguments: cli(*arguments) for arguments in CHANGES}

    assert (state(outside) if outside.is_dir() else outside.read_bytes()) == before
    faulty = {
        arguments: done
        for arguments, done in answers.items()
        if "Traceback" in done.stderr or done.returncode in {4, 99}
    }
    assert faulty == {}


@pytest.mark.parametrize(
    "name",
    [
        "runs",
        "runs/3b",
        f"runs/3b/{VICTIM}",
        "objects",
        "models",
        "models/iris",
        "models/iris/versions",
        "trash",
        ".cache",
        ".cache/tmp",
    ],
)
def test_a_link_that_stands_for_a_directory_is_told_by_doctor(project: Path, cli, machine, name: str) -> None:
    path, outside = project / ".mlruns" / name, machine / "outside"
    if path.exists():
        path.rename(outside)
    else:
        outside.mkdir()
        path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(outside)
    done = cli("doctor")
    assert (done.returncode, f"link  {name}: it is a symbolic link" in done.stdout) == (1, True)


# A great many


@pytest.mark.slow
@row("10,000")
def test_ten_thousand_artifacts_cost_ten_times_what_a_thousand_do(project: Path, machine, row: str) -> None:
    count = """
import sys
from mlcli import checking, lineage, registry, tracking
from mlcli.domain.run import Model
from mlcli.lookup import find_any
from mlcli.workspace import Workspace
import mlcli.doctor, mlcli.capture as capture
import os

where, files = sys.argv[1], sys.argv[2]
workspace = Workspace(where)
source = capture.collect(["x"], root=where, cwd=where, environ=os.environ, at=workspace.now())
run = tracking.begin(workspace, source)
calls = 0

def counted(frame, event, argument):
    global calls
    calls += 1

def cost(what):
    global calls
    calls = 0
    sys.setprofile(counted)
    try:
        what()
    finally:
        sys.setprofile(None)
    return calls

described = Model(path="model", flavor="joblib", python_class="x", digest="", file="x")
print(
    cost(lambda: tracking.log_artifact(workspace, run.id, files, "plots")),
    cost(lambda: tracking.log_model(workspace, run.id, files, described)),
    cost(lambda: tracking.log_artifact(workspace, run.id, files + "/0", "one")),
    cost(lambda: tracking.finish(workspace, run.id, "finished")),
    cost(lambda: registry.register(workspace, "many" + sys.argv[3], run.id)),
    cost(lambda: find_any(workspace, run.id)),
    cost(lambda: lineage.trace(workspace, run.id)),
    cost(lambda: checking.check(workspace)),
    cost(lambda: mlcli.doctor.examined(workspace)),
)
"""
    costs = []
    for number in (1_000, 10_000):
        where, files = machine / f"work-{number}", machine / f"files-{number}"
        where.mkdir()
        files.mkdir()
        for each in range(number):
            (files / str(each)).write_text(str(each))
        done = subprocess.run(
            [sys.executable, "-c", count, str(where), str(files), str(number)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        costs.append([int(calls) for calls in done.stdout.split()])
    names = ["log", "model", "one", "finish", "register", "find", "trace", "check", "doctor"]
    ratios = {name: many / few for name, few, many in zip(names, *costs, strict=True)}
    assert {name: ratio for name, ratio in ratios.items() if ratio > 12} == {}
