"""mlcli run --cached and --why: a command that would do the same again is not run, and one that would not is told why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TRAIN = """\
import sys
from helper import mean

with open("data.csv") as file:
    rows = [float(line) for line in file]
with open("model.txt", "w") as file:
    file.write(f"{mean(rows)} {sys.argv[1:]}\\n")
print("trained")
"""
HELPER = "def mean(rows):\n    return sum(rows) / len(rows)\n"
COMMAND = ("python", "train.py")
Cached = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def project(repo: Path, git) -> Path:
    """A script with a module and a file of data, committed; what it makes is ignored."""
    (repo / "train.py").write_text(TRAIN)
    (repo / "helper.py").write_text(HELPER)
    (repo / "data.csv").write_text("1\n2\n")
    (repo / ".gitignore").write_text("model.txt\n__pycache__/\n.venv/\n")
    git("add", "-A")
    git("commit", "-qm", "A mean")
    return repo


@pytest.fixture
def cached(project: Path, mlcli) -> Cached:
    """Run the command unless it would do the same: cached("--env", "SEED"), cached(command=(...))."""

    def run(*options: str, command: tuple[str, ...] = COMMAND, **more):
        return mlcli("run", "--cached", *options, "--", *command, **more)

    return run


def has_run(done: subprocess.CompletedProcess[str]) -> bool:
    assert done.returncode == 0, done.stderr
    return done.stdout == "trained\n"


def runs(mlcli) -> list[str]:
    return mlcli("ls", "-q").stdout.split()


def test_a_command_runs_once_and_then_its_run_stands_for_it(project, cached, mlcli) -> None:
    first = cached()
    assert has_run(first)
    assert first.stderr.startswith("mlcli running: it was not run before\n")
    for count in (1, 2):
        again = cached("--idfile", "id")
        (run_id,) = runs(mlcli)
        assert (again.returncode, again.stdout) == (0, "")
        assert again.stderr.startswith(f"mlcli cached run {run_id[:8]} ")
        assert "unchanged, made" in again.stderr
        assert Path("id").read_text() == f"{run_id}\n"
        assert json.loads(mlcli("show", run_id, "--json").stdout)["run"]["reuse"]["count"] == count


def write(name: str, text: str) -> Callable[[], object]:
    return lambda: Path(name).write_text(text)


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        (write("train.py", TRAIN + "# a comment\n"), "code", "train.py changed"),
        (write("helper.py", HELPER.replace("sum", "max")), "code", "helper.py changed"),
        (lambda: os.unlink("helper.py"), "code", "helper.py is gone"),
        (write("data.csv", "1\n2\n3\n"), "inputs", "data.csv changed"),
        (lambda: os.unlink("data.csv"), "inputs", "data.csv is gone"),
        (lambda: os.environ.update(OMP_NUM_THREADS="3"), "variables", "OMP_NUM_THREADS 3 is new"),
        (lambda: os.environ.update(TZ="Asia/Tokyo"), "variables", "TZ UTC -> Asia/Tokyo"),
    ],
)
def test_what_changed_is_told_and_the_command_runs(
    project, cached, mlcli, monkeypatch, change, kind: str, told: str
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("TZ", "UTC")
    cached()
    change()
    why = mlcli("run", "--why", "--", *COMMAND)
    assert (why.returncode, why.stdout) == (1, f"{kind:<11}  {told}\n")
    assert len(runs(mlcli)) == 1
    assert f"mlcli running: {told}\n" in cached().stderr
    assert len(runs(mlcli)) == 2


def test_all_that_changed_is_told_and_the_line_of_a_run_names_three(project, cached, mlcli) -> None:
    cached("-p", "depth=3")
    (project / "train.py").write_text(TRAIN + "\n")
    (project / "helper.py").write_text(HELPER + "\n")
    (project / "data.csv").write_text("5\n")
    why = mlcli("run", "--why", "-p", "depth=4", "--", *COMMAND)
    assert [line.split(None, 1)[1] for line in why.stdout.splitlines()] == [
        "depth 3 -> 4", "helper.py changed", "train.py changed", "data.csv changed",
    ]  # fmt: skip
    assert "running: depth 3 -> 4, helper.py changed, train.py changed and 1 more\n" in cached("-p", "depth=4").stderr


def test_what_does_not_matter_is_no_change(project, cached, mlcli, git) -> None:
    cached()
    later = (project / "data.csv").stat().st_mtime + 100
    for name in ("data.csv", "train.py", "model.txt"):
        os.utime(project / name, (later, later))
    (project / "other.py").write_text("unrelated = True\n")
    git("add", "-A")
    git("commit", "-qm", "Something else")
    again = cached(env={"GITHUB_RUN_ID": "77", "CI": "true", "UNRELATED": "1"})
    assert not has_run(again)
    assert mlcli("run", "--why", "--", *COMMAND).stdout == "unchanged\n"
    assert mlcli("run", "--why", "--", *COMMAND).returncode == 0


def test_going_back_meets_the_older_run_and_its_outputs(project, cached, mlcli) -> None:
    cached()
    (first,) = runs(mlcli)
    (project / "data.csv").write_text("10\n")
    assert has_run(cached())
    assert (project / "model.txt").read_text().startswith("10.0")
    (project / "data.csv").write_text("1\n2\n")
    back = cached()
    assert not has_run(back)
    assert f"cached run {first[:8]}" in back.stderr
    assert "1 output put back" in back.stderr
    assert (project / "model.txt").read_text().startswith("1.5")


@pytest.mark.parametrize(
    "other",
    [
        {"command": ("python", "train.py", "more")},
        {"command": ("python", "../train.py"), "at": Path("below")},
    ],
)
def test_another_command_or_directory_is_another_thing(project, cached, other) -> None:
    cached()
    (project / "below").mkdir()
    for name in ("data.csv", "helper.py"):
        (project / "below" / name).write_bytes((project / name).read_bytes())
    assert cached(**other).stderr.startswith("mlcli running: it was not run before\n")


def test_a_run_that_failed_or_was_killed_stands_for_nothing(project, cached, mlcli) -> None:
    (project / "train.py").write_text("raise SystemExit(3)\n")
    assert cached().returncode == 3
    again = cached()
    assert again.returncode == 3
    assert "mlcli running: its last run " in again.stderr
    assert " failed\n" in again.stderr
    (project / "train.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert cached().returncode == 137
    assert " was killed\n" in cached().stderr


def test_a_package_that_is_new_is_a_change(project, cached, mlcli) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], check=True)
    command = (".venv/bin/python", "train.py")
    assert has_run(cached(command=command))
    assert not has_run(cached(command=command))
    (library,) = (project / ".venv" / "lib").glob("python*")
    (library / "site-packages" / "numpy-1.0.dist-info").mkdir(parents=True)
    assert "running: numpy 1.0 is new\n" in cached(command=command).stderr
    (library / "site-packages" / "numpy-1.0.dist-info").rename(library / "site-packages" / "numpy-2.0.dist-info")
    assert "running: numpy 1.0 -> 2.0\n" in cached(command=command).stderr


def test_the_python_that_a_shell_script_finds_is_compared(project, cached, monkeypatch) -> None:
    (project / "train.sh").write_text("exec python train.py\n")
    command = ("sh", "train.sh")
    assert has_run(cached(command=command))
    assert not has_run(cached(command=command))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], check=True)
    monkeypatch.setenv("PATH", f"{project}/.venv/bin{os.pathsep}{os.environ['PATH']}")
    assert has_run(cached(command=command)), "it has other packages"


def environment(at: Path) -> Path:
    """A virtual environment, and where its packages lie."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(at)], check=True)
    return next((at / "lib").glob("python*")) / "site-packages"


