"""Which files are told of: read, written, renamed, overwritten, and those that are nobody's business."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from mlcli.domain.observed import Kind
from mlcli.observation.events import Digested, Loaded, Many, Moved, Opened

WAYS = {
    "text": "open('x.csv').read()",
    "binary": "open('x.csv', 'rb').read()",
    "by keyword": "open(file='x.csv', mode='r', encoding='utf-8').read()",
    "io": "import io; io.open('x.csv').read()",
    "pathlib": "import pathlib; pathlib.Path('x.csv').read_text()",
    "pathlib bytes": "import pathlib; pathlib.Path('x.csv').open('rb').read()",
    "bytes": "open(b'x.csv').read()",
    "path": "import pathlib; open(pathlib.Path('x.csv')).read()",
    "absolute": "import os; open(os.path.abspath('x.csv')).read()",
    "by way of another": "open('sub/../x.csv').read()",
    "os.open": "import os; os.read(os.open('x.csv', os.O_RDONLY), 9)",
    "descriptor": "import os; os.fdopen(os.open('x.csv', os.O_RDONLY)).read()",
    "opener": "import os; open('x.csv', opener=lambda path, flags: os.open(path, flags)).read()",
    "class attribute": "\nclass Reader:\n    opened = open\nReader().opened('x.csv').read()",
    "exec": "exec(\"open('x.csv').read()\")",
    "thread": "import threading; t = threading.Thread(target=lambda: open('x.csv').read()); t.start(); t.join()",
    "fileinput": "import fileinput; list(fileinput.input('x.csv'))",
    "csv in a function": "import csv; list(csv.reader(open('x.csv')))",
    "linecache": "import shutil; shutil.copyfile('x.csv', 'copy.csv')",
    "update": "open('x.csv', 'r+').read()",
    "twice": "open('x.csv').read(); open('x.csv').read()",
    "map": "import mmap; file = open('x.csv'); mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_a_file_is_seen_however_it_is_read(watched, way: str):
    Path("x.csv").write_text("a,b\n")
    Path("sub").mkdir()
    told = os.stat("x.csv")
    done = watched(f"{way}")
    assert (done.code, done.err) == (0, "")
    path, stamp = os.path.abspath("x.csv"), (told.st_size, told.st_mtime_ns, told.st_ino)
    reads = [event for event in done.told(Opened) if "r" in event.m]
    assert [(event.p, event.st) for event in reads] == [(path, stamp)]


@pytest.mark.parametrize(
    "way",
    [
        "open('out', 'w').write('x')",
        "open('out', 'a').write('x')",
        "open('out', 'xb').write(b'x')",
        "open('out', 'w+').write('x')",
        "import pathlib; pathlib.Path('out').write_text('x')",
        "import os; os.write(os.open('out', os.O_WRONLY | os.O_CREAT), b'x')",
        "import os; os.write(os.open('out', os.O_RDWR | os.O_CREAT | os.O_TRUNC), b'x')",
        "import gzip; gzip.open('out', 'wb').write(b'x')",
        "import zipfile; zipfile.ZipFile('out', 'w').close()",
    ],
)
def test_a_file_is_seen_however_it_is_written(watched, way: str):
    done = watched(way)
    assert (done.code, done.err) == (0, "")
    assert (done.files("w"), done.files("r")) == (["out"], [])


def test_names_of_every_kind(watched):
    names = ["wörter.csv", "two\nlines.csv", 'quo"te\\.csv', "tab\t.csv", "emoji😀.csv", " space .csv"]
    for name in names:
        Path(name).touch()
    done = watched("import os\nfor name in sorted(os.listdir('.')):\n    if name.endswith('.csv'): open(name)")
    assert sorted(done.files("r")) == sorted(names)
    Path(os.fsdecode(b"no\xff.csv")).touch()
    assert watched("open(b'no\\xff.csv')").files("r") == ["no\\udcff.csv"]


def test_what_is_no_data_of_the_projects_is_not_told(watched):
    for name in (".git/x", ".mlruns/y", "venv/lib/site-packages/p/z.txt", "venv/lib/site-packages/p/data/iris.csv"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    home = Path(os.environ["HOME"])
    (home / ".cache").mkdir(exist_ok=True)
    (home / ".cache" / "c").touch()
    done = watched(
        """
        import os, sys, random, json, email
        for name in (".git/x", ".mlruns/y", "venv/lib/site-packages/p/z.txt", "venv/lib/site-packages/p/data/iris.csv",
                     "/etc/passwd", "/proc/self/stat", "/dev/null", os.__file__, __file__, os.path.expanduser("~/.cache/c")):
            open(name).close()
        os.pipe()
        os.open("venv", os.O_RDONLY | os.O_DIRECTORY)
        """
    )
    assert (done.code, done.err) == (0, "")
    assert [os.path.basename(event.p) for event in done.told(Opened)] == ["iris.csv"]


def test_a_project_below_the_systems_directories_is_told(watched, tmp_path):
    done = watched("open('/etc/hostname').close()", root="/etc")
    assert done.files("r") == ["hostname"]


def test_what_was_read_is_digested_before_it_is_overwritten(watched):
    names = ["w", "a", "update", "os", "replaced", "removed", "path"]
    for name in names:
        Path(name).write_text(f"first {name}")
    done = watched(
        """
        import os, pathlib
        for name in ("w", "a", "update", "os", "replaced", "removed", "path"):
            open(name).read()
        open("w", "w").write("then")
        open("a", "a").write("then")
        open("update", "r+").write("then")
        os.write(os.open("os", os.O_WRONLY | os.O_TRUNC), b"then")
        open("tmp", "w").write("then"); os.replace("tmp", "replaced")
        os.remove("removed"); open("removed", "w").write("then")
        here = os.getcwd(); os.chdir("/"); pathlib.Path(here, "path").write_text("then")
        """
    )
    assert (done.code, done.err) == (0, "")
    digests = {os.path.basename(event.p): event.h for event in done.told(Digested)}
    assert digests == {name: hashlib.sha256(f"first {name}".encode()).hexdigest() for name in names}
    first = {os.path.basename(event.p): event.st for event in done.told(Opened) if event.m == "r"}
    assert all(first[os.path.basename(event.p)] == event.st for event in done.told(Digested))


def test_a_file_is_followed_where_it_is_renamed(watched):
    done = watched(
        """
        import os, shutil
        for each in ("one", "two"):
            open("part", "w").write(each)
            os.rename("part", each)
        shutil.move("one", "three")
        """
    )
    assert [(Path(event.a).name, Path(event.b).name) for event in done.told(Moved)] == [
        ("part", "one"),
        ("part", "two"),
        ("one", "three"),
    ]
    assert done.files("w") == ["part", "part"]


def test_a_change_of_directory_changes_what_a_name_means(watched):
    for name in ("a", "b"):
        Path(name).mkdir()
        Path(name, "x.csv").touch()
    done = watched("import os\nfor name in ('a', '../b', '../a'):\n    os.chdir(name)\n    open('x.csv')")
    assert [Path(event.p).parent.name for event in done.told(Opened)] == ["a", "b", "a"]


def test_a_directory_of_many_files_is_told_of_as_one(watched):
    Path("data/deeper").mkdir(parents=True)
    for number in range(600):
        Path(f"data/{number}.csv").touch()
    Path("data/deeper/own.csv").touch()
    done = watched(
        """
        for _ in range(2):
            for number in range(600):
                open(f"data/{number}.csv").close()
        open("data/deeper/own.csv").close()
        """
    )
    told = [event for event in done.told(Opened) if event.p != os.path.abspath("data/deeper/own.csv")]
    assert len(told) == 256
    assert len(done.told(Opened)) == 257
    assert [(event.p, event.n) for event in done.told(Many)] == [
        (os.path.abspath("data"), 256),
        (os.path.abspath("data"), 600),
    ]


def test_eight_threads_lose_nothing(watched):
    for number in range(200):
        Path(f"{number}.csv").touch()
    done = watched(
        """
        import threading
        def read(worker):
            for number in range(25):
                open(f"{worker * 25 + number}.csv").close()
        threads = [threading.Thread(target=read, args=(worker,)) for worker in range(8)]
        for each in threads: each.start()
        for each in threads: each.join()
        """
    )
    assert len(done.files("r")) == 200


def test_the_kinds_that_are_not_watched_are_left_alone(watched):
    Path("x.csv").touch()
    program = "import os; print(type(open).__name__, type(os.open).__name__); open('x.csv'); open('y.csv', 'w')"
    neither = watched(program, kinds=(Kind.CODE,))
    assert (neither.out.split(), neither.told(Opened)) == (["builtin_function_or_method"] * 2, [])
    assert len(neither.told(Loaded)) == 1
    assert watched(program, kinds=(Kind.INPUTS,)).files("w") == []
    only = watched(program, kinds=(Kind.OUTPUTS,))
    assert (only.files("r"), only.files("w"), only.told(Loaded)) == ([], ["y.csv"], [])
