"""Whatever the machine is like: no home, no room, no right to write, a clock that jumps. One line, or it works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from asking import row, state


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in names}


def sh(command: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, env=env, cwd=cwd, check=False, errors="replace"
    )


def told(done) -> list[str]:
    """The lines of an error: one, and perhaps a hint; no traceback, no bug."""
    lines = done.stderr.splitlines()
    assert lines[0].startswith("mlcli: error: "), lines
    assert (len(lines) <= 2, "bug in mlcli" in done.stderr, all(line.startswith("hint: ") for line in lines[1:])) == (
        True,
        False,
        True,
    )
    return lines


@row("E01")
def test_home_and_user_may_be_unset(repo: Path, row: str) -> None:
    env = without("HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "GIT_CONFIG_GLOBAL")
    done = sh("mlcli run -- true && mlcli ls -q && mlcli show @", env)
    assert (done.returncode, "Traceback" not in done.stderr) == (0, True)


@row("E01-directory")
def test_a_deleted_directory_is_one_error(repo: Path, machine: Path, row: str) -> None:
    for command in ("mlcli ls", "mlcli run -- true", "mlcli doctor", "mlcli init"):
        done = sh(f"mkdir gone; cd gone && rmdir ../gone && {command}", cwd=machine)
        assert (done.returncode, done.stdout) == (125 if "run" in command else 3, "")
        assert done.stderr.splitlines()[-2:] == [
            "mlcli: error: the current directory was deleted", "hint: cd to a directory that exists",
        ]  # fmt: skip


@pytest.mark.parametrize(
    "locale",
    [
        pytest.param({"LC_ALL": "C", "LANG": "C"}, id="E02"),
        pytest.param({"PYTHONIOENCODING": "ascii"}, id="E02-ascii"),
    ],
)  # fmt: skip
def test_names_beyond_ascii_work_in_any_locale(workspace, record, mlcli, locale: dict[str, str]) -> None:
    record(name="été-日本", params={"größe": "ü"}, model="x")

    commands = (
        "ls", "show @", "ls --format table", "ls --format csv", "ls --json", "register modèle", "lineage modèle",
        "run --name é -- true", "show naïve",
    )  # fmt: skip
    answers = [sh(f"mlcli {command}", {**os.environ, **locale}) for command in commands]

    assert [done.returncode for done in answers] == [0] * 8 + [3]
    assert [done.stderr for done in answers if "Traceback" in done.stderr or "bug" in done.stderr] == []
    assert [run["name"] for run in json.loads(mlcli("ls", "--json").stdout)["runs"]] == ["é", "été-日本"]


# A clock that jumps


@pytest.fixture(scope="session")
def jumping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that sets a process's clock."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("there is no compiler to make the clock with")
    made = tmp_path_factory.mktemp("clock") / "clock.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", made, Path(__file__).with_name("clock.c")], check=True)
    return made


YEAR = 31_557_600
TO_2038 = 2_147_558_400  # the 20th of January, a day after 32 bits run out


@row("E03")
def test_a_clock_that_jumps_in_mid_run_costs_neither_order_nor_data(
    repo: Path, mlcli, machine, jumping: Path, row: str
) -> None:
    clock = machine / "clock"
    clock.write_text("0")
    (repo / "train.py").write_text(f"""
import time, mlcli
def jump(seconds):
    with open({str(clock)!r}, "w") as file:
        file.write(str(int(seconds)))
