"""What a program sees of being watched: nothing. The same program with and without, compared."""

from __future__ import annotations

from pathlib import Path

import pytest

PROGRAMS = {
    "signature": "import inspect; print(inspect.signature(open), open.__name__, open.__doc__, repr(open))",
    "one open": "import io, builtins; print(io.open is open, builtins.open is open, callable(open))",
    "pickle": "import pickle, io; print(pickle.loads(pickle.dumps(open)) is open)",
    "copy": "import copy; print(copy.copy(open) is open, copy.deepcopy(open) is open)",
    "pickled os": "import pickle, os; print(pickle.loads(pickle.dumps(os.rename)) is os.rename)",
    "signature of os": "import inspect, os; print([inspect.signature(f) for f in (os.open, os.rename, os.chdir, os.remove)])",
    "mock_open": """
        from unittest import mock
        with mock.patch("builtins.open", mock.mock_open(read_data="x")) as m:
            print(open("nothing").read(), m.call_args)
        with mock.patch("builtins.open", autospec=True) as m:
            open("nothing"); print(m.called)
        """,
    "wrapped by the user": """
        import builtins
        original = builtins.open
        builtins.open = lambda *a, **k: (print("mine", a), original(*a, **k))[1]
        print(open("x.csv").read())
        """,
    "rmtree": """
        import os, shutil
        print(os.open in os.supports_dir_fd, os.unlink in os.supports_dir_fd, os.chdir in os.supports_fd)
        print(shutil.rmtree.avoids_symlink_attacks)
        os.makedirs("a/b"); open("a/b/c", "w").close(); os.makedirs("keep"); open("keep/x", "w").close()
        os.symlink("../keep", "a/link")
        shutil.rmtree("a")
        print(sorted(os.listdir(".")), os.listdir("keep"))
        """,
    "dir_fd": """
        import os
        os.mkdir("d"); fd = os.open("d", os.O_RDONLY)
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        os.rename("f", "g", src_dir_fd=fd, dst_dir_fd=fd); print(os.listdir("d"))
        os.unlink("g", dir_fd=fd); print(os.listdir("d"))
        """,
    "arguments by name": """
        import os
        os.rename(src="x.csv", dst="y.csv"); os.replace(src="y.csv", dst="x.csv")
        fd = os.open(path="x.csv", flags=os.O_RDONLY, mode=0o600, dir_fd=None); os.chdir(path="."); os.remove(path="x.csv")
        print(sorted(os.listdir(path=".")), [each.name for each in os.scandir(path=".")] != [], os.system(command="exit 3"))
        """,
    "arguments that are wrong": """
        import os
        for call in (lambda: os.rename("x"), lambda: os.open(), lambda: os.open("x.csv", "r"), lambda: os.remove(nothing=1),
                     lambda: os.open([], 0), lambda: os.open("none", 0), lambda: os.listdir("none"), lambda: os.execv("x", []),
                     lambda: os.chdir("none"), lambda: os.rename("none", "other")):
            try: call()
            except Exception as error: print(repr(error))
        """,
    "errors": """
        for call in (lambda: open("none"), lambda: open("x.csv", "q"), lambda: open("x.csv", 3), lambda: open(None),
                     lambda: open("x.csv", "rb", encoding="u"), lambda: open([]), lambda: open("x.csv", nothing=1)):
            try: call()
            except Exception as error: print(repr(error))
        """,
    "random": """
        import random, os, tempfile
        random.seed(1); open("x.csv").read(); open("y", "w").close(); os.rename("y", "z"); print(random.random())
        """,
    "missing module": "import nothing_such",
    "failing module": "import broken",
    "module with an error of syntax": "import unreadable",
    "failing subprocess module": "import argparse; argparse.ArgumentParser().parse_args(['--x'])",
    "import time errors": "from x_helper import nothing",
    "warnings": "import warnings; warnings.warn('mine'); open('x.csv')",
    "warnings of a library": """
        import soundfile, subprocess
        soundfile.SoundFile("x.csv")
        soundfile.read("x.csv")
        """,
    "modules": "import sys; print([type(each).__name__ for each in sys.meta_path], len(sys.path_hooks))",
    "loader": """
        import x_helper, importlib, inspect, json
        print(type(x_helper.__loader__).__name__, x_helper.__spec__.loader.__dict__.keys(), inspect.getsource(x_helper))
        print(importlib.reload(x_helper).VALUE, json.__loader__.__dict__.keys())
        import importlib.util as u, argparse
        print(argparse.__loader__.__dict__.keys(), u.find_spec("x_helper").origin == x_helper.__file__)
        """,
    "lazy": """
        import importlib.util, sys
        spec = importlib.util.find_spec("argparse")
        spec.loader = importlib.util.LazyLoader(spec.loader)
        module = importlib.util.module_from_spec(spec); sys.modules["argparse"] = module
        spec.loader.exec_module(module)
        print(type(module).__name__, module.ArgumentParser().parse_args([]))
        """,
    "signals": "import signal; print([signal.getsignal(n) for n in (2, 15)])",
    "threads": "import threading; print(threading.active_count())",
    "sqlite": "import sqlite3; c = sqlite3.connect(':memory:'); print(c.execute('select 1').fetchall(), type(c))",
    "subprocess": "import subprocess, inspect; print(len(inspect.signature(subprocess.Popen).parameters))",
    "environment": "import os; print('MLCLI' in ''.join(n for n in os.environ if not n.startswith('MLCLI')))",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=list(PROGRAMS))
def test_a_program_prints_what_it_prints_without(watched, program: str):
    import shutil

    results = []
    for bare in (False, True):
        for each in Path().iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        Path("x.csv").write_text("1")
        Path("soundfile.py").write_text(
            "import warnings\nclass SoundFile:\n    def __init__(self, file, mode='r'):\n"
            "        warnings.warn('old', stacklevel=2)\ndef read(file):\n    warnings.warn('older', stacklevel=2)\n"
        )
        Path("x_helper.py").write_text("VALUE = 1\n")
        Path("broken.py").write_text("def f():\n    1 / 0\nf()\n")
        Path("unreadable.py").write_text("def f(:\n")
        done = watched(program, bare=bare)
        results.append((done.code, done.out, done.err.replace("0x", "")))
        assert bare or done.streams
    assert results[0] == results[1]


def test_a_program_that_cannot_open_a_file_says_so_by_its_own_line(watched):
    done = watched("open('none.csv')")
    assert 'program.py", line 1' in done.err
    assert done.err.endswith("FileNotFoundError: [Errno 2] No such file or directory: 'none.csv'\n")