def program(at: Path, text: str, monkeypatch) -> None:
    """A shell script on the PATH."""
    at.parent.mkdir(exist_ok=True)
    at.write_text(f"#!/bin/sh\n{text}\n")
    at.chmod(0o755)
    monkeypatch.setenv("PATH", f"{at.parent}{os.pathsep}{os.environ['PATH']}")


def test_the_environment_that_a_launcher_keeps_elsewhere_is_compared(project, cached, machine, monkeypatch) -> None:
    packages = environment(machine / "envs" / "hidden")
    program(machine / "bin" / "poetry", f'shift 2; exec {machine}/envs/hidden/bin/python "$@"', monkeypatch)
    command = ("poetry", "run", "python", "train.py")
    assert has_run(cached(command=command))
    assert not has_run(cached(command=command))
    (packages / "numpy-1.0.dist-info").mkdir()
    assert has_run(cached(command=command))


def test_the_python_that_a_shim_stands_for_is_compared(project, cached, machine, monkeypatch) -> None:
    for name in ("one", "two"):
        environment(machine / name)
    (machine / "two" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.1.4\n")
    shim = machine / "shims" / "python"
    program(shim, f'exec {machine}/one/bin/python "$@"', monkeypatch)
    assert has_run(cached())
    assert not has_run(cached())
    shim.write_text(f'#!/bin/sh\nexec {machine}/two/bin/python "$@"\n')
    assert "-> 3.1.4\n" in cached().stderr


def test_a_shell_may_read_what_nobody_sees(project, cached) -> None:
    (project / "train.sh").write_text("python train.py\n")
    command = ("sh", "train.sh")
    assert has_run(cached(command=command))
    again = cached(command=command)
    assert has_run(again)
    assert "declare what it reads" in again.stderr
    assert has_run(cached("--input", "data.csv", command=command))
    assert not has_run(cached("--input", "data.csv", command=command))
    (project / "helper.py").write_text(HELPER + "\n")
    assert "running: helper.py changed\n" in cached("--input", "data.csv", command=command).stderr


# Outputs


def test_an_output_that_is_gone_is_put_back(project, cached, mlcli) -> None:
    cached()
    made = (project / "model.txt").read_bytes()
    (project / "model.txt").unlink()
    assert mlcli("run", "--why", "--", *COMMAND).stdout == ("unchanged\noutputs      model.txt would be put back\n")
    again = cached()
    assert not has_run(again)
    assert again.stderr.endswith("· 1 output put back\n")
    assert (project / "model.txt").read_bytes() == made
    assert not [path for path in project.iterdir() if ".mlcli-" in path.name]


def test_what_somebody_made_of_an_output_is_kept_before_it_is_replaced(project, cached, mlcli) -> None:
    cached()
    (project / "model.txt").chmod(0o640)
    (project / "model.txt").write_text("by hand\n")
    again = cached()
    assert not has_run(again)
    saved = again.stderr.rpartition("is kept until mlcli gc: ")[2].strip()
    assert (project / saved).read_text() == "by hand\n"
    assert (project / "model.txt").read_text().startswith("1.5")
    assert (project / "model.txt").stat().st_mode & 0o777 == 0o640


def test_a_log_to_which_others_write_is_left_as_it_is(project, cached) -> None:
    (project / "train.py").write_text("open('train.log', 'a').write('begun\\n')\nprint('trained')\n")
    cached()
    with (project / "train.log").open("a") as log:
        log.write("others\n")
    assert not has_run(cached())
    assert (project / "train.log").read_text() == "begun\nothers\n"
    (project / "train.log").unlink()
    assert not has_run(cached())
    assert (project / "train.log").read_text() == "begun\n"


def test_an_output_is_written_through_a_link_that_stays_in_the_project(project, cached) -> None:
    (project / "kept").mkdir()
    (project / "model.txt").symlink_to("kept/model.txt")
    cached()
    (project / "kept" / "model.txt").unlink()
    assert not has_run(cached())
    assert (project / "model.txt").is_symlink()
    assert (project / "kept" / "model.txt").read_text().startswith("1.5")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda: Path("model.txt").symlink_to("../outside.txt"), "model.txt is gone, and cannot be put back where"),
        (lambda: Path("model.txt").mkdir(), "model.txt is gone, and cannot be put back where it lies"),
    ],
)
def test_nothing_is_put_back_out_of_the_project_or_over_a_directory(project, cached, mlcli, spoil, told) -> None:
    cached()
    (project / "model.txt").unlink()
    spoil()
    assert told in mlcli("run", "--why", "--", *COMMAND).stdout
    assert not (project.parent / "outside.txt").exists()