real = time.time()
mlcli.log_metric("loss", 1.0, step=1)
jump(-10 * {YEAR})
mlcli.log_metric("loss", 2.0, step=2)
jump({TO_2038} - real)
mlcli.log_metric("loss", 3.0, step=3)
mlcli.log_model([1], "model")
jump(-10 * {YEAR})
mlcli.log_metric("loss", 4.0, step=4)
""")
    env = {"LD_PRELOAD": str(jumping), "CLOCK_FILE": str(clock)}
    assert mlcli("run", "--name", "jumped", "--", sys.executable, "train.py", env=env).returncode == 0

    run = json.loads(mlcli("show", "jumped", "--json", env=env).stdout)["run"]
    assert (run["status"], run["metrics"]["loss"]["count"], run["metrics"]["loss"]["last"]) == ("finished", 4, 4.0)
    assert [line.partition(":")[0] for line in (mlcli("ls", "--columns", "seconds", env=env).stdout.splitlines())] == [
        ""
    ]
    assert "finished · - ·" in mlcli("show", "jumped", env=env).stdout
    from mlcli.workspace import Workspace

    store = Workspace(str(repo)).store
    assert [point.value for point in store.points(run["id"])] == [1.0, 2.0, 3.0, 4.0]
    for seconds, command in (
        (0, ("register", "m", "jumped")),
        (-10 * YEAR, ("promote", "m@1", "staging")),
        (12 * YEAR, ("promote", "m@1", "production")),
        (-10 * YEAR, ("register", "m", "jumped:model/model.joblib")),
        (-10 * YEAR, ("promote", "m@2", "production")),
        (0, ("run", "--name", "after", "--", "true")),
        (0, ("rm", "after")),
        (-10 * YEAR, ("gc",)),
    ):
        clock.write_text(str(seconds))
        done = mlcli(*command, env=env)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert "after" in mlcli("restore", env=env).stdout
    clock.write_text(str(12 * YEAR))
    assert mlcli("gc", env=env).returncode == 0
    for seconds in (-10 * YEAR, 0, 12 * YEAR):
        clock.write_text(str(seconds))
        assert {
            arguments: mlcli(*arguments, env=env).returncode for arguments in (("doctor",), ("ls",), ("models",))
        } == {("doctor",): 0, ("ls",): 0, ("models",): 0}
    moves = [line.split("\t") for line in mlcli("history", "m", env=env).stdout.splitlines()]
    assert [(move[1], move[2]) for move in moves] == [
        ("m@2", "None -> Production, archived 1"), ("m@2", "registered"), ("m@1", "Staging -> Production"), ("m@1", "None -> Staging"), ("m@1", "registered"),
    ]  # fmt: skip


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/New_York", "garbage"], ids=lambda zone: f"E04 {zone}")
def test_times_are_utc_in_any_time_zone(repo: Path, cli, zone: str) -> None:
    from datetime import datetime, timedelta, timezone

    cli("run", "--", "true", env={"TZ": zone})

    started = json.loads(cli("ls", "--json", env={"TZ": zone}).stdout)["runs"][0]["started_at"]
    assert started.endswith("Z")
    assert abs(datetime.now(timezone.utc) - datetime.fromisoformat(started.replace("Z", "+00:00"))) < timedelta(
        minutes=2
    )


@pytest.mark.parametrize("place", ["/nonexistent", "/dev/null", "/proc"], ids=lambda place: f"E06 {place}")
def test_temporary_files_need_no_other_place(project: Path, mlcli, place: str) -> None:
    env = {"TMPDIR": place}
    assert mlcli("run", "--", "sh", "-c", "echo x > f; mlcli log artifact f", env=env).returncode == 0
    assert mlcli("register", "f", "@", env=env).returncode == 0
    assert (mlcli("check", "f@1", env=env).returncode, mlcli("doctor", env=env).returncode) in {(0, 0), (1, 0)}


# No right to write, no room


WRITES = [
    ("tag", "victim", "a=b"), ("note", "victim", "x"), ("log", "param", "new=1", "--run", "victim"), ("log", "artifact", "train.py", "--run", "victim"),
    ("register", "new", "first"), ("promote", "iris@1", "staging"), ("rm", "broken"), ("run", "--", "touch", "started"),
]  # fmt: skip


READS = [("ls",), ("show", "second"), ("models",), ("lineage", "wine"), ("compare", "first", "second")]


@row("E07")
def test_what_may_only_be_read_is_read_and_not_written(bound, row: str) -> None:
    where, run = bound
    for index in ("none", "there"):
        if index == "there":
            from mlcli.store.disk import DiskStore
            from mlcli.store.index import Index

            (where / ".mlruns" / ".cache").mkdir(exist_ok=True)
            files = DiskStore(str(where / ".mlruns"))
            Index(files.files.path(".cache/index.sqlite"), files.runs.directory, files.files.path("runs")).close()
        answers = {arguments: run("mlcli", *arguments) for arguments in READS}
        subprocess.run(["chmod", "-R", "a-w", str(where)], check=True)
        before = state(where / ".mlruns")
        assert {arguments: run("mlcli", *arguments).stdout for arguments in READS} == {
            arguments: done.stdout for arguments, done in answers.items()
        }
        assert {done.returncode for done in answers.values()} == {0}
        assert [run("mlcli", command).returncode for command in ("doctor", "check")] == [0, 0]
        for arguments in WRITES if index == "none" else ():
            done = run("mlcli", *arguments)
            assert (done.returncode, done.stdout, "cannot write .mlruns/" in told(done)[0]) == (
                125 if arguments[0] == "run" else 3,
                "",
                True,
            )
        assert (state(where / ".mlruns"), (where / "started").exists()) == (before, False)
        subprocess.run(["chmod", "-R", "u+w", str(where)], check=True)


MOUNTED = """
import json, os, subprocess, sys
options, where, kept = sys.argv[1:4]
subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", where], check=True)
subprocess.run(["cp", "-a", f"{kept}/.", where], check=True)
os.chdir(where)

