"""The only hand that writes: whole or not at all, by many processes, on a disk that says no, through crashes."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlcli.errors import BadStore, Corrupt, Locked, WriteFailed
from mlcli.store.files import Files

LINES = b'{"a":1}\n'


def content_below(root: str) -> dict[str, bytes]:
    """Everything that lies in a store but its cache."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in Path(root).rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }


def test_a_file_is_created_once_and_the_second_writer_is_told_so(files: Files):
    assert [files.create("models/iris/1.json", b"one"), files.create("models/iris/1.json", b"two")] == [True, False]
    assert content_below(files.root) == {"models/iris/1.json": b"one"}


def test_a_file_is_replaced_whole_and_no_temporary_file_stays(files: Files):
    files.create("a", b"old")
    files.replace("a", b"new")
    assert (content_below(files.root), files.names(".cache/tmp")) == ({"a": b"new"}, [])


def test_lines_are_appended_behind_each_other(files: Files):
    files.append("m/metrics.jsonl", b"1\n2\n")
    files.append("m/metrics.jsonl", b"3\n")
    assert files.read("m/metrics.jsonl") == b"1\n2\n3\n"


def test_a_tail_that_a_crash_tore_is_ended_before_the_next_line(files: Files):
    files.append("metrics.jsonl", LINES)
    Path(files.path("metrics.jsonl")).write_bytes(LINES + b'{"a":')
    files.append("metrics.jsonl", LINES)
    assert files.read("metrics.jsonl") == LINES + b'{"a":\n' + LINES


def test_a_link_reaches_the_same_content_and_replaces_what_was_there(files: Files):
    files.create("objects/x", b"content")
    files.create("runs/artifact", b"other")
    files.link("objects/x", "runs/artifact")
    assert os.path.samefile(files.path("objects/x"), files.path("runs/artifact"))
    assert files.names(".cache/tmp") == []


def test_linking_twice_leaves_no_temporary_name(files: Files):
    files.create("objects/x", b"content")
    files.link("objects/x", "runs/artifact")
    files.link("objects/x", "runs/artifact")
    assert (os.stat(files.path("objects/x")).st_nlink, files.names(".cache/tmp")) == (2, [])


def test_a_move_says_whether_there_was_something(files: Files):
    files.create("a", b"1")
    assert [files.move("a", "trash/a"), files.move("a", "trash/a")] == [True, False]
    assert content_below(files.root) == {"trash/a": b"1"}


def test_what_is_missing_reads_as_missing(files: Files):
    assert (files.exists("a"), files.names("a"), files.move("a", "b")) == (False, [], False)
    with pytest.raises(FileNotFoundError):
        files.read("a")


# Links, and other things that are no files


def test_a_link_in_place_of_a_document_is_not_read(files: Files, tmp_path: Path):
    (tmp_path / "secret").write_text("secret")
    os.symlink(tmp_path / "secret", files.path("a"))
    with pytest.raises(Corrupt, match="a is a symbolic link"):
        files.read("a")


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_a_directory_or_pipe_in_place_of_a_document_is_not_read(files: Files, make):
    make(files.path("a"))
    with pytest.raises(Corrupt, match="a is not a file"):
        files.read("a")


def test_nothing_is_appended_through_a_link(files: Files, tmp_path: Path):
    (tmp_path / "bashrc").write_text("mine\n")
    os.symlink(tmp_path / "bashrc", files.path("metrics.jsonl"))
    with pytest.raises(WriteFailed, match="it is a symbolic link"):
        files.append("metrics.jsonl", LINES)
    assert (tmp_path / "bashrc").read_text() == "mine\n"


@pytest.mark.parametrize("place", [".cache", ".cache/tmp", "runs"])
def test_nothing_is_written_below_a_directory_that_is_a_link(files: Files, tmp_path: Path, place: str):
    (tmp_path / "outside").mkdir()
    os.makedirs(os.path.dirname(files.path(place)), exist_ok=True)
    os.symlink(tmp_path / "outside", files.path(place))
    with pytest.raises(BadStore, match="is a symbolic link"):
        files.create("runs/a.json", b"1")
    assert list((tmp_path / "outside").iterdir()) == []


def test_replacing_a_link_replaces_the_link_and_not_its_target(files: Files, tmp_path: Path):
    (tmp_path / "target").write_text("mine")
    os.symlink(tmp_path / "target", files.path("a"))
    files.replace("a", b"new")
    assert ((tmp_path / "target").read_text(), files.read("a")) == ("mine", b"new")