def test_an_output_that_is_too_large_to_be_kept_is_made_again(project, cached, monkeypatch) -> None:
    monkeypatch.setenv("MLCLI_OUTPUT_FILE_LIMIT", "3 B")
    cached()
    assert not has_run(cached()), "it is there as it was"
    (project / "model.txt").unlink()
    again = cached()
    assert has_run(again)
    assert "running: model.txt is gone, and no copy of it was kept\n" in again.stderr


def test_content_that_was_damaged_in_the_store_is_not_put_back(project, cached) -> None:
    cached()
    made = (project / "model.txt").read_bytes()
    for path in (project / ".mlruns" / "objects").rglob("*"):
        if path.is_file() and path.read_bytes() == made:
            path.chmod(0o644)
            path.write_bytes(b"damaged")
    (project / "model.txt").unlink()
    again = cached()
    assert has_run(again)
    assert "was altered" in again.stderr


def test_two_at_once_put_the_same_back(project, cached, mlcli) -> None:
    cached()
    for _ in range(3):
        (project / "model.txt").unlink()
        both = [subprocess.Popen(["mlcli", "run", "--cached", "--", *COMMAND], text=True) for _ in range(2)]
        assert [each.wait() for each in both] == [0, 0]
        assert (project / "model.txt").read_text().startswith("1.5")
    assert len(runs(mlcli)) == 1