def ask(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True)
    return [done.returncode, done.stdout, done.stderr]

answers = {}
if options.startswith("size"):
    room = os.statvfs(".")
    filler = open("filler", "wb")
    try:
        while True:
            filler.write(bytes(4096))
            filler.flush()
    except OSError:
        os.close(filler.fileno())
else:
    made = 0
    try:
        while True:
            open(f"filler-{made}", "w").close()
            made += 1
    except OSError:
        pass
for arguments in json.loads(sys.argv[4]):
    answers[" ".join(arguments)] = ask("mlcli", *arguments)
answers["full"] = {line: ask("mlcli", *line.split()) for line in ("ls", "show second", "models", "history iris", "lineage iris", "doctor")}
subprocess.run("rm -rf filler*", shell=True)
answers["free"] = {line: ask("mlcli", *line.split()) for line in ("tag victim a=b", "log metric a=1 --run victim", "register new first", "run -- true", "doctor")}
print(json.dumps(answers))
"""


def mounting() -> list[str]:
    """What lets a process mount for itself alone."""
    for prefix in (["unshare", "-m"], ["unshare", "-Urm"]):
        probe = [*prefix, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        if shutil.which("unshare") and subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return prefix
    pytest.skip("a process may not mount for itself here")


@pytest.mark.slow
@pytest.mark.parametrize("options", [pytest.param("size=2m", id="E08"), pytest.param("nr_inodes=260", id="E08-inodes")])
def test_a_full_disk_is_one_line_and_the_store_as_it_was(project: Path, machine: Path, options: str) -> None:
    place = machine / "disk"
    place.mkdir()
    asked = [list(arguments) for arguments in WRITES]
    done = subprocess.run(
        [*mounting(), sys.executable, "-c", MOUNTED, options, str(place), str(project), json.dumps(asked)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    answers = json.loads(done.stdout)
    assert {line: answer for line, answer in answers.pop("full").items() if answer[0]} == {}
    free = answers.pop("free")
    assert {line: answer for line, answer in free.items() if answer[0]} == {}
    for line, (code, out, err) in answers.items():
        assert "Traceback" not in err, line
        assert (code, out) in {(3, ""), (125, ""), (0, out)}, (line, code, out, err)
        if code:
            assert (
                err.splitlines()[0].startswith("mlcli: error: "),
                "no space left" in err.lower() or "cannot write" in err,
            ) == (True, True), err
    assert {line.split()[0] for line, (code, _, _) in answers.items() if code} >= {"register", "run", "note"}


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        pytest.param("FSIZE", 512, id="E08-file-size"),
        pytest.param("NOFILE", 6, id="E08-descriptors"),
        pytest.param("AS", 90 << 20, id="E08-memory"),
    ],
)
def test_a_limit_of_the_process_is_one_line_and_the_store_as_it_was(project: Path, kind: str, limit: int) -> None:
    import resource

    number = getattr(resource, f"RLIMIT_{kind}")
    before = documents(project)
    for arguments in WRITES[::2]:
        done = subprocess.run(
            ["mlcli", *arguments], capture_output=True, text=True, check=False,
            preexec_fn=lambda: resource.setrlimit(number, (limit, limit)),
        )  # fmt: skip
        if done.returncode and kind != "AS":
            assert "Traceback" not in done.stderr
            told(done)
            assert documents(project) == before
        before = documents(project)
    assert subprocess.run(["mlcli", "doctor"], capture_output=True, check=False).returncode == 0


def documents(project: Path) -> dict[str, str]:
    """What the store tells; content that nothing cites is gc's."""
    return {name: digest for name, digest in state(project / ".mlruns").items() if name.endswith((".json", ".jsonl"))}