# A disk that says no

NO_DESCRIPTORS = """
import resource, sys
from mlcli.errors import ReadFailed
from mlcli.store.files import Files
files = Files(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
for read in (
    lambda: files.read("a"), lambda: files.names(""), lambda: files.checksum("a"),
    lambda: list(files.chunks("a", 100)), lambda: list(files.blocks("a", 100)),
):
    try:
        read()
    except ReadFailed as error:
        print(error.message)
"""


def test_what_the_system_will_not_let_be_read_is_told_in_a_line_each(files: Files, python):
    files.create("a", LINES)
    done = python(NO_DESCRIPTORS, files.root)
    told = [f"cannot read .mlruns/{name}: too many files are open" for name in ("a", "", "a", "a", "a")]
    assert (done.stderr, done.stdout.splitlines()) == ("", told)


FULL = """
import resource, sys
from mlcli.errors import WriteFailed
from mlcli.store.files import Files
files = Files(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    {act}
except WriteFailed as error:
    print(error.message)
"""


@pytest.mark.parametrize(
    "act",
    [
        "files.create('new', b'x' * 200)",
        "files.replace('old', b'x' * 200)",
        "files.append('lines', b'x' * 199 + b'\\n')",
        "files.append('lines', b'y' * 80 + b'\\n')",
    ],
)
def test_a_write_that_does_not_fit_leaves_all_as_it_was(files: Files, python, act: str):
    files.create("old", b"old")
    files.append("lines", b"x" * 50 + b"\n")
    before = content_below(files.root)
    done = python(FULL.format(act=act), files.root)
    assert (done.stderr, "cannot write .mlruns/" in done.stdout) == ("", True)
    assert (content_below(files.root), files.names(".cache/tmp")) == (before, [])


def no(code: int):
    def refuse(*arguments, **named):
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.EIO, "cannot write .mlruns/new: the disk reports an error"),
        (errno.ENOSPC, "cannot write .mlruns/new: the disk is full"),
        (errno.EDQUOT, "cannot write .mlruns/new: the disk quota is used up"),
    ],
)
def test_what_could_not_be_made_durable_is_not_acknowledged(files: Files, monkeypatch, code: int, told: str):
    files.sync = True
    monkeypatch.setattr(os, "fsync", no(code))
    with pytest.raises(WriteFailed) as caught:
        files.create("new", b"1")
    assert (caught.value.message, content_below(files.root), files.names(".cache/tmp")) == (told, {}, [])


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV])
def test_a_file_system_without_hard_links_creates_once_all_the_same(files: Files, monkeypatch, code: int):
    monkeypatch.setattr(os, "link", no(code))
    assert [files.create("a", b"one"), files.create("a", b"two")] == [True, False]
    assert (content_below(files.root), files.names(".cache/tmp")) == ({"a": b"one"}, [])


def test_a_file_system_without_hard_links_keeps_a_copy(files: Files, monkeypatch):
    files.create("objects/x", b"content")
    monkeypatch.setattr(os, "link", no(errno.EPERM))
    files.link("objects/x", "runs/artifact")
    assert content_below(files.root) == {"objects/x": b"content", "runs/artifact": b"content"}
    assert files.names(".cache/tmp") == []


def test_a_link_that_was_made_though_the_answer_got_lost_counts_once(files: Files, monkeypatch):
    link = os.link

    def lost(*arguments, **named):
        link(*arguments, **named)
        raise FileExistsError(errno.EEXIST, "lost reply of a network file system")

    monkeypatch.setattr(os, "link", lost)
    assert [files.create("1.json", b"one"), files.create("1.json", b"two")] == [True, False]
    assert content_below(files.root) == {"1.json": b"one"}


def test_a_directory_that_may_not_be_written_is_read_all_the_same(files: Files, python):
    files.create("runs/a.json", b"1")
    files.create(".cache/tmp/x", b"")
    done = python(
        """
import ctypes, os, sys
from mlcli.errors import WriteFailed
from mlcli.store.files import Files
for place, _, _ in os.walk(sys.argv[1], topdown=False):
    os.chmod(place, 0o555)
# Give up what lets root write anywhere.
ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
files = Files(sys.argv[1])
print(files.read("runs/a.json").decode(), files.names("runs"), files.exists("runs/b.json"))
try:
    files.create("runs/b.json", b"2")
except WriteFailed as error:
    print(error.message, "|", error.hint)
""",
        files.root,
    )
    assert (done.stdout, done.stderr) == (
        "1 ['a.json'] False\ncannot write .mlruns/runs/b.json: permission denied | "
        "reading commands still work; to write, make the directory writable\n",
        "",
    )