def test_of_two_at_once_one_runs_and_the_other_waits_for_it(project, cached, mlcli) -> None:
    cached()
    (project / "train.py").write_text(
        "import os\nopen('begun', 'w').close()\nopen('go').read()\nopen('model.txt', 'w').write('1')\nprint('trained')\n"
    )
    os.mkfifo("go")
    os.mkfifo("begun")
    command = ["mlcli", "run", "--cached", "--", *COMMAND]
    one = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    Path("begun").read_text()
    other = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert other.stderr is not None
    assert other.stderr.readline() == "mlcli waiting: another mlcli run --cached is at this command\n"
    Path("go").write_text("on")
    assert one.communicate()[0] == "trained\n"
    out, err = other.communicate()
    assert (out, other.returncode) == ("", 0)
    assert f"cached run {runs(mlcli)[0][:8]}" in err
    assert len(runs(mlcli)) == 2


def test_whoever_waits_is_not_held_up_by_what_a_command_left_behind(project, cached, mlcli) -> None:
    cached()
    (project / "train.py").write_text(
        "import subprocess, sys\nsubprocess.Popen(['sleep', '20'])\nprint('trained')\nsys.exit(3)\n"
    )
    for _ in range(2):
        done = subprocess.run(["mlcli", "run", "--cached", "--", *COMMAND], stderr=subprocess.PIPE, text=True)
        assert done.returncode == 3
        assert "waiting" not in done.stderr


# What is declared


def test_a_declared_variable_is_compared_and_a_secret_one_is_not_kept(project, cached, monkeypatch) -> None:
    monkeypatch.setenv("FOLDS", "3")
    monkeypatch.setenv("DATA_TOKEN", "hunter2-and-more")
    options = ("--env", "FOLDS", "--env", "DATA_TOKEN", "--env", "UNSET")
    assert has_run(cached(*options))
    assert not has_run(cached(*options))
    monkeypatch.setenv("FOLDS", "5")
    assert "running: FOLDS 3 -> 5\n" in cached(*options).stderr
    monkeypatch.setenv("DATA_TOKEN", "hunter3-and-more")
    assert "running: DATA_TOKEN *** sha256:" in cached(*options).stderr
    monkeypatch.setenv("UNSET", "now")
    assert "running: UNSET '' -> now\n" in cached(*options).stderr
    store = b"".join(path.read_bytes() for path in Path(".mlruns").rglob("*") if path.is_file())
    assert b"hunter" not in store


def test_what_was_not_seen_runs_again_unless_an_input_is_declared(project, cached, mlcli) -> None:
    command = ("python", "-I", "fit.py")
    (project / "fit.py").write_text("open('model.txt', 'w').write(open('data.csv').read())\nprint('trained')\n")
    assert has_run(cached(command=command))
    again = cached(command=command)
    assert has_run(again)
    assert "python -I does not load what watches it" in again.stderr
    told = cached("--input", "data.csv", "--output", "model.txt", command=command)
    assert has_run(told)
    again = cached("--input", "data.csv", "--output", "model.txt", command=command)
    assert has_run(again)
    assert "fit.py is named by the command and was not seen to be read: declare it by --input\n" in again.stderr
    options = ("--input", "data.csv", "--input", "fit.py", "--output", "model.txt")
    assert has_run(cached(*options, command=command))
    (project / "model.txt").unlink()
    assert not has_run(cached(*options, command=command))
    assert (project / "model.txt").read_text() == "1\n2\n"
    (project / "data.csv").write_text("7\n")
    assert "running: data.csv changed\n" in cached(*options, command=command).stderr


