"""The bootstrap in every Python: how it gets in, what it leaves no trace of, and that it breaks nothing."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mlcli
from mlcli.observation.events import Began, Ended, Loaded

PACKAGE = Path(mlcli.__file__).parent
PARTS = [*sorted((PACKAGE / "bootstrap").glob("*.py")), PACKAGE / "domain" / "secrets.py"]


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.stem)
def test_a_part_is_python_of_3_8_and_takes_the_standard_library_only(path: Path):
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    guarded = {
        id(each)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for each in ast.walk(node)
    }
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if id(node) not in guarded and isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or "."])
    }
    assert imported <= {*sys.stdlib_module_names, "__future__"}


def test_each_way_to_start_python_is_seen(watched):
    Path("package").mkdir()
    Path("package/__init__.py").touch()
    Path("package/__main__.py").write_text("print(open('x.csv').read())")
    Path("x.csv").write_text("1")
    read = "print(open('x.csv').read())"
    for argv, given in [(("-c", read), {}), (("-m", "package"), {}), (("-",), {"input": read}), ((), {"input": read})]:
        done = watched(argv=argv, **given)
        assert (done.code, done.out, done.err, done.files("r")) == (0, "1\n", "", ["x.csv"]), argv
    done = watched(argv=("-O", "-B", "-u", "-X", "utf8", "-c", read))
    assert (done.code, done.err, done.files("r")) == (0, "", ["x.csv"])


def test_a_process_tells_its_begin_and_its_end(watched):
    done = watched("import helper", "--token", "sk-abcdef1234567890", "plain")
    assert done.code == 1  # there is no helper
    [began], [ended] = done.told(Began), done.told(Ended)
    assert began.argv == [sys.executable, "program.py", "--token", "***", "plain"]
    assert (began.cwd, began.prefix, began.exe) == (os.getcwd(), sys.prefix, sys.executable)
    assert (ended.pid, ended.main, ended.failed) == (began.pid, os.path.abspath("program.py"), True)
    assert not watched("import sys; sys.exit(3)").told(Ended)[0].failed


def test_the_projects_code_is_told_and_no_other(watched):
    Path("helper.py").write_text("VALUE = 1")
    Path("lib").mkdir()
    Path("lib/elsewhere.py").write_text("import by_hand")
    done = watched(
        """
        import json, helper, sys, importlib.util
        spec = importlib.util.spec_from_file_location("by_hand", "lib/elsewhere.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["by_hand"] = module
        spec.loader.exec_module(module)
        """
    )
    assert done.code == 0, done.err
    assert [(os.path.relpath(event.p), event.n) for event in done.told(Loaded)] == [
        ("program.py", "__main__"),
        ("helper.py", "helper"),
        ("lib/elsewhere.py", "by_hand"),
    ]
    told = os.stat("helper.py")
    assert done.told(Loaded)[1].st == (told.st_size, told.st_mtime_ns, told.st_ino)


def test_the_sitecustomize_that_it_stands_before_runs_as_if_alone(watched):
    Path("own").mkdir()
    Path("own/sitecustomize.py").write_text("import sys\nMARK = __name__\nsys.flag = sys.path[0]")
    program = """
        import sys, sitecustomize
        print(sitecustomize.MARK, sitecustomize.__file__, sys.path, sys.flag)
    """
    own = {"PYTHONPATH": os.path.abspath("own")}
    done, bare = watched(program, environ=own), watched(program, environ=own, bare=True)
    assert (done.code, done.out, done.err) == (0, bare.out, "")
    assert done.told(Began)


@pytest.mark.parametrize("error", ["raise ValueError('mine')", "import nothing_such", "1/0", "def"])
def test_a_broken_sitecustomize_fails_as_ever(watched, error: str):
    Path("own").mkdir()
    Path("own/sitecustomize.py").write_text(error)
    own = {"PYTHONPATH": os.path.abspath("own")}
    done, bare = (watched("print('on')", environ=own, bare=bare) for bare in (False, True))
    assert (done.code, done.out, done.err) == (bare.code, bare.out, bare.err)


def test_grandchildren_are_watched_and_what_dropped_the_path_is_not(watched):
    done = watched(
        """
        import subprocess, sys, os
        subprocess.run(["sh", "-c", f"{sys.executable} -c 'pass'"])
        subprocess.run([sys.executable, "-I", "-c", "pass"])
        subprocess.run([sys.executable, "-c", "pass"], env={})
        """
    )
    assert [event.argv[1:] for event in done.told(Began)] == [["program.py"], ["-c", "pass"]]


def test_what_a_plain_python_has_not_imported_is_not_imported(watched):
    program = "import sys; print('\\n'.join(sorted(set(sys.modules) - {'sitecustomize'})))"
    watched("")  # which fills the cache
    done, bare = watched(program), watched(program, bare=True)
    more = set(done.out.split()) - set(bare.out.split())
    assert more <= {"marshal", "atexit"}
    assert set(bare.out.split()) <= set(done.out.split())


def test_its_code_is_cached_by_a_cache_of_its_own(watched, hook_directory, tmp_path):
    staged = str(tmp_path / "staged")
    shutil.copytree(hook_directory, staged, ignore=shutil.ignore_patterns("*.pyc", "*.bin"))
    watched(argv=("-c", "pass"), hook=staged, environ={"PYTHONDONTWRITEBYTECODE": "1"})
    cache = Path(staged, "cache")
    assert {f"core.{sys.implementation.cache_tag}.bin"} <= set(os.listdir(cache))
    assert [path.name for path in Path(staged).rglob("*.pyc")] == [f"sitecustomize.{sys.implementation.cache_tag}.pyc"]
    for kept in cache.iterdir():
        kept.write_bytes(kept.read_bytes()[:70])  # torn
    done = watched(argv=("-c", "pass"), hook=staged)
    assert (done.err, len(done.told(Ended))) == ("", 1)
    shutil.rmtree(cache)  # as where it may not be written
    done = watched(argv=("-c", "pass"), hook=staged)
    assert (done.err, len(done.told(Ended))) == ("", 1)


def test_what_is_wrong_with_it_is_no_trouble_of_the_programs(watched, hook_directory, tmp_path):
    staged = str(tmp_path / "staged")
    shutil.copytree(hook_directory, staged)
    Path(staged, "parts", "files.py").write_text("raise RuntimeError('ours')")
    done = watched("print(open('program.py').read())", hook=staged)
    assert (done.code, done.err) == (0, "")
    Path(staged, "parts", "core.py").unlink()
    done = watched("print('on')", hook=staged)
    assert (done.code, done.out, done.err, done.streams) == (0, "on\n", "", [])


def test_without_a_run_it_does_nothing(hook_directory):
    done = subprocess.run(
        [sys.executable, "-c", "import sys; print(open, hasattr(sys, '_mlcli_capture'))"],
        env={**os.environ, "PYTHONPATH": hook_directory},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("<built-in function open> False\n", "")


def test_where_the_events_cannot_be_written_the_program_runs_on(watched, tmp_path):
    done = watched(
        """
        import os, shutil
        shutil.rmtree(os.environ["MLCLI_CAPTURE_DIR"])
        open("x.csv", "w").close()
        print(open("x.csv").read() == "")
        """
    )
    assert (done.code, done.out, done.err) == (0, "True\n", "")
