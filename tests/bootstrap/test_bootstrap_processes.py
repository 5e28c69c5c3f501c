"""Processes of a run: forks, pools, spawned ones, those that end suddenly, and what they lose, which is nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mlcli.observation.events import Began, Ended, Forked, Started


def test_a_fork_that_leaves_at_once_loses_nothing(watched):
    for number in range(250):
        Path(f"{number}.csv").touch()
    done = watched(
        """
        import os
        for number in range(100): open(f"{number}.csv")
        if not os.fork():
            for number in range(100, 250): open(f"{number}.csv")
            os._exit(0)
        os.wait()
        """
    )
    assert sorted(done.files("r")) == sorted(f"{number}.csv" for number in range(250))
    [forked] = done.told(Forked)
    [parent, child] = done.streams
    assert (forked.pid, forked.ppid) == (child.pid, parent.pid)
    assert [event.pid for event in done.told(Ended)] == [parent.pid]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing_are_watched(watched, method: str):
    for number in range(4):
        Path(f"{number}.csv").write_text("x")
    done = watched(
        f"""
        import multiprocessing
        def read(number):
            return open(f"{{number}}.csv").read()
        if __name__ == "__main__":
            with multiprocessing.get_context("{method}").Pool(2) as pool:
                print(pool.map(read, range(4)))
        """
    )
    assert (done.code, done.out, done.err) == (0, f"{['x'] * 4}\n", "")
    assert set(done.files("r")) == {"0.csv", "1.csv", "2.csv", "3.csv"}


ENDS = {
    "killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
    "a fault": ("import ctypes; ctypes.string_at(0)", -11),
    "left": ("import os; os._exit(3)", 3),
    "an error": ("raise ValueError('mine')", 1),
    "interrupted": ("raise KeyboardInterrupt", -2),
    "asked to exit": ("import sys; sys.exit(4)", 4),
    "turned into another": ("import os; os.execvp('true', ['true'])", 0),
}


@pytest.mark.parametrize(("end", "code"), ENDS.values(), ids=list(ENDS))
def test_what_was_seen_is_told_whatever_the_end(watched, end: str, code: int):
    for number in range(10):
        Path(f"{number}.csv").touch()
    done = watched(f"for number in range(10): open(f'{{number}}.csv')\n{end}")
    assert done.code == code
    assert len(done.files("r")) == 10
    ended = done.told(Ended)
    assert [event.failed for event in ended] == {-9: [], -11: [], 0: []}.get(code, [code in (1, -2)])


def test_events_that_wait_are_written_where_a_process_leaves_without_ceremony(watched):
    Path("d").mkdir()
    for number in range(1000):
        Path("d", str(number)).mkdir()
        Path("d", str(number), "x.csv").touch()
    read = "for number in range(1000): open(f'd/{number}/x.csv')\nimport os\n"
    assert len(watched(read + "os._exit(0)").files("r")) == 1000
    assert len(watched(read + "os.execvp('true', ['true'])").files("r")) == 1000
    killed = len(watched(read + "os.kill(os.getpid(), 9)").files("r"))
    assert 936 <= killed <= 1000


def test_other_programs_are_told_with_their_secrets_masked(watched):
    done = watched(
        """
        import os, subprocess, sys
        subprocess.run(["true", "--api-key", "hunter2hunter2", b"x"])
        subprocess.check_output("true --password=hunter2hunter2", shell=True)
        subprocess.Popen(["true"], env={"PATH": os.environ["PATH"]}).wait()
        os.system("true")
        os.spawnvp(os.P_WAIT, "true", ["true", "-z"])
        """
    )
    assert (done.code, done.err) == (0, "")
    assert [(event.argv, event.env) for event in done.told(Started)] == [
        (["true", "--api-key", "***", "x"], False),
        ("true --password=***", False),
        (["true"], True),
        ("true", False),
        (["true", "-z"], False),
    ]
    assert "hunter2" not in repr(done.all())


def test_a_program_that_is_not_there_fails_as_ever(watched):
    program = """
        import subprocess
        try:
            subprocess.run(["no-such-program"])
        except FileNotFoundError as error:
            print(error)
    """
    assert watched(program).out == watched(program, bare=True).out


def test_descriptors_are_the_programs_own(watched):
    program = """
        import os
        fd = os.open("x", os.O_WRONLY | os.O_CREAT)
        print(fd)
        os.closerange(3, 20)
        file = open("y", "w")
        print(file.fileno())
        for name in "abc":
            open(name, "w").write(name)
        file.write("mine")
        file.close()
        print(sorted(os.listdir("/proc/self/fd")))
        print([open(name).read() for name in "xyabc"])
    """
    done = watched(program)
    assert (done.out, done.err) == (watched(program, bare=True).out, "")
    assert sorted(done.files("w")) == ["a", "b", "c", "x", "y"]


def test_workers_of_joblib_are_watched(watched):
    pytest.importorskip("joblib")
    for number in range(4):
        Path(f"{number}.csv").write_text("x")
    done = watched(
        """
        from joblib import Parallel, delayed
        def read(number):
            return open(f"{number}.csv").read()
        print(Parallel(n_jobs=2)(delayed(read)(number) for number in range(4)))
        """
    )
    assert (done.code, done.out, done.err) == (0, f"{['x'] * 4}\n", "")
    assert {"0.csv", "1.csv", "2.csv", "3.csv"} <= set(done.files("r"))
    assert any("loky" in " ".join(event.argv) for event in done.told(Began))


def test_a_program_says_where_it_runs(watched):
    done = watched(argv=("-c", "pass"))
    assert done.told(Began)[0].argv == [sys.executable, "-c", "pass"]
