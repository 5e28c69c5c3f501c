"""What a run is made from: known by content, kept where asked, found again from the file."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from contract import faults_of

from mlcli import capture, doctor, inputs, lookup, tracking, trash
from mlcli.domain.run import Artifact, Input

TOUCH = ["--", "touch", "started"]


@pytest.fixture(autouse=True)
def quick_disk(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: durability has tests of its own."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")


@pytest.fixture
def data(repo: Path) -> Path:
    """A directory of data in the repository."""
    files = {"train.csv": "1,2\n", "test.csv": "3,4\n", "more/a b.csv": "5\n"}
    for name, content in files.items():
        (repo / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / "data" / name).write_text(content)
    return repo / "data"


def digest(content: str) -> str:
    return f"sha256:{sha256(content.encode()).hexdigest()}"


def told(mlcli, ref: str = "@") -> list[tuple[str, int, str, bool]]:
    run = json.loads(mlcli("show", ref, "--json").stdout)["run"]
    return [(each["path"], each["size"], each["digest"], each["kept"]) for each in run["inputs"]]


def as_artifact(each: Input) -> Artifact:
    return Artifact(path=each.path, size=each.size, digest=each.digest)


# Recording


def test_each_input_is_recorded_with_size_and_digest_a_directory_by_its_files_in_order(data, mlcli):
    done = mlcli("run", "--input", "data", "--input", "train.py", "--input", "data/train.csv", "--", "true")
    assert (done.returncode, " · 4 inputs" in done.stderr.splitlines()[0]) == (0, True)
    assert told(mlcli) == [
        ("data/more/a b.csv", 2, digest("5\n"), False),
        ("data/test.csv", 4, digest("3,4\n"), False),
        ("data/train.csv", 4, digest("1,2\n"), False),
        ("train.py", 17, digest("print('trained')\n"), False),
    ]


def test_a_path_is_taken_from_where_the_command_starts_and_told_from_the_top_of_the_workspace(data, mlcli, machine):
    outside = machine / "shared.csv"
    outside.write_text("9\n")
    mlcli("run", "--input", "train.csv", "--input", "../train.py", "--input", str(outside), "--", "true", at=data)
    assert [path for path, *_ in told(mlcli)] == ["data/train.csv", "train.py", str(outside)]


def test_a_workspace_reached_by_a_link_is_still_the_workspace(data, mlcli, machine):
    (machine / "other").symlink_to(data.parent)
    mlcli("run", "--input", str(machine / "other" / "data" / "train.csv"), "--", "true")
    assert [path for path, *_ in told(mlcli)] == ["data/train.csv"]


def test_a_link_to_data_elsewhere_is_followed_and_the_repositorys_own_files_are_not_data(data, mlcli, machine, repo):
    (machine / "elsewhere").mkdir()
    (machine / "elsewhere" / "big.csv").write_text("big")
    (data / "linked").symlink_to(machine / "elsewhere")
    (data / "one.csv").symlink_to("train.csv")
    mlcli("run", "--", "true")
    mlcli("run", "--input", ".", "--", "true")
    assert [path for path, *_ in told(mlcli)] == [
        "data/linked/big.csv", "data/more/a b.csv", "data/one.csv", "data/test.csv", "data/train.csv", "train.py",
    ]  # fmt: skip


def test_an_input_is_what_it_was_before_the_command_which_is_told_where_it_changed(data, mlcli):
    done = mlcli(
        "run", "--input", "data", "--", "sh", "-c",
        "printf 'x,y\n' > data/train.csv; rm data/test.csv; cp -p 'data/more/a b.csv' c; mv c 'data/more/a b.csv'",
    )  # fmt: skip
    assert [line for line in done.stderr.splitlines() if "warning" in line] == [
        "mlcli: warning: input 'data/test.csv' was there when the command started, and cannot be read any more",
        "mlcli: warning: input 'data/train.csv' changed while the command ran: what is recorded is how it was before",
    ]
    assert (done.returncode, told(mlcli)[2][2]) == (0, digest("1,2\n"))


def test_of_many_inputs_that_changed_five_are_told(data, mlcli):
    for number in range(7):
        (data / f"{number}.csv").write_text("")
    done = mlcli("run", "--input", "data", "--", "sh", "-c", "for f in data/*.csv; do echo >> $f; done")
    warnings = [line for line in done.stderr.splitlines() if "warning" in line]
    assert (len(warnings), warnings[-1]) == (6, "mlcli: warning: 4 more inputs are not as they were")


# What cannot be an input


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing.csv", "mlcli: error: --input 'nothing.csv': no such file or directory"),
        ("train.py/x", "mlcli: error: --input 'train.py/x': no such file or directory"),
        ("broken", "mlcli: error: --input 'broken': no such file or directory"),
        ("/dev/null", "mlcli: error: --input '/dev/null' is not a regular file"),
        ("pipe", "mlcli: error: --input 'pipe' is not a regular file"),
        ("empty", "mlcli: error: --input 'empty': no file lies in this directory"),
        ("round", "mlcli: error: --input 'round/again' is a link to a directory that holds it"),
        (os.fsdecode(b"\xff.csv"), r"mlcli: error: --input '\udcff.csv': its name is not valid UTF-8"),
    ],
)
def test_what_cannot_be_an_input_stops_everything_before_it_starts(repo, mlcli, path: str, message: str):
    for name in ("empty", "round"):
        (repo / name).mkdir()
    (repo / "broken").symlink_to("nowhere")
    (repo / "round" / "again").symlink_to(".")
    (repo / os.fsdecode(b"\xff.csv")).write_text("")
    os.mkfifo(repo / "pipe")
    done = mlcli("run", "--input", path, *TOUCH)
    error, hint = done.stderr.splitlines()
    assert (done.returncode, done.stdout, error, hint[:6]) == (125, "", message, "hint: ")
    assert [(repo / name).exists() for name in ("started", ".mlruns")] == [False, False]


def test_a_file_that_may_not_be_read_is_told(data, mlcli, repo):
    if os.geteuid() == 0:
        pytest.skip("root may read anything")
    (data / "train.csv").chmod(0)
    done = mlcli("run", "--input", "data", *TOUCH)
    assert done.stderr.splitlines()[0] == "mlcli: error: --input 'data/train.csv': it may not be read by this user"
    assert (done.returncode, (repo / "started").exists()) == (125, False)


def test_a_file_whose_content_the_system_refuses_is_told(repo, mlcli):
    done = mlcli("run", "--input", "/proc/self/mem", *TOUCH)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        125, "mlcli: error: --input '/proc/self/mem': Input/output error",
    )  # fmt: skip
    assert not (repo / "started").exists()


def test_more_than_ten_thousand_files_are_too_many(data, workspace, mlcli):
    for number in range(inputs.MAX_FILES - 3):
        (data / str(number)).touch()
    assert len(inputs.found(workspace, ["data"], cwd=workspace.root)) == 10_000
    done = mlcli("run", "--input", "data", "--input", "train.py", *TOUCH)
    assert (done.returncode, done.stderr.splitlines()) == (
        125,
        [
            "mlcli: error: --input 'train.py': more than 10,000 files",
            "hint: name fewer: the files that the command reads, or one archive of them",
        ],
    )


def test_to_keep_no_input_is_a_misuse(repo, mlcli):
    done = mlcli("run", "--keep-inputs", *TOUCH)
    assert (done.returncode, done.stderr.splitlines(), (repo / "started").exists()) == (
        2,
        ["mlcli: error: --keep-inputs: there is no input to keep", "hint: name each with --input PATH"],
        False,
    )


# Keeping


@pytest.fixture
def kept(data, workspace, mlcli):
    """A run whose inputs were kept, and then changed."""
    mlcli("run", "--name", "kept", "--input", "data", "--keep-inputs", "--", "true")
    (data / "train.csv").write_text("changed\n")
    return tracking.find_runs(workspace).runs[0]


def test_what_is_kept_is_a_copy(kept, workspace, data):
    paths = [Path(workspace.store.content_path(as_artifact(each))) for each in kept.inputs]
    assert [path.read_text() for path in paths] == ["5\n", "3,4\n", "1,2\n"]
    assert [each.kept for each in kept.inputs] == [True, True, True]
    assert {path.stat().st_nlink for path in data.rglob("*.csv")} == {1}


def test_what_there_is_no_room_to_keep_is_told_and_the_command_is_not_started(repo, mlcli):
    with open(repo / "sparse.bin", "wb") as file:
        file.truncate(2**43)
    done = mlcli("run", "--input", "sparse.bin", "--keep-inputs", *TOUCH)
    assert done.stderr.startswith(f"mlcli: error: --input 'sparse.bin' has {2**43} bytes, and there is room for ")
    assert (done.returncode, (repo / "started").exists()) == (125, False)


def test_inputs_are_kept_also_where_a_file_system_has_no_locks(data, workspace, monkeypatch):
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    source = capture.collect(["true"], root=workspace.root, cwd=workspace.root, environ={}, at=workspace.now())
    files = inputs.found(workspace, ["data/train.csv"], cwd=workspace.root)
    with inputs.taken(workspace, files, keep=True) as taken:
        run = tracking.begin(workspace, source, tracking.Given(inputs=[each.input for each in taken]))
    assert workspace.store.has_content(as_artifact(run.inputs[0]))
    with workspace.store.adding_content():
        pass


def test_gc_keeps_what_was_kept_as_long_as_its_run_stands(kept, workspace):
    assert trash.collect(workspace, older_than=timedelta(0)).objects == 0
    assert all(workspace.store.has_content(as_artifact(each)) for each in kept.inputs)
    trash.remove(workspace, [kept.id])
    assert trash.collect(workspace, older_than=timedelta(0)).objects == 3


def test_doctor_tells_of_a_kept_input_whose_content_is_gone_and_brings_it_back_from_the_trash(kept, workspace):
    where = Path(workspace.store.content_path(as_artifact(kept.inputs[0])))
    (Path(workspace.store.root) / "trash" / "objects").mkdir(parents=True)
    away = where.rename(Path(workspace.store.root) / "trash" / "objects" / where.name)
    [problem] = doctor.examined(workspace).problems
    assert (problem.code, problem.mendable, problem.message) == (
        "object-missing", True, f"the content of input data/more/a b.csv of run {kept.id[:8]} is missing",
    )  # fmt: skip
    assert doctor.examined(workspace, fix=True).problems == []
    where.rename(away)
    away.unlink()
    assert [problem.mendable for problem in doctor.examined(workspace).problems] == [False]


def test_an_input_that_was_not_kept_is_no_fault_where_it_is_gone(data, workspace, mlcli):
    mlcli("run", "--input", "data", "--", "true")
    (data / "train.csv").unlink()
    assert doctor.examined(workspace).problems == []


# Finding


def test_an_input_leads_to_the_runs_and_versions_that_were_made_from_it(data, workspace, mlcli):
    mlcli("run", "--name", "made", "--input", "data", "--", "mlcli", "log", "artifact", "train.py")
    mlcli("run", "--name", "other", "--", "true")
    mlcli("register", "hello", "made:train.py")
    found = lookup.find_any(workspace, "data/train.csv")
    assert ([run.name for run in found.runs], [version.ref for version in found.versions]) == (["made"], ["hello@1"])
    assert lookup.find_any(workspace, digest("1,2\n")) == found


def test_show_and_lineage_tell_of_inputs(data, mlcli):
    for number in range(9):
        (data / f"z{number}.csv").write_text(str(number))
    mlcli("run", "--name", "many", "--input", "data", "--keep-inputs", "--", "true")
    shown = mlcli("show", "many").stdout.splitlines()
    at = next(at for at, line in enumerate(shown) if "inputs" in line)
    assert shown[at] == f"  inputs     data/more/a b.csv 2 B {digest('5' + chr(10))[:19]}, kept"
    assert shown[at + 9 : at + 11] == [
        f"             data/z6.csv 1 B {digest('6')[:19]}, kept",
        "             … and 2 more",
    ]
    drawn = mlcli("lineage", "many").stdout.splitlines()
    assert drawn[-13:-11] == ["└─ inputs", f"   ├─ data/more/a b.csv  2 B  {digest('5' + chr(10))}  kept"]


def test_an_odd_name_is_shown_as_what_it_is(repo, mlcli):
    (repo / "a\x1b[31m\n.csv").write_text("x")
    mlcli("run", "--input", "a\x1b[31m\n.csv", "--", "true")
    assert r"inputs     a\x1b[31m\n.csv 1 B" in mlcli("show", "@").stdout
    assert r"└─ a\x1b[31m\n.csv  1 B" in mlcli("lineage", "@").stdout


def test_an_answer_with_inputs_is_what_its_schema_says(kept, mlcli):
    for ref in (["show", "kept"], ["lineage", "kept"], ["show", kept.inputs[0].digest], ["ls"]):
        assert faults_of(json.loads(mlcli(*ref, "--json").stdout)) == []