def test_a_declared_output_is_recorded_whoever_writes_it_and_one_that_is_missing_is_told(project, mlcli) -> None:
    done = mlcli("run", "--output", "made", "--output", "none.txt", "--", "sh", "-c", "mkdir made; echo 1 > made/a.txt")
    assert "mlcli: warning: none.txt was declared as its output, and is not there\n" in done.stderr
    (output,) = json.loads(mlcli("show", "@", "--json").stdout)["run"]["outputs"]
    assert (output["path"], output["size"], output["kept"]) == ("made/a.txt", 2, True)
    assert "declared" not in mlcli("run", "--output", "x", "--", "false").stderr


def test_an_input_or_output_that_is_declared_anew_is_a_change(project, cached) -> None:
    cached()
    assert "running: train.py is declared anew\n" in cached("--input", "train.py").stderr
    assert "other.txt is no output of run" in cached("--output", "other.txt").stderr


def test_a_secret_in_the_command_is_not_compared(project, cached) -> None:
    command = ("python", "train.py", "--password", "hunter2")
    cached(command=command)
    again = cached(command=command)
    assert has_run(again)
    assert again.stderr.startswith("mlcli running: a secret in it was masked, so that it cannot be compared\n")


def test_a_file_at_stdin_is_not_compared(project, mlcli) -> None:
    for _ in range(2):
        with (project / "data.csv").open() as stdin:
            done = subprocess.run(
                ["mlcli", "run", "--cached", "--", *COMMAND], stdin=stdin, capture_output=True, text=True, check=True
            )
    assert "stdin is a file, which is not compared: name it with --input\n" in done.stderr


def test_a_run_from_uncommitted_code_does_not_stand_for_one_that_must_be_clean(project, cached, git) -> None:
    (project / "helper.py").write_text(HELPER + "\n")
    cached()
    git("commit", "-qam", "A line")
    assert not has_run(cached())
    again = cached("--require-clean")
    assert has_run(again)
    assert "was made from code that was not committed\n" in again.stderr


def test_a_file_that_a_glob_would_find_is_a_change(project, cached, mlcli) -> None:
    (project / "parts" / "old").mkdir(parents=True)
    for name in ("parts/1.csv", "parts/2.csv", "parts/old/0.csv"):
        (project / name).write_text("1\n")
    (project / "train.py").write_text(
        "from pathlib import Path\n"
        "rows = [path.read_text() for path in sorted(Path('parts').rglob('*.csv'))]\n"
        "Path('parts/model.txt').write_text(''.join(rows))\n"
        "print('trained')\n"
    )
    assert has_run(cached())
    for name in ("parts/notes.md", "new.csv", "parts/.hidden.csv"):
        (project / name).write_text("9\n")
    assert not has_run(cached())
    (project / "parts" / "old" / "3.csv").write_text("3\n")
    again = cached()
    assert has_run(again)
    assert "mlcli running: parts/old/ holds other files\n" in again.stderr
    assert not has_run(cached())
    (project / "parts" / "1.csv").unlink()
    assert "parts/ holds other files" in mlcli("run", "--why", "--", *COMMAND).stdout


@pytest.mark.parametrize(
    "use",
    ["exec(open('settings.py').read())", "import runpy\nrunpy.run_path('settings.py')", "import settings"],
)
def test_code_that_is_no_module_is_code_too(project, cached, mlcli, use: str) -> None:
    (project / "settings.py").write_text("depth = 3\n")
    (project / "train.py").write_text(f"{use}\nprint('trained')\n")
    assert has_run(cached())
    assert not has_run(cached())
    (project / "settings.py").write_text("depth = 4\n")
    assert "mlcli running: settings.py changed\n" in cached().stderr


def test_a_compiled_module_of_the_project_is_code(project, cached) -> None:
    import _heapq

    name = Path(_heapq.__file__).name
    (project / name).write_bytes(Path(_heapq.__file__).read_bytes())
    (project / "train.py").write_text("import _heapq\nassert 'project' in _heapq.__file__\nprint('trained')\n")
    assert has_run(cached())
    assert not has_run(cached())
    with (project / name).open("ab") as file:
        file.write(b"\0")
    assert f"mlcli running: {name} changed\n" in cached().stderr
