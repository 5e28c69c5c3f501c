"""What is seen of a wrapped command, from the command line to the run's document, and back from its inputs."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlcli.domain.run import Run
from mlcli.workspace import Workspace

READS = "import sys; print(len(open('data.csv').read()))"


@pytest.fixture
def project(repo: Path, git) -> Path:
    """A repository with data, two modules of its own, of which one is used, and a script."""
    (repo / "data.csv").write_text("a,b\n1,2\n")
    (repo / "used.py").write_text("def twice(x):\n    return 2 * x\n")
    (repo / "unused.py").write_text("")
    (repo / "train.py").write_text(
        "import argparse, json, used\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('--lr', type=float, default=0.1)\n"
        "parser.add_argument('--depth', type=int, default=3)\n"
        "args = parser.parse_args()\n"
        "rows = open('data.csv').read().splitlines()\n"
        "json.dump({'score': used.twice(len(rows)) * args.lr}, open('metrics.json', 'w'))\n"
        "open('out.txt', 'w').write('done')\n"
    )
    (repo / ".gitignore").write_text("/metrics.json\n/out.txt\n/*.bin\n/shards/\n")
    git("add", "-A")
    git("commit", "-qm", "Start")
    return repo


def newest(root: Path) -> Run:
    return Workspace(str(root)).store.find_runs(limit=1).runs[0]


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def python(*words: str) -> list[str]:
    return ["run", "--", sys.executable, *words]


def test_an_untouched_script_tells_all_of_itself(project: Path, mlcli) -> None:
    mlcli(*python("train.py", "--lr", "0.5"))
    run = newest(project)
    assert [(each.path, each.size, each.digest, each.seen, each.changed) for each in run.inputs] == [
        ("data.csv", 8, digest(b"a,b\n1,2\n"), True, False)
    ]
    assert run.code
    assert [(module.path, module.name, module.state) for module in run.code.modules] == [
        ("train.py", "", "committed"),
        ("used.py", "used", "committed"),
    ]
    assert [(each.path, each.kind, each.kept) for each in run.outputs] == [
        ("metrics.json", "metrics", True),
        ("out.txt", "file", True),
    ]
    assert {key: (param.value, param.source.value, param.origin) for key, param in run.params.items()} == {
        "lr": (0.5, "given", "argparse"),
        "depth": (3, "default", "argparse"),
    }
    assert (run.metrics["score"].last, run.metrics["score"].source.value) == (2.0, "file")
    assert run.capture
    assert (run.capture.complete, run.capture.missing, run.capture.processes) == (True, [], 1)
    assert run.usage
    assert run.usage.peak_memory
    events = Path(Workspace(str(project)).store.root, "runs", run.id[:2], run.id, "events")
    assert not events.exists()


def test_an_unrelated_commit_leaves_the_executed_code_as_it_was(project: Path, mlcli, git) -> None:
    codes = []
    for change in ("", "unused.py", "used.py"):
        if change:
            (project / change).write_text("def twice(x):\n    return x + x\n")
            git("commit", "-qam", "Change")
        mlcli(*python("train.py"))
        code = newest(project).code
        assert code
        codes.append(code.digest)
    assert (codes[0] == codes[1], codes[1] == codes[2]) == (True, False)


def test_what_is_modified_or_new_is_told_of_the_modules_that_ran(project: Path, mlcli) -> None:
    (project / "used.py").write_text("import new\n\n\ndef twice(x):\n    return 2 * x\n")
    (project / "new.py").write_text("")
    (project / "unused.py").write_text("x = 1\n")
    mlcli(*python("train.py"))
    code = newest(project).code
    assert code
    assert {module.path: module.state for module in code.modules} == {
        "new.py": "untracked",
        "train.py": "committed",
        "used.py": "modified",
    }


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("t = open('data.csv').read(); open('data.csv', 'w').write(t + 'x')", (digest(b"a,b\n1,2\n"), True)),
        ("import os; t = open('data.csv').read(); os.unlink('data.csv')", (digest(b"a,b\n1,2\n"), True)),
        ("t = open('data.csv').read(); f = open('data.csv', 'a')", (digest(b"a,b\n1,2\n"), False)),
        (
            "import os; open('data.csv').read(); open('n', 'w').write('n'); os.replace('n', 'data.csv')",
            (digest(b"a,b\n1,2\n"), True),
        ),
    ],
    ids=["overwritten", "deleted", "opened again", "replaced"],
)
def test_an_input_keeps_the_digest_of_what_was_read(project: Path, mlcli, script: str, told: tuple[str, bool]) -> None:
    mlcli(*python("-c", script))
    read = {each.path: each for each in newest(project).inputs}["data.csv"]
    assert (read.digest, read.changed) == told


def test_what_a_run_wrote_itself_is_no_input_of_it(project: Path, mlcli) -> None:
    script = "open('a.bin', 'w').write('x'); open('a.bin').read(); import os; os.rename('a.bin', 'b.bin')"
    mlcli(*python("-c", script))
    run = newest(project)
    assert ([each.path for each in run.inputs], [each.path for each in run.outputs]) == ([], ["b.bin"])


def test_many_files_of_a_directory_are_one_input(project: Path, mlcli) -> None:
    (project / "shards").mkdir()
    for number in range(300):
        (project / "shards" / f"{number:03d}.txt").write_text(str(number))
    mlcli(*python("-c", "import glob; [open(path).read() for path in sorted(glob.glob('shards/*'))]"))
    (read,) = newest(project).inputs
    lines = sorted(f"{digest(str(number).encode())}  {number:03d}.txt\n" for number in range(300))
    assert (read.path, read.files, read.digest) == ("shards/", 300, digest("".join(lines).encode()))


def test_large_outputs_are_known_by_digest_alone(project: Path, mlcli) -> None:
    (project / "mlcli.toml").write_text('output_file_limit = "10 kB"\n')
    mlcli(*python("-c", "open('s.bin', 'wb').write(b'x' * 10_000); open('l.bin', 'wb').write(b'y' * 10_001)"))
    outputs = newest(project).outputs
    assert [(each.path, each.kept, each.digest) for each in outputs] == [
        ("l.bin", False, digest(b"y" * 10_001)),
        ("s.bin", True, digest(b"x" * 10_000)),
    ]
    store = Workspace(str(project)).store
    assert [os.path.exists(f"{store.root}/objects/{each.digest[7:9]}/{each.digest[7:]}") for each in outputs] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("kind", "empty"),
    [("inputs", "inputs"), ("outputs", "outputs"), ("code", "code"), ("params", "params"), ("metrics", "metrics")],
)
def test_each_kind_can_be_turned_off(project: Path, mlcli, kind: str, empty: str) -> None:
    mlcli("run", "--no-capture", kind, "--no-capture", "printed", "--", sys.executable, "train.py")
    run = newest(project)
    found = {name: bool(getattr(run, name)) for name in ("inputs", "outputs", "code", "params")}
    if kind != "metrics":
        assert found == {name: name != empty for name in found}
    assert run.capture
    assert kind in run.capture.off
    assert run.capture.complete is (kind in {"params", "metrics"})


def test_nothing_is_watched_where_nothing_is_asked_for(project: Path, mlcli) -> None:
    script = "import os, sys; print(os.environ.get('PYTHONPATH'), hasattr(sys, '_mlcli'))"
    done = mlcli("run", "--no-capture", "all", "--", sys.executable, "-c", script)
    assert done.stdout == "None False\n"
    run = newest(project)
    assert (run.inputs, run.code, run.capture and run.capture.complete) == ([], None, False)


def test_an_unknown_kind_is_refused(project: Path, mlcli) -> None:
    done = mlcli("run", "--no-capture", "everything", "--", "true")
    assert done.returncode == 2
    assert "--no-capture: 'everything' is nothing that is watched" in done.stderr


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ([sys.executable, "-I", "-c", READS], "-I does not load what watches it"),
        (["sh", "-c", f"PYTHONPATH=. {sys.executable} -c 'print(1)'"], "did it set PYTHONPATH anew?"),
        (["sort", "data.csv"], "sort started no Python"),
    ],
    ids=["-I", "PYTHONPATH", "no Python"],
)
def test_what_was_not_seen_is_said_with_what_mends_it(project: Path, mlcli, command: list[str], told: str) -> None:
    done = mlcli("run", "--", *command)
    capture = newest(project).capture
    assert capture
    assert (capture.complete, capture.processes) == (False, 0)
    assert told in capture.missing[0]
    assert "--input PATH" in capture.missing[0]
    assert ("mlcli: warning: what it read and executed is not known" in done.stderr) is (command[0] != "sort")
    assert told in mlcli("show", "@").stdout


def test_a_child_that_drops_its_environment_is_missed(project: Path, mlcli) -> None:
    script = f"import subprocess; subprocess.run([{sys.executable!r}, '-c', 'pass'], env={{}})"
    mlcli(*python("-c", script))
    capture = newest(project).capture
    assert capture
    assert not capture.complete
    assert "an environment of its own" in capture.missing[0]


def test_a_run_whose_wrapper_was_killed_is_ended_as_its_command(project: Path, mlcli) -> None:
    os.mkfifo(project / "go")
    script = "open('data.csv').read(); open('out.txt', 'w').write('x'); print('up', flush=True); open('go').read()"
    wrapper = subprocess.Popen(
        [sys.executable, "-m", "mlcli", "run", "--", sys.executable, "-c", f"{script}; raise ValueError"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert wrapper.stdout
    assert wrapper.stdout.readline() == b"up\n"
    wrapper.send_signal(signal.SIGKILL)
    wrapper.wait()
    assert json.loads(mlcli("show", "@", "--json").stdout)["run"]["status"] == "running"
    (project / "go").write_text("")
    assert wrapper.stdout.read() == b""  # its end, that of what carries its output too
    wrapper.stdout.close()
    run = until_ended(mlcli)
    assert (run["status"], run["reason"]) == (
        "failed",
        "its wrapper was killed; the command went on and ended with an exception",
    )
    assert ([each["path"] for each in run["inputs"]], [each["path"] for each in run["outputs"]]) == (
        ["data.csv"],
        ["out.txt"],
    )
    assert run["ended_at"] >= run["started_at"]


def until_ended(mlcli) -> dict[str, Any]:
    """The newest run once its command has been reaped, which nobody waits for."""
    deadline = time.monotonic() + 30
    while True:
        run: dict[str, Any] = json.loads(mlcli("show", "@", "--json").stdout)["run"]
        if run["status"] != "running" or time.monotonic() > deadline:
            return run


def test_reproducing_brings_back_what_was_seen_to_be_read(project: Path, mlcli, git) -> None:
    (project / "local.bin").write_bytes(b"ignored by git")
    mlcli(*python("-c", "print(open('local.bin').read(), file=open('out.txt', 'w'))"))
    done = mlcli("reproduce", "@", "--json")
    told = json.loads(done.stdout)
    assert ([each["path"] for each in told["inputs"]], told["verdict"]) == (["local.bin"], "identical")
    (project / "local.bin").write_bytes(b"another")
    again = mlcli("reproduce", "@1")
    assert again.returncode == 3
    assert "input 'local.bin' is not as it was" in again.stderr


def test_the_runs_of_a_pipeline_are_one_lineage(project: Path, mlcli) -> None:
    steps = [
        "open('a.bin', 'w').write(open('data.csv').read().upper())",
        "open('b.bin', 'w').write(open('a.bin').read() * 2)",
        "open('c.bin', 'w').write(open('b.bin').read() * 2)",
    ]
    ids = []
    for step in steps:
        mlcli(*python("-c", step))
        ids.append(newest(project).id)
    (link,) = json.loads(mlcli("lineage", "@", "--json").stdout)["links"]
    (second,) = link["upstream"]
    (first,) = second["upstream"]
    assert [(each["run"], each["paths"]) for each in (second, first)] == [(ids[1], ["b.bin"]), (ids[0], ["a.bin"])]
    assert [each["run"]["id"] for each in json.loads(mlcli("lineage", "b.bin", "--json").stdout)["links"]] == [
        ids[2],
        ids[1],
    ]


def test_a_file_that_is_damaged_or_gone_keeps_no_run_from_its_end(project: Path, mlcli) -> None:
    script = "import os; open('x.bin', 'w').write('x'); os.chmod('x.bin', 0); os.mkdir('y.bin'); os.mkfifo('z.bin')"
    mlcli(*python("-c", script))
    assert newest(project).status.value == "finished"


def test_events_that_nobody_can_add_up_keep_no_run_from_its_end(project: Path, mlcli) -> None:
    line = '{"e":"metric","t":1e400,"k":"x","v":{"a":[1,{"b":null}]},"at":["/none",-5]}'
    script = (
        f"import os; open(os.path.join(os.environ['MLCLI_CAPTURE_DIR'], '1-x.jsonl'), 'w').write({line!r} + '\\n[')"
    )
    done = mlcli(*python("-c", f"{script}; raise SystemExit(3)"))
    run = newest(project)
    assert (done.returncode, run.status.value, run.exit_code) == (3, "failed", 3)
    assert run.usage


def test_of_thousands_of_files_directories_and_the_first_are_told(project: Path, mlcli) -> None:
    script = (
        "import os\n"
        "for d in range(6):\n"
        "    os.makedirs(f'shards/{d}')\n"
        "    for n in range(200 + d):\n"
        "        os.close(os.open(f'shards/{d}/{n}', os.O_CREAT))\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    reads = "import glob; [open(path).read() for path in glob.glob('shards/*/*')]"
    mlcli(*python("-c", reads))
    inputs = newest(project).inputs
    assert ([each.path for each in inputs if each.files], len(inputs)) == (["shards/4/", "shards/5/"], 808)
    mlcli(*python("-c", "for n in range(1200): open(f'{n}.bin', 'w').close()"))
    run = newest(project)
    assert run.capture
    assert (len(run.outputs), run.capture.complete) == (1000, False)
    assert run.capture.missing == ["1200 files were written, of which 1000 are told; write an archive of them"]


def test_of_many_outputs_the_small_ones_are_kept_until_there_are_too_many(project: Path, mlcli) -> None:
    (project / "mlcli.toml").write_text('output_limit = "10 kB"\n')
    sizes = {"a.bin": 6000, "b.bin": 5000, "c.bin": 4000, "d.bin": 1000}
    mlcli(*python("-c", f"for name, size in {sizes}.items(): open(name, 'wb').write(name.encode() * (size // 5))"))
    assert {each.path: each.kept for each in newest(project).outputs} == {
        "a.bin": False,
        "b.bin": True,
        "c.bin": True,
        "d.bin": True,
    }