@row("E09")
def test_no_secret_of_the_environment_is_in_the_store(project: Path, mlcli, row: str) -> None:
    secrets = {
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI-one", "HF_TOKEN": "token-two", "DB_PASSWORD": "password-three",
        "DATABASE_URL": "postgres://ada:four@db/x", "ORDINARY": "ordinary-five", "TZ": "UTC-seven://u:seven@x",
        "CI": "https://ada:eight@ci.example.com/", "VIRTUAL_ENV_PROMPT": "TOKEN=nine", "CONDA_DEFAULT_ENV": "sk-ten-abcdef",
    }  # fmt: skip
    (project / "train.py").write_text("import mlcli\nmlcli.log_metric('a', 1)\nmlcli.log_model([1], 'model')\n")
    assert mlcli("run", "--", sys.executable, "train.py", env={**secrets, "PYTHONHASHSEED": "0"}).returncode == 0
    assert mlcli("register", "m", "@", env=secrets).returncode == 0
    kept = b"".join(path.read_bytes() for path in (project / ".mlruns").rglob("*") if path.is_file())
    words = [
        *(value for name, value in secrets.items() if name in list(secrets)[:5]),
        "four",
        "seven@",
        "eight",
        "nine",
        "sk-ten-abcdef",
    ]
    assert [word for word in words if word.encode() in kept] == []
    assert json.loads(mlcli("show", "@", "--json").stdout)["run"]["environment"]["variables"]["PYTHONHASHSEED"] == "0"


@row("E11")
def test_modules_of_the_project_are_not_imported_by_mlcli(repo: Path, mlcli, row: str) -> None:
    for name in (
        "json",
        "typer",
        "tinydb",
        "rich",
        "sitecustomize",
        "usercustomize",
        "mlcli",
        "msgspec",
        "git",
        "sqlite3",
    ):
        (repo / f"{name}.py").write_text(f"open('imported-{name}', 'w')\n")
    assert mlcli("run", "--", "true").returncode == 0
    for arguments in (["ls", "--format", "table"], ["show", "@"], ["doctor"], ["models"], ["check"], ["lineage", "@"]):
        assert mlcli(*arguments).returncode == 0
    assert list(repo.glob("imported-*")) == []


@row("G24")
def test_the_path_of_a_project_may_hold_anything(machine: Path, git, mlcli, monkeypatch, row: str) -> None:
    path = machine / "work" / "a b'c\n\u00e9$(x)"
    path.mkdir()
    monkeypatch.chdir(path)
    git("init", "-q")
    (path / "train.sh").write_text("mlcli log metric x=1\n")
    git("add", "-A")
    git("commit", "-qm", "x")

    commands = (["run", "--", "sh", "train.sh"], ["ls"], ["doctor"], ["check"])
    assert [mlcli(*command).returncode for command in commands] == [0] * 4
    assert json.loads(mlcli("show", "@", "--json").stdout)["run"]["metrics"]["x"]["last"] == 1.0