# Locks

HOLD = """
import sys
from mlcli.store.files import Files
with Files(sys.argv[1]).lock("model-iris"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(files: Files):
    """Another process that holds the lock model-iris until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, files.root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_that_is_held_is_waited_for_a_bounded_time_and_names_its_holder(files: Files, holder):
    with pytest.raises(Locked) as caught, files.lock("model-iris"):
        pass
    told = f"model-iris is locked by process {holder.pid} on {os.uname().nodename} for more than 0.2 seconds"
    assert (caught.value.message, caught.value.exit_code) == (told, 3)


def test_a_lock_whose_holder_was_killed_is_free_at_once(files: Files, holder):
    holder.kill()
    holder.wait()
    with files.lock("model-iris"):
        assert files.names(".cache/locks") == ["model-iris.lock"]


def test_one_lock_does_not_hold_up_another(files: Files, holder):
    with files.lock("model-churn"):
        assert sorted(files.names(".cache/locks")) == ["model-churn.lock", "model-iris.lock"]


def test_a_file_system_without_flock_locks_by_a_lease(files: Files, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", no(errno.ENOLCK))
    with files.lock("model-iris"), pytest.raises(Locked, match="model-iris is locked"), files.lock("model-iris"):
        pass
    with files.lock("model-iris"):
        pass


COUNT = """
from mlcli.store.files import Files
files = Files(sys.argv[1], sync=False)
for _ in range(25):
    with files.lock("count"):
        files.replace("count", str(int(files.read("count")) + 1).encode())
"""


def test_eight_processes_lose_no_update_under_a_lock(files: Files, at_once):
    files.create("count", b"0")
    at_once(8, COUNT, files.root)
    assert files.read("count") == b"200"


def test_eight_processes_create_the_same_name_once(files: Files, at_once):
    code = (
        "from mlcli.store.files import Files\nprint(Files(sys.argv[1]).create('1.json', sys.argv[2].encode() * 9999))"
    )
    told = at_once(8, code, files.root)
    winner = told.index("True")
    assert sorted(told) == ["False"] * 7 + ["True"]
    assert files.read("1.json") == str(winner).encode() * 9999


APPEND = """
from mlcli.store.files import Files
files = Files(sys.argv[1], sync=False)
for number in range(50):
    files.append("metrics.jsonl", f"{sys.argv[2]}-{number}-{'x' * 500}\\n".encode())
"""


def test_lines_of_eight_processes_are_all_there_and_whole(files: Files, at_once):
    at_once(8, APPEND, files.root)
    # A writer that saw another in the middle of its line ends that first: a line end too many is no line.
    lines = list(filter(None, files.read("metrics.jsonl").decode().splitlines()))
    assert sorted(lines) == sorted(f"{who}-{number}-{'x' * 500}" for who in range(8) for number in range(50))


# A writer that dies

DIE = """
import os, signal, sys
from mlcli.store.files import Files
files = Files(sys.argv[1])
left = int(sys.argv[2])
def step(event, arguments):
    global left
    if event in {"open", "os.link", "os.rename", "os.mkdir", "os.remove", "os.truncate", "fcntl.flock"}:
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
import fcntl
sys.addaudithook(step)
files.replace("runs/3f/old.json", b"new" * 9999)
files.create("models/iris/versions/1.json", b"one" * 9999)
files.append("runs/3f/metrics.jsonl", b"2\\n")
os._exit(0)
"""


@pytest.mark.parametrize("step", range(1, 26))
def test_a_writer_killed_before_any_of_its_steps_leaves_each_file_old_or_new(files: Files, python, step: int):
    files.create("runs/3f/old.json", b"old" * 9999)
    files.append("runs/3f/metrics.jsonl", b"1\n")
    assert python(DIE, files.root, str(step)).returncode in {0, -9}
    found = content_below(files.root)
    assert found.pop("runs/3f/old.json") in {b"old" * 9999, b"new" * 9999}
    assert found.pop("runs/3f/metrics.jsonl") in {b"1\n", b"1\n2\n"}
    assert found in ({}, {"models/iris/versions/1.json": b"one" * 9999})
    files.replace("runs/3f/old.json", b"next")
    files.create("models/iris/versions/2.json", b"two")
